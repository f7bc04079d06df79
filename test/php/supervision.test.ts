/** Masters that live and do not do their work: found, replaced, and no call lost that could be served. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, groupOf, isAlive, kill, masterOf, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';
const SLOW = 'timeoutMs: 60000, queueTimeoutMs: 30000';

const start = async (config = {}, more = ''): Promise<{ gateway: Gateway; folder: string }> => {
  const project = functionsProject({ pid: [PID, `${SLOW}, ${more}`], wait: [WAIT, `${SLOW}, ${more}`] });
  const folder = openFolder();
  return { gateway: await startGateway({ pools: { default: { workers: 2 } }, ...config }, { project }), folder };
};

const restartsOf = (gateway: Gateway) => {
  const [pool] = gateway.pools();
  if (pool === undefined) throw new Error('There is no pool.');
  return pool.restarts;
};

const isReplaced = (gateway: Gateway, master: number): boolean =>
  masterOf(gateway) !== 0 && masterOf(gateway) !== master;

describe('a php-fpm master that is stopped', () => {
  test('with its workers dead: calls are served by another’s, and nothing of it is left', async () => {
    const { gateway } = await start();
    const master = masterOf(gateway);
    kill(master, 'SIGSTOP');
    for (const pid of workersOf(master)) kill(pid, 'SIGKILL');
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
    expect(isReplaced(gateway, master)).toBe(true);
    await until('the old one is gone', () => groupOf(master).length === 0);
    expect(restartsOf(gateway)).toMatchObject({ count: 1, nextAt: undefined });
    expect(restartsOf(gateway).why).toMatch(/SIGSTOP|no worker answered/);
  });

  test('while a call runs: another takes its place, the call gets its answer, then the old one goes', async () => {
    const { gateway, folder } = await start();
    const held = new Held(folder, 'a');
    const running = gateway.invoke('wait', held.file);
    const worker = await held.started();
    const master = masterOf(gateway);
    kill(master, 'SIGSTOP');
    await until('another is there', () => isReplaced(gateway, master));
    expect(restartsOf(gateway)).toMatchObject({ count: 1, why: expect.stringContaining('SIGSTOP') });
    expect(workersOf(masterOf(gateway))).toContain(await gateway.invoke('pid', null));
    expect(isAlive(worker)).toBe(true);
    held.go();
    expect(await running).toBe(1);
    await until('the old one is gone', () => groupOf(master).length === 0);
    // Replaced with it, and no orphans of a death.
    expect(gateway.pools()[0]?.orphans).toBe(0);
  });

  test('with all its workers: what waits is served by another’s within its time', async () => {
    const { gateway } = await start();
    const master = masterOf(gateway);
    for (const pid of groupOf(master)) kill(pid, 'SIGSTOP');
    const pids = await Promise.all([1, 2, 3].map(() => gateway.invoke('pid', null)));
    expect(pids.every((pid) => pid !== master)).toBe(true);
    await until('the old one is gone', () => groupOf(master).length === 0);
  });

  test('does not hold up the gateway’s end', async () => {
    const { gateway } = await start({ shutdownGraceMs: 60_000 });
    const master = masterOf(gateway);
    kill(master, 'SIGSTOP');
    await gateway.close();
    await until('it is gone', () => groupOf(master).length === 0);
  });
});

test('a pool that starts workers as they are needed, whose master is stopped, comes back by itself', async () => {
  const { gateway } = await start({ pools: { default: { minWorkers: 1, maxWorkers: 4 } } });
  const master = masterOf(gateway);
  kill(master, 'SIGSTOP');
  for (const pid of workersOf(master)) kill(pid, 'SIGKILL');
  await Promise.all([1, 2, 3, 4].map(() => gateway.invoke('pid', null)));
  expect(isReplaced(gateway, master)).toBe(true);
});

test('a socket that somebody removed is made anew, with a master of its own', async () => {
  const { gateway } = await start();
  const master = masterOf(gateway);
  rmSync(backendOf(gateway).address.replace('unix:', ''));
  await until('another is there', () => isReplaced(gateway, master));
  expect(restartsOf(gateway).why).toContain('socket');
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
});

test('workers that outlive their master are counted when they are ended', async () => {
  const { gateway } = await start();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  await until('another is there', () => isReplaced(gateway, master));
  await until('the orphans are gone', () => groupOf(master).length === 0);
  expect(gateway.pools()[0]?.orphans).toBe(2);
  expect(restartsOf(gateway)).toMatchObject({ count: 1, why: 'php-fpm died (SIGKILL).' });
});

test('a worker that outlives its master is ended at its call’s deadline', async () => {
  const project = functionsProject({ wait: [WAIT, 'timeoutMs: 4000'] });
  const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
  const held = new Held(openFolder(), 'a');
  const late = expect(gateway.invoke('wait', held.file)).rejects.toMatchObject({ code: 'function-timeout' });
  await held.started();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  await late;
  await until('no orphan is left', () => groupOf(master).length === 0);
});

test('a master that does not come back is tried for ever later, which the status tells, and comes back when it can', async () => {
  const folder = openFolder();
  const program = join(folder, 'php-fpm');
  const broken = join(folder, 'broken');
  writeFileSync(
    program,
    `#!/bin/sh\ntest -e ${broken} && { echo 'out of order' >&2; exit 3; }\nexec ${findPhpFpm(undefined)} "$@"\n`,
  );
  chmodSync(program, 0o755);
  const { gateway } = await start({ phpFpm: program });
  writeFileSync(broken, '');
  kill(masterOf(gateway), 'SIGKILL');
  const status = () => gateway.pools()[0];
  await until('it failed', () => status()?.lastFailure?.includes('out of order') === true);
  let delayMs = 0;
  await until('the delay grows', () => {
    const { nextAt } = restartsOf(gateway);
    delayMs = nextAt === undefined ? delayMs : Math.max(delayMs, Date.parse(nextAt) - Date.now());
    return delayMs > 700;
  });
  expect(restartsOf(gateway).count).toBe(0);
  expect((await gateway.fetch(new Request('http://localhost/readyz'))).status).toBe(503);
  rmSync(broken);
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  expect(restartsOf(gateway)).toMatchObject({ count: 1, nextAt: undefined });
  expect(status()?.lastFailure).toBeUndefined();
});

test('a master of resident workers that is stopped: they serve on, and the next worker is another master’s', async () => {
  const { gateway } = await start({ pools: { default: { resident: { workers: 2 } } } }, "engine: 'resident'");
  const master = masterOf(gateway);
  kill(master, 'SIGSTOP');
  const first = (await gateway.invoke('pid', null)) as number;
  kill(first, 'SIGKILL');
  await until('it is replaced', () => isReplaced(gateway, master));
  expect(isAlive(master)).toBe(false);
  expect(await gateway.invoke('pid', null)).not.toBe(first);
  expect(restartsOf(gateway).count).toBe(1);
  expect(restartsOf(gateway).why).toMatch(/SIGSTOP|did not fork/);
  await until('all workers are there', () => backendOf(gateway).idleConnections === 2);
});
