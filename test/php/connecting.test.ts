/** A worker that lets itself be waited for when a connection is made. */
import { chmodSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

test('a deadline that passes while a worker is connected ends the call, and the slot is free once the worker is', async () => {
  const folder = openFolder();
  const project = functionsProject({ hold: WAIT });
  chmodSync(project, 0o755);
  await rawFpm(folder, [`${folder}/a.sock`], 1);
  // One worker less than the settings say: the second connection waits for a process that is not there.
  const pools = {
    default: { address: `unix:${folder}/a.sock`, workers: 2, root: project, runtime, connectTimeoutMs: 60_000 },
  };
  const gateway = await startGateway({ pools }, { project });
  const held = new Held(folder, 'first');
  const first = gateway.invoke('hold', held.file);
  await held.started();
  await expect(gateway.invoke('hold', `${folder}/second`, { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'deadline-exceeded',
    status: 504,
    executed: 'no',
  });
  const taken = (): number | undefined => gateway.pools()[0]?.backends[0]?.taken;
  expect(taken()).toBe(2);
  held.go();
  expect(await first).toBe(1);
  // php-fpm gives its one worker to the second connection only when the first is closed.
  await gateway.close();
  await until('no slot is taken', () => (taken() ?? 0) === 0);
});
