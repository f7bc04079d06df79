/** Calls do not depend on the collector their traces go to, nor does the end of the gateway. */
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { exportingTo, startCollector } from '../support/collector.ts';
import { serve } from '../support/command.ts';
import { functionsProject } from '../support/project.ts';

test.each([
  ['dead', async () => 'http://127.0.0.1:9'],
  ['mute', async () => (await startCollector(false)).url],
])(
  'a %s collector: calls are answered, the gateway still ends, and says what was lost',
  async (_what, collectorUrl) => {
    const cli = await serve('start', functionsProject({ echo: 'return $input;' }), {
      env: exportingTo(await collectorUrl(), { FPMG_LOG__LEVEL: 'warn' }),
    });
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async () => (await callUrl(cli.url, 'echo', 1)).status),
    );
    expect(statuses).toEqual(statuses.map(() => 200));
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    const losses = cli.events().filter(({ msg }) => msg === 'traces were not exported');
    expect(losses.reduce((sum, { dropped, failed }) => sum + Number(dropped) + Number(failed), 0)).toBe(50);
    expect(losses.every(({ why, level }) => typeof why === 'string' && why !== '' && level === 40)).toBe(true);
  },
);
