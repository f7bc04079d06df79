/** Workers that follow load, real ones: no call fails for it, and there are never more connections than workers. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Gateway, GatewayPoolStatus } from '../../gateway/gateway.ts';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { Gate, Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const ENGINES = ['fpm', 'resident'] as const;
const MAX = 6;

const start = async (engine: (typeof ENGINES)[number], minWorkers: number, more: object = {}): Promise<Gateway> => {
  const project = functionsProject({ work: 'usleep(2000); return $input;', wait: WAIT });
  const functions = { work: { engine }, wait: { engine } };
  const size = { minWorkers, maxWorkers: MAX };
  const pool = { ...size, resident: size, idleMs: 1000, sleepAfterMs: 100, ...more };
  return await startGateway({ pools: { default: pool }, functions }, { project });
};

const statusOf = (gateway: Gateway): GatewayPoolStatus => {
  const [pool] = gateway.pools();
  if (pool === undefined) throw new Error('There is no pool.');
  return pool;
};

test.each(ENGINES)('%s: load goes from nothing to its peak and back, five times, and no call fails', async (engine) => {
  const gateway = await start(engine, 0);
  let sent = 0;
  const caller = async (calls: number): Promise<void> => {
    for (let n = 0; n < calls; n += 1) {
      sent += 1;
      expect(await gateway.invoke('work', sent)).toBeTypeOf('number');
      const { backends, workers } = statusOf(gateway);
      for (const { taken, idleConnections, workers: same } of backends) {
        expect(same).toBe(workers);
        expect(taken + idleConnections).toBeLessThanOrEqual(workers);
      }
    }
  };
  for (let round = 0; round < 5; round += 1) {
    await until('nobody is there', () => statusOf(gateway).state === 'asleep');
    await Promise.all(Array.from({ length: 40 }, () => caller(10)));
    const { steps } = statusOf(gateway);
    expect(Math.max(...steps.map(({ to }) => to))).toBeGreaterThan(1);
    expect(steps.some(({ reason }) => /calls? waited$/.test(reason))).toBe(true);
  }
  expect(sent).toBe(2000);
});

test.each(ENGINES)('%s: a burst gets all workers at once; they go one by one, and minWorkers stay', async (engine) => {
  const gateway = await start(engine, 2);
  expect(statusOf(gateway)).toMatchObject({ state: 'awake', workers: 2, minWorkers: 2, maxWorkers: MAX });
  const folder = openFolder();
  const held = Array.from({ length: MAX }, (_, n) => new Held(folder, String(n)));
  const calls = held.map(({ file }) => gateway.invoke('wait', file));
  const pids = await Promise.all(held.map((call) => call.started()));
  expect([new Set(pids).size, statusOf(gateway).workers]).toEqual([MAX, MAX]);
  for (const call of held) call.go();
  await Promise.all(calls);
  await until('only those that stay are there', () => statusOf(gateway).workers === 2);
  const shrunk = statusOf(gateway).steps.filter(({ from, to }) => to < from);
  expect(shrunk.map(({ from, to, reason }) => [from, to, reason])).toEqual([
    [6, 5, expect.stringMatching(/^idle for /)],
    [5, 4, expect.stringMatching(/^idle for /)],
    [4, 3, expect.stringMatching(/^idle for /)],
    [3, 2, expect.stringMatching(/^idle for /)],
  ]);
  await until('their connections are closed', () => (statusOf(gateway).backends[0]?.idleConnections ?? 0) === 2);
});

/** A socket is nothing to fork: each worker loads the application by itself. */
const ALONE = "$GLOBALS['socket'] = stream_socket_server('tcp://127.0.0.1:0');";

test('a call that all workers wait for gets one in reserve, although more could come, one day', async () => {
  const gate = new Gate();
  gate.open();
  const deep = "return $input > 0 ? $call->invoke('deep', $input - 1) : 'bottom';";
  const project = functionsProject({
    deep: [deep, "engine: 'resident'"],
    'app/boot.php': `<?php ${ALONE} ${gate.waiting}`,
  });
  const resident = { minWorkers: 1, maxWorkers: 8 };
  const gateway = await startGateway({ pools: { default: { bootstrap: 'app/boot.php', resident } } }, { project });
  gate.close();
  const called = gateway.invoke('deep', 1);
  await until('it has one in reserve', () => statusOf(gateway).reserve?.taken === 1);
  gate.open();
  expect(await called).toBe('bottom');
});

test('while php-fpm cannot be started nothing grows, callers get a reason, and the status tells it', async () => {
  const folder = openFolder();
  const broken = `${folder}/broken`;
  const program = join(folder, 'php-fpm');
  writeFileSync(program, `#!/bin/sh\n[ -e ${broken} ] && exit 3\nexec ${findPhpFpm(undefined)} "$@"\n`, {
    mode: 0o755,
  });
  const project = functionsProject({ echo: ['return $input;', 'queueTimeoutMs: 50'] });
  const pool = { minWorkers: 1, maxWorkers: 3 };
  const gateway = await startGateway({ phpFpm: program, pools: { default: pool } }, { project });
  expect(statusOf(gateway).lastFailure).toBeUndefined();
  writeFileSync(broken, '');
  process.kill(statusOf(gateway).masterPid ?? 0, 'SIGKILL');
  await until('its end is noticed', () => statusOf(gateway).masterPid === undefined);
  await expect(gateway.invoke('echo', 1)).rejects.toMatchObject({ code: 'pool-unavailable', executed: 'no' });
  expect(statusOf(gateway)).toMatchObject({ workers: 1, lastFailure: expect.stringMatching(/./) });
  expect(statusOf(gateway).steps.map(({ to }) => to)).toEqual([1]);
  rmSync(broken);
  await until('it is back', () => statusOf(gateway).masterPid !== undefined);
  expect(await gateway.invoke('echo', 1)).toBe(1);
  expect(statusOf(gateway).lastFailure).toBeUndefined();
});

test.each(ENGINES)(
  '%s: where nobody may wait, calls that are refused make it grow, and nested ones are served',
  async (engine) => {
    const deep = "return $input > 0 ? $call->invoke('deep', $input - 1) : 'bottom';";
    const project = functionsProject({ deep: [deep, `engine: '${engine}'`], wait: [WAIT, `engine: '${engine}'`] });
    const size = { minWorkers: 1, maxWorkers: 2 };
    const gateway = await startGateway({ pools: { default: { ...size, resident: size, queueMax: 0 } } }, { project });
    expect(await gateway.invoke('deep', 1)).toBe('bottom');
    const held = new Held(openFolder(), 'held');
    const first = gateway.invoke('wait', held.file);
    await held.started();
    let refused = 0;
    await until('there is another worker', async () => {
      try {
        return (await gateway.invoke('deep', 0)) === 'bottom';
      } catch (error) {
        expect(error).toMatchObject({ code: 'overloaded' });
        refused += 1;
        return false;
      }
    });
    expect(refused).toBeGreaterThan(0);
    expect(statusOf(gateway).steps.at(-1)).toMatchObject({ from: 1, to: 2, reason: 'a call was turned away' });
    held.go();
    await first;
  },
);
