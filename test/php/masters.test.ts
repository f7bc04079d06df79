/** The php-fpm master: dies, comes back, is closed and destroyed; nothing is left behind. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, groupOf, isAlive, kill, masterOf, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';

const start = async (more = {}): Promise<{ gateway: Gateway; runtimeDir: string; folder: string }> => {
  const folder = openFolder();
  const runtimeDir = join(folder, 'r');
  const config = { runtimeDir, pools: { default: { workers: 2 } }, ...more };
  const project = functionsProject({ pid: PID, wait: WAIT, 'wait-again': [WAIT, 'idempotent: true'] });
  return { gateway: await startGateway(config, { project }), runtimeDir, folder };
};

test('a master killed between calls: the next calls succeed in new workers, the old ones are gone', async () => {
  const { gateway } = await start();
  const before = (await gateway.invoke('pid', null)) as number;
  const master = masterOf(gateway);
  const orphans = workersOf(master);
  expect(orphans).toContain(before);
  kill(master, 'SIGKILL');
  await until('another master is up', () => masterOf(gateway) !== 0 && masterOf(gateway) !== master);
  const after = (await gateway.invoke('pid', null)) as number;
  expect(orphans).not.toContain(after);
  expect(workersOf(masterOf(gateway))).toContain(after);
  await until('the orphans are gone', () => orphans.every((pid) => !isAlive(pid)));
});

test('a master killed in the middle of a call: the call gets its answer, and calls meanwhile are served', async () => {
  const { gateway, folder } = await start();
  const held = new Held(folder, 'a');
  const running = gateway.invoke('wait', held.file);
  const orphan = await held.started();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  await until('the death is seen', () => masterOf(gateway) !== master);
  expect(await gateway.invoke('pid', null)).not.toBe(orphan);
  expect(isAlive(orphan)).toBe(true);
  held.go();
  expect(await running).toBe(1);
  await until('the orphan is gone', () => !isAlive(orphan));
});

test('calls while the master dies over and over succeed or say honestly why not', async () => {
  const { gateway } = await start();
  let masters = 0;
  let ended = false;
  const killing = (async () => {
    let last = 0;
    while (masters < 3) {
      await until('a master is up', () => masterOf(gateway) !== 0 && masterOf(gateway) !== last);
      last = masterOf(gateway);
      kill(last, 'SIGKILL');
      for (const pid of workersOf(last)) kill(pid, 'SIGKILL');
      masters += 1;
    }
    ended = true;
  })();
  const outcomes = new Set<number | string>();
  while (!ended) {
    const response = await post(gateway, 'pid', null);
    const body = (await response.json()) as { code?: string };
    outcomes.add(response.status === 200 ? 200 : `${response.status} ${body.code}`);
  }
  await killing;
  const honest = [200, '502 worker-crashed', '503 pool-unavailable', '503 queue-timeout'];
  expect([...outcomes].filter((outcome) => !honest.includes(outcome))).toEqual([]);
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
});

test('close() lets the running call finish, refuses new ones, and leaves no process and no folder', async () => {
  const { gateway, runtimeDir, folder } = await start();
  const held = new Held(folder, 'a');
  const running = gateway.invoke('wait', held.file);
  await held.started();
  const master = masterOf(gateway);
  const closing = gateway.close();
  const again = gateway.close();
  await expect(gateway.invoke('pid', null)).rejects.toMatchObject({ code: 'shutting-down', executed: 'no' });
  expect(groupOf(master).length).toBe(3);
  held.go();
  expect(await running).toBe(1);
  await Promise.all([closing, again, gateway.close()]);
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('close() ends what still runs when the grace is over', async () => {
  const { gateway, folder, runtimeDir } = await start({ shutdownGraceMs: 200 });
  const held = new Held(folder, 'a');
  const running = gateway.invoke('wait', held.file);
  const failed = expect(running).rejects.toMatchObject({ code: 'worker-crashed' });
  await held.started();
  const master = masterOf(gateway);
  await gateway.close();
  await failed;
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('destroy() fails running calls at once and leaves no process and no folder', async () => {
  const { gateway, folder, runtimeDir } = await start();
  const held = new Held(folder, 'a');
  const failed = expect(gateway.invoke('wait-again', held.file)).rejects.toMatchObject({ name: 'GatewayError' });
  await held.started();
  const master = masterOf(gateway);
  await Promise.all([gateway.destroy(), gateway.destroy()]);
  await failed;
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
  expect(held.pids).toHaveLength(1);
});

test('destroy() while close() waits ends the wait', async () => {
  const { gateway, folder, runtimeDir } = await start();
  const held = new Held(folder, 'a');
  const failed = expect(gateway.invoke('wait', held.file)).rejects.toMatchObject({ code: 'worker-crashed' });
  await held.started();
  const master = masterOf(gateway);
  const closing = gateway.close();
  await gateway.destroy();
  await Promise.all([closing, failed]);
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('destroy() also ends the workers of a master that had died', async () => {
  const { gateway, folder, runtimeDir } = await start();
  const held = new Held(folder, 'a');
  const failed = expect(gateway.invoke('wait', held.file)).rejects.toMatchObject({ code: 'worker-crashed' });
  const orphan = await held.started();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  await until('the death is seen', () => masterOf(gateway) !== master);
  await gateway.destroy();
  await failed;
  await until('the orphan is gone', () => !isAlive(orphan));
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('close() while a master restarts leaves nothing', async () => {
  const { gateway, runtimeDir } = await start();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  await until('the death is seen', () => masterOf(gateway) !== master);
  await gateway.close();
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('a master killed while close() waits takes its workers with it', async () => {
  const { gateway, folder, runtimeDir } = await start();
  const held = new Held(folder, 'a');
  const running = gateway.invoke('wait', held.file);
  await held.started();
  const master = masterOf(gateway);
  const closing = gateway.close();
  kill(master, 'SIGKILL');
  await until('the master is gone', () => !isAlive(master));
  held.go();
  expect(await running).toBe(1);
  await closing;
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('a master that is dead before anyone has seen it takes its workers with it when close() comes', async () => {
  const { gateway, runtimeDir } = await start();
  const master = masterOf(gateway);
  kill(master, 'SIGKILL');
  // Nothing is awaited, so that this process cannot be told.
  while (isAlive(master));
  await gateway.close();
  await until('all processes are gone', () => groupOf(master).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('the folder of the sockets is for its owner alone', async () => {
  const { runtimeDir, gateway } = await start();
  const { statSync } = await import('node:fs');
  const [instance = ''] = readdirSync(runtimeDir);
  expect(statSync(join(runtimeDir, instance, 's')).mode & 0o777).toBe(0o700);
  const socket = backendOf(gateway).address.replace('unix:', '');
  expect(socket.startsWith(join(runtimeDir, instance, 's'))).toBe(true);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
});

test('a gateway that could not start leaves nothing', async () => {
  const folder = openFolder();
  const runtimeDir = join(folder, 'r');
  const project = functionsProject({ bad: 'return 1' });
  await expect(createGateway({ runtimeDir }, { project, env: {} })).rejects.toThrow('functions/bad.php:4');
  expect(readdirSync(runtimeDir)).toEqual([]);
});
