/** The gateway as a process: killed, stopped by signals, run by an ordinary user. */
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl, startCli } from '../support/gateway-process.ts';
import { endGroup, groupOf, Held, isAlive, kill, openFolder, WAIT, workersOf } from '../support/php-processes.ts';
import { functionsProject, until } from '../support/project.ts';

const WHO = 'return [getmypid(), posix_geteuid()];';
const WWW_DATA = 33;

const project = (): string => {
  const folder = functionsProject({ who: WHO, wait: WAIT });
  chmodSync(folder, 0o755);
  return folder;
};

const environment = (runtimeDir: string) => ({ FPMG_RUNTIME_DIR: runtimeDir, FPMG_POOLS__DEFAULT__WORKERS: '2' });

test('what a killed gateway leaves is cleaned up when the next one starts', async () => {
  const folder = openFolder();
  const runtimeDir = join(folder, 'r');
  const options = { project: project(), env: environment(runtimeDir) };
  const first = await startCli(options);
  const held = new Held(folder, 'a');
  const cut = callUrl(first.url, 'wait', held.file).catch(() => 'cut');
  await held.started();
  kill(first.child.pid ?? 0, 'SIGKILL');
  await first.ended;
  expect(await cut).toBe('cut');
  const left = groupOf(first.masterPid);
  expect(left).toHaveLength(3);
  const [firstInstance = ''] = readdirSync(runtimeDir);
  const second = await startCli(options);
  await until('the orphans are gone', () => !left.some(isAlive));
  expect(readdirSync(runtimeDir)).toHaveLength(1);
  expect(readdirSync(runtimeDir)).not.toContain(firstInstance);
  expect(await callUrl(second.url, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
});

test('orphans without a master are cleaned up as well', async () => {
  const runtimeDir = join(openFolder(), 'r');
  const options = { project: project(), env: environment(runtimeDir) };
  const first = await startCli(options);
  const workers = workersOf(first.masterPid);
  expect(workers).toHaveLength(2);
  kill(first.child.pid ?? 0, 'SIGKILL');
  kill(first.masterPid, 'SIGKILL');
  await first.ended;
  await startCli(options);
  await until('the orphans are gone', () => !workers.some(isAlive));
});

test('a gateway leaves another one’s processes and folder alone', async () => {
  const runtimeDir = join(openFolder(), 'r');
  const options = { project: project(), env: environment(runtimeDir) };
  const first = await startCli(options);
  const second = await startCli(options);
  expect(await callUrl(first.url, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
  expect(await callUrl(second.url, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
  expect(readdirSync(runtimeDir)).toHaveLength(2);
});

test('SIGTERM: the running call is answered, then nothing is left', async () => {
  const folder = openFolder();
  const runtimeDir = join(folder, 'r');
  const cli = await startCli({ project: project(), env: environment(runtimeDir) });
  const held = new Held(folder, 'a');
  const running = callUrl(cli.url, 'wait', held.file);
  await held.started();
  cli.child.kill('SIGTERM');
  await until('it refuses new connections', async () => {
    try {
      await fetch(`${cli.url}/healthz`);
      return false;
    } catch {
      return true;
    }
  });
  held.go();
  expect(await running).toBe(1);
  expect(await cli.ended).toBe(0);
  expect(groupOf(cli.masterPid)).toEqual([]);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test('a second SIGTERM ends everything at once and leaves nothing', async () => {
  const folder = openFolder();
  const runtimeDir = join(folder, 'r');
  const cli = await startCli({ project: project(), env: environment(runtimeDir) });
  const held = new Held(folder, 'a');
  const running = callUrl(cli.url, 'wait', held.file).catch(() => 'cut');
  await held.started();
  cli.child.kill('SIGTERM');
  await until('it refuses new connections', async () => {
    try {
      await fetch(`${cli.url}/healthz`);
      return false;
    } catch {
      return true;
    }
  });
  cli.child.kill('SIGTERM');
  expect(await cli.ended).toBe(1);
  await running;
  await until('all processes are gone', () => groupOf(cli.masterPid).length === 0);
  expect(readdirSync(runtimeDir)).toEqual([]);
});

test.runIf(process.getuid?.() === 0)('an ordinary user runs it as well: workers are that user', async () => {
  const runtimeDir = join(openFolder(), 'r');
  mkdirSync(runtimeDir);
  chownSync(runtimeDir, WWW_DATA, WWW_DATA);
  const cli = await startCli({ project: project(), env: environment(runtimeDir), uid: WWW_DATA, gid: WWW_DATA });
  try {
    expect(await callUrl(cli.url, 'who', null)).toEqual([expect.any(Number), WWW_DATA]);
    cli.child.kill('SIGTERM');
    expect(await cli.ended).toBe(0);
    expect(readdirSync(runtimeDir)).toEqual([]);
  } finally {
    endGroup(cli.masterPid);
  }
});
