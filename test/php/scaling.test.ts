/** Workers that follow load, real ones: no call fails for it, and there are never more connections than workers. */
import { expect, test } from 'vitest';
import type { Gateway, GatewayPoolStatus } from '../../gateway/gateway.ts';
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
      for (const { taken, idleConnections } of backends) expect(taken + idleConnections).toBeLessThanOrEqual(workers);
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
    [6, 5, 'idle for 1 s'],
    [5, 4, 'idle for 1 s'],
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
