/** Pools that sleep: no process until a call comes, which waits for one; and none again when nobody calls. */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { phpProcesses } from '../../gateway/pool/instance-dir.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const ENGINES = ['fpm', 'resident'] as const;
type Engine = (typeof ENGINES)[number];

const SLEEPS = { minWorkers: 0, maxWorkers: 3, sleepAfterMs: 200, resident: { minWorkers: 0, maxWorkers: 3 } };

const start = async (engine: Engine, pool: object = {}): Promise<Gateway> => {
  const project = functionsProject({ pid: 'return getmypid();', wait: WAIT });
  const functions = { pid: { engine }, wait: { engine } };
  return await startGateway({ pools: { default: { ...SLEEPS, ...pool } }, functions }, { project });
};

const statusOf = (gateway: Gateway) => {
  const [pool] = gateway.pools();
  if (pool === undefined) throw new Error('There is no pool.');
  return pool;
};

const asleep = async (gateway: Gateway): Promise<void> =>
  await until('it sleeps', () => statusOf(gateway).state === 'asleep');

/** To be asked while the gateway runs: what it then matches are its processes, those that have ended and whom nobody has asked excepted. */
const processesOf = (gateway: Gateway): (() => number[]) => {
  const [instance = ''] = readdirSync(gateway.settings.runtimeDir ?? '');
  expect(instance).not.toBe('');
  return () => phpProcesses((title) => title.includes(instance));
};

describe.each(ENGINES)('%s', (engine) => {
  test('checked at start, it sleeps at once, without a process; a call wakes it, and it sleeps again', async () => {
    const gateway = await start(engine);
    await asleep(gateway);
    const mine = processesOf(gateway);
    expect(mine()).toEqual([]);
    expect(statusOf(gateway)).toMatchObject({ workers: 0, minWorkers: 0, maxWorkers: 3, masterPid: undefined });
    const pid = Number(await gateway.invoke('pid', null));
    expect(mine()).toContain(pid);
    const { state, workers, coldStartMs } = statusOf(gateway);
    expect([state, workers]).toEqual(['awake', 1]);
    expect(coldStartMs).toBeGreaterThan(0);
    await asleep(gateway);
    expect(mine()).toEqual([]);
    expect(statusOf(gateway).steps.map(({ from, to, reason }) => [from, to, reason])).toEqual([
      [1, 0, 'asleep: checked at start, and not called yet'],
      [0, 1, 'woken by a call of pid'],
      [1, 0, 'asleep: no call for 200 ms'],
    ]);
  });

  test('a thundering herd wakes it once, and all are served', async () => {
    const gateway = await start(engine);
    await asleep(gateway);
    const pids = await Promise.all(Array.from({ length: 200 }, () => gateway.invoke('pid', null)));
    expect(pids.every((pid) => typeof pid === 'number')).toBe(true);
    expect(new Set(pids).size).toBeLessThanOrEqual(3);
    expect(statusOf(gateway).steps.filter(({ reason }) => reason.startsWith('woken'))).toHaveLength(1);
  });

  test('calls that run keep it awake', async () => {
    const gateway = await start(engine);
    const held = new Held(openFolder(), 'a');
    const call = gateway.invoke('wait', held.file);
    const pid = await held.started();
    await until('workers beyond it have gone', () => statusOf(gateway).workers <= 1);
    expect(statusOf(gateway).state).toBe('awake');
    held.go();
    await call;
    expect(pid).toBeGreaterThan(1);
    await asleep(gateway);
  });

  test('calls that come while it ends wait for that and wake it again', async () => {
    const gateway = await start(engine, { sleepAfterMs: 100 });
    for (let round = 0; round < 3; round += 1) {
      await gateway.invoke('pid', null);
      await until('it falls asleep', () => statusOf(gateway).state !== 'awake');
      expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
    }
  });

  test.each(['close', 'destroy'] as const)('%s in any state leaves nothing behind', async (how) => {
    const sleeping = await start(engine);
    const left = [processesOf(sleeping)];
    await asleep(sleeping);
    await sleeping[how]();
    const waking = await start(engine);
    left.push(processesOf(waking));
    await asleep(waking);
    const call = waking.invoke('pid', null).then(Number, (error) => error.code);
    await until('it wakes', () => statusOf(waking).state === 'waking');
    await waking[how]();
    expect(how === 'close' ? await call : typeof (await call)).toEqual(how === 'close' ? expect.any(Number) : 'string');
    const falling = await start(engine);
    left.push(processesOf(falling));
    await falling[how]();
    expect(left.flatMap((processes) => processes())).toEqual([]);
  });
});
