/** `pm`: dynamic and ondemand pools let idle workers go and still serve what comes. */
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, masterOf, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';

const start = async (pm: 'dynamic' | 'ondemand', workers: number) =>
  await startGateway(
    { pools: { default: { pm, workers, idleMs: 1000, sleepAfterMs: 5000 } } },
    { project: functionsProject({ pid: PID, wait: WAIT }) },
  );

/** Each waits for its own file: they all run at the same time, or this never ends. */
const allAtOnce = async (gateway: Gateway, count: number): Promise<number[]> => {
  const folder = openFolder();
  const held = Array.from({ length: count }, (_, n) => new Held(folder, String(n)));
  const calls = held.map(({ file }) => gateway.invoke('wait', file));
  const pids = await Promise.all(held.map((call) => call.started()));
  for (const call of held) call.go();
  await Promise.all(calls);
  return pids;
};

test('ondemand: workers come with calls and go when nobody calls, the last with the pool, which sleeps', async () => {
  const gateway = await start('ondemand', 3);
  const pids = await allAtOnce(gateway, 3);
  expect(new Set(pids).size).toBe(3);
  const master = masterOf(gateway);
  await until('unused connections are closed', () => backendOf(gateway).idleConnections === 1);
  await until('idle workers are gone', () => workersOf(master).length === 1);
  await until('it sleeps', () => gateway.pools()[0]?.state === 'asleep' && workersOf(master).length === 0);
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
});

test('dynamic: a burst is served by all workers at once, and all but a quarter of them go again', async () => {
  const gateway = await start('dynamic', 4);
  const pids = await allAtOnce(gateway, 4);
  expect(new Set(pids).size).toBe(4);
  await until('unused connections are closed', () => backendOf(gateway).idleConnections === 1);
  await until('idle workers are gone', () => workersOf(masterOf(gateway)).length === 1);
  expect(pids).toContain(await gateway.invoke('pid', null));
});

test.each(['dynamic', 'ondemand'] as const)('%s: one worker is enough', async (pm) => {
  const gateway = await start(pm, 1);
  expect(await Promise.all([gateway.invoke('pid', null), gateway.invoke('pid', null)])).toHaveLength(2);
});
