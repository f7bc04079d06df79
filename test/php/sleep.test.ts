/** Pools that sleep: no process until a call comes, which waits for one; and none again when nobody calls. */
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { phpProcesses, processFacts } from '../../gateway/pool/instance-dir.ts';
import { findPhp } from '../../gateway/pool/php-cli.ts';
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
    const other = await start(engine);
    await other.invoke('pid', null);
    await asleep(other);
    expect(statusOf(gateway)).toMatchObject({ state: 'awake', workers: 1 });
    held.go();
    await call;
    expect(pid).toBeGreaterThan(1);
    await asleep(gateway);
  });

  test('calls that come while it ends wake it again', async () => {
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

/** PHP that can be broken, and mended. */
const breakable = (engine: Engine) => {
  const folder = openFolder();
  const [broken, once] = [join(folder, 'broken'), join(folder, 'once')];
  const program = join(folder, 'php');
  const real = engine === 'fpm' ? findPhpFpm(undefined) : findPhp(undefined, findPhpFpm(undefined));
  writeFileSync(
    program,
    `#!/bin/sh\nrm ${once} 2>/dev/null || [ -e ${broken} ] && { echo 'it is broken' >&2; exit 3; }\nexec ${real} "$@"\n`,
  );
  chmodSync(program, 0o755);
  const setting = engine === 'fpm' ? { phpFpm: program } : { php: program };
  return {
    setting,
    break: () => writeFileSync(broken, ''),
    mend: () => rmSync(broken),
    /** It fails at its next start, and never again. */
    breakOnce: () => writeFileSync(once, ''),
  };
};

/** A php-fpm that can hang before it has a group of its own, as one does whose preload hangs, with a child of its own. */
const hanging = () => {
  const folder = openFolder();
  const [hangs, pid, program] = [join(folder, 'hangs'), join(folder, 'pid'), join(folder, 'php-fpm')];
  const hang = `[ -e ${hangs} ] && { sleep 1000 & echo $$ $! > ${pid}.new; mv ${pid}.new ${pid}; wait; }`;
  writeFileSync(program, `#!/bin/sh\n${hang}\nexec ${findPhpFpm(undefined)} "$@"\n`);
  chmodSync(program, 0o755);
  return {
    phpFpm: program,
    hang: () => writeFileSync(hangs, ''),
    mend: () => rmSync(hangs),
    /** Of those that hang. */
    pids: async (): Promise<number[]> => {
      await until('it hangs', () => existsSync(pid));
      return readFileSync(pid, 'utf8').trim().split(' ').map(Number);
    },
  };
};

const isRunning = (pid: number): boolean => processFacts(pid)?.isZombie === false;

const outcomes = async (calls: readonly Promise<unknown>[]): Promise<string[]> => {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => (one.status === 'fulfilled' ? 'ok' : `${one.reason.code} ${one.reason.executed}`));
};

describe.each(ENGINES)('%s that does not wake', (engine) => {
  const breaksLater = async () => {
    const php = breakable(engine);
    const project = functionsProject({ pid: 'return getmypid();' });
    const config = { pools: { default: SLEEPS }, functions: { pid: { engine } }, ...php.setting };
    const gateway = await startGateway(config, { project });
    await asleep(gateway);
    return { gateway, php };
  };

  test('those who wait are told so, operators why; once it is mended calls wake it, and nothing is lost', async () => {
    const { gateway, php } = await breaksLater();
    php.break();
    const calls = Array.from({ length: 20 }, () => gateway.invoke('pid', null));
    expect(new Set(await outcomes(calls))).toEqual(new Set(['pool-unavailable no']));
    await expect(calls[0]).rejects.toMatchObject({ privateDetail: expect.stringContaining('it is broken') });
    const { lastFailure, steps } = statusOf(gateway);
    expect(lastFailure).toContain('it is broken');
    expect(steps.slice(-2).map(({ reason }) => /^did not wake: .*it is broken/.test(reason))).toEqual([true, true]);
    php.mend();
    await asleep(gateway);
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
    expect(statusOf(gateway).lastFailure).toBeUndefined();
  });

  test('because its runtime folder is none any more, it says so', async () => {
    const gateway = await start(engine);
    await asleep(gateway);
    const folder = gateway.settings.runtimeDir ?? '';
    renameSync(folder, `${folder}.moved`);
    writeFileSync(folder, '');
    const call = gateway.invoke('pid', null);
    await expect(call).rejects.toMatchObject({ privateDetail: expect.stringMatching(/ENOTDIR.*Set runtimeDir/) });
    expect(statusOf(gateway).lastFailure).toMatch(/^runtimeDir/);
    rmSync(folder);
    renameSync(`${folder}.moved`, folder);
  });

  test('one failure costs nobody a call', async () => {
    const { gateway, php } = await breaksLater();
    php.breakOnce();
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
    expect(statusOf(gateway).steps.map(({ reason }) => reason.slice(0, 14))).toEqual([
      'asleep: checke',
      'did not wake: ',
      'woken by a cal',
    ]);
  });

  test('while it rests calls are refused at once, and it is not ready', async () => {
    const { gateway, php } = await breaksLater();
    php.break();
    const ready = async (): Promise<number> => (await gateway.fetch(new Request('http://localhost/readyz'))).status;
    // Until the rest is long enough for what follows.
    for (let round = 0; round < 2; round += 1) {
      await asleep(gateway);
      await expect(gateway.invoke('pid', null)).rejects.toMatchObject({ reason: 'did-not-wake' });
    }
    const { steps } = statusOf(gateway);
    const refused = gateway.invoke('pid', null);
    await expect(refused).rejects.toMatchObject({ code: 'pool-unavailable', reason: 'did-not-wake', executed: 'no' });
    expect([statusOf(gateway).state, await ready()]).toEqual(['backing off', 503]);
    expect(statusOf(gateway).steps).toEqual(steps);
    await asleep(gateway);
    expect(await ready()).toBe(200);
    const woke = gateway.tracer.ring.list(10).map(({ spans }) => spans[0]?.attributes['fpm_gateway.woke_pool']);
    expect(woke.filter((pool) => pool !== undefined)).toHaveLength(2);
  });

  test('at start it is an error of the start', async () => {
    const php = breakable(engine);
    php.break();
    const project = functionsProject({ pid: 'return getmypid();' });
    const config = { pools: { default: SLEEPS }, functions: { pid: { engine } }, ...php.setting };
    await expect(startGateway(config, { project })).rejects.toThrow('it is broken');
  });
});

describe('php-fpm that hangs while it wakes', () => {
  test.each(['close', 'destroy'] as const)('is ended by %s at once, with what it has started', async (how) => {
    const php = hanging();
    const project = functionsProject({ pid: 'return getmypid();' });
    const config = { pools: { default: SLEEPS }, phpFpm: php.phpFpm };
    const gateway = await startGateway(config, { project });
    await asleep(gateway);
    php.hang();
    await expect(gateway.invoke('pid', null, { timeoutMs: 100 })).rejects.toMatchObject({ executed: 'no' });
    const pids = await php.pids();
    expect(pids.map(isRunning)).toEqual([true, true]);
    const startedMs = performance.now();
    await gateway[how]();
    expect(pids.map(isRunning)).toEqual([false, false]);
    // It would have been given up after 15 s.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});

test('no two times awake share a socket, and files of those that have ended are removed', async () => {
  const gateway = await start('fpm');
  const [instance = ''] = readdirSync(gateway.settings.runtimeDir ?? '');
  const folder = join(gateway.settings.runtimeDir ?? '', instance);
  const files = (): string[] => [...readdirSync(folder), ...readdirSync(join(folder, 's'))].filter(isOfDefault).sort();
  const isOfDefault = (name: string): boolean => name.startsWith('default.');
  await asleep(gateway);
  expect(files()).toEqual([]);
  await gateway.invoke('pid', null);
  expect(files()).toEqual(['default.2', 'default.2.conf', 'default.2r']);
  await asleep(gateway);
  expect(files()).toEqual([]);
});

test('a call does not wait for shutdown functions of before it slept', async () => {
  const held = new Held(openFolder(), 'a');
  const project = functionsProject({
    pid: 'return getmypid();',
    later: `register_shutdown_function(static function () use ($input): void { ${WAIT.replace(/return .*/, '')} }); return 1;`,
  });
  const functions = { pid: { engine: 'resident' }, later: { engine: 'resident' } } as const;
  const gateway = await startGateway({ pools: { default: SLEEPS }, functions }, { project });
  await asleep(gateway);
  await gateway.invoke('later', held.file);
  const old = await held.started();
  expect(statusOf(gateway).state).toBe('falling asleep');
  expect(await gateway.invoke('pid', null)).not.toBe(old);
  held.go();
});

test('a call does not wait for a master that hangs in its end', async () => {
  const gateway = await start('fpm');
  await asleep(gateway);
  await gateway.invoke('pid', null);
  const { masterPid = 0 } = statusOf(gateway);
  process.kill(masterPid, 'SIGSTOP');
  await until('it falls asleep', () => statusOf(gateway).state !== 'awake');
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  await gateway.destroy();
  expect(isRunning(masterPid)).toBe(false);
});

test('the trace of a call that woke its pool says so', async () => {
  const gateway = await start('fpm');
  await asleep(gateway);
  await gateway.invoke('pid', null);
  await gateway.invoke('pid', null);
  const told = gateway.tracer.ring
    .list(10)
    .map(({ spans }) => spans[0]?.attributes['fpm_gateway.woke_pool'])
    .toSorted();
  expect(told).toEqual(['default', undefined]);
});

test('a release that is ready says so while all of it sleeps', async () => {
  const gateway = await start('fpm');
  await asleep(gateway);
  const answer = await gateway.fetch(new Request('http://localhost/readyz'));
  expect(answer.status).toBe(200);
  expect(statusOf(gateway).state).toBe('asleep');
});

test('a call that may not wait is refused, and the pool wakes all the same', async () => {
  const gateway = await start('fpm', { queueMax: 0, sleepAfterMs: 60_000 });
  await asleep(gateway);
  await expect(gateway.invoke('pid', null)).rejects.toMatchObject({ code: 'overloaded', executed: 'no' });
  await until('it is awake', () => statusOf(gateway).state === 'awake');
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
});

test('a call of a call finds its pool asleep, and is not refused for it', async () => {
  const project = functionsProject({
    outer: ["return $call->invoke('inner', $input);", "pool: 'outer'"],
    inner: ['return $input + 1;', "pool: 'inner'"],
  });
  const config = { pools: { outer: { workers: 1 }, inner: { ...SLEEPS, maxWorkers: 1 } } };
  const gateway = await startGateway(config, { project });
  await until('it sleeps', () => gateway.pools().some(({ state }) => state === 'asleep'));
  expect(await gateway.invoke('outer', 1)).toBe(2);
});
