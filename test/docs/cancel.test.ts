/** What docs/cancel.md shows. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GRACE_MS } from '../../gateway/pool/grace.ts';
import { block, readPage, root } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { toldOf } from '../support/pipelined.ts';
import { writeProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const PAGE = 'docs/cancel.md';

test('the export is ended when its caller leaves, and its unfinished file is gone', async () => {
  const project = writeProject({
    'schemas/export-orders.ts': block(PAGE, 'ts', 'onDisconnect'),
    'functions/export-orders.php': block(PAGE, 'php', 'onCancel'),
  });
  const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project });
  const file = join(openFolder(), 'orders');
  const leaving = new AbortController();
  const told = toldOf(gateway.invoke('export-orders', { file }, { signal: leaving.signal }));
  await until('it has begun', () => existsSync(`${file}.part`));
  leaving.abort();
  expect(await told).toEqual({ code: 'client-closed', executed: 'unknown' });
  await until('its worker is free', () => gateway.pools()[0]?.backends[0]?.taken === 0);
  expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
});

test('its unit test runs', () => {
  const handler = '$handler = function (array $input, $call) { $call->onCancel(function ($why) { echo $why; }); };';
  const code = `require '${root}/gateway/php/autoload.php'; ${handler} $input = []; ${block(PAGE, 'php', 'Call::fake()')}`;
  expect(execFileSync('php', ['-r', code], { encoding: 'utf8' })).toBe('timeout');
});

test('the grace time it names is the one there is', () => {
  expect(readPage(PAGE)).toContain(`at most ${GRACE_MS} ms to clean up`);
});
