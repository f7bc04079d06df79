/** What becomes of a function that leaves state behind in its worker: told, its worker replaced, or itself moved. */
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';
import { until } from '../support/until.ts';

type Policy = 'warn' | 'recycle' | 'fpm' | 'off';

const start = (leaks: Policy): Promise<Gateway> => {
  const project = writeProject({
    'schemas/collect.ts': anyContract("engine: 'resident'"),
    'functions/collect.php': handler('static $seen = []; $seen[] = $input; return [count($seen), getmypid()];'),
    'schemas/zone.ts': anyContract("engine: 'resident'"),
    'functions/zone.php': handler(
      "$was = date_default_timezone_get(); date_default_timezone_set('Asia/Tokyo'); return $was;",
    ),
  });
  // Often: samples come by the time that calls took, here 10 s and more.
  return startGateway(
    { searchLeaks: 'often', pools: { default: { workers: 1, resident: { workers: 1, leaks } } } },
    { project },
  );
};

const statusOf = (gateway: Gateway, name: string) => {
  const pools = gateway.pools();
  const resident = pools.find(({ engine }) => engine === 'resident');
  const leaks = resident?.functions.find((fn) => fn.name === name)?.leaks ?? [];
  return { engines: pools.map(({ engine }) => engine), leaks, restarts: resident?.resident?.restarts };
};

const collect = async (gateway: Gateway): Promise<readonly [seen: number, pid: number]> =>
  (await gateway.invoke('collect', 'x')) as [number, number];

/** Until the sentinel is sure, which takes a few calls. */
const callUntil = async (gateway: Gateway, isTold: () => boolean): Promise<void> =>
  await until('the leak is told', async () => {
    await collect(gateway);
    return isTold();
  });

test('warn: it is named, and the worker stays', async () => {
  const gateway = await start('warn');
  const [, pid] = await collect(gateway);
  await callUntil(gateway, () => statusOf(gateway, 'collect').leaks.length > 0);
  const { leaks, restarts, engines } = statusOf(gateway, 'collect');
  expect(leaks).toMatchObject([{ kind: 'static', name: expect.stringContaining('$seen'), restored: false }]);
  expect(restarts?.leak).toBe(0);
  expect((await collect(gateway))[1]).toBe(pid);
  // Nobody moves there: it is not even started.
  expect(engines).toEqual(['resident']);
});

test('recycle: the worker is replaced, and the state is gone with it', async () => {
  const gateway = await start('recycle');
  const [, pid] = await collect(gateway);
  await callUntil(gateway, () => (statusOf(gateway, 'collect').restarts?.leak ?? 0) > 0);
  await until('another worker answers', async () => (await collect(gateway))[1] !== pid);
});

test('fpm: the function moves to php-fpm, the others stay', async () => {
  const gateway = await start('fpm');
  await callUntil(gateway, () => statusOf(gateway, 'collect').leaks.length > 0);
  expect(await Promise.all([collect(gateway), collect(gateway)])).toEqual([
    [1, expect.any(Number)],
    [1, expect.any(Number)],
  ]);
  const [fpm, resident] = gateway.pools();
  const calls = (status: typeof fpm): number => status?.functions.find(({ name }) => name === 'collect')?.calls ?? 0;
  expect([fpm?.engine, resident?.engine, calls(fpm)]).toEqual(['fpm', 'resident', 2]);
  await gateway.invoke('zone', {});
  expect(resident?.functions.some(({ name }) => name === 'zone')).toBe(true);
});

test('off: nothing is looked for', async () => {
  const gateway = await start('off');
  for (let n = 0; n < 60; n += 1) await collect(gateway);
  expect(statusOf(gateway, 'collect').leaks).toEqual([]);
});

test('what was put back is told, and moves nobody', async () => {
  const gateway = await start('fpm');
  const zones = [await gateway.invoke('zone', {}), await gateway.invoke('zone', {})];
  expect(zones[1]).toBe(zones[0]);
  const { leaks } = statusOf(gateway, 'zone');
  expect(leaks).toMatchObject([{ kind: 'timezone', restored: true }]);
  const resident = gateway.pools().find(({ engine }) => engine === 'resident');
  expect(resident?.functions.find(({ name }) => name === 'zone')?.calls).toBe(2);
});
