/** The gateway as a process: killed, stopped by signals, run by an ordinary user. */
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { type CommandOptions, refusesConnections, type ServingCommand, serve } from '../support/command.ts';
import { type EngineUnderTest, eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { groupOf, isAlive, kill, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const WHO = 'return [getmypid(), posix_geteuid()];';
const WWW_DATA = 33;

const project = (): string => {
  const folder = functionsProject({ who: WHO, wait: WAIT });
  chmodSync(folder, 0o755);
  return folder;
};

const starter =
  (envOf: EngineUnderTest['env']) =>
  async (runtimeDir: string, folder = project(), user: CommandOptions = {}): Promise<ServingCommand> => {
    const env = envOf(folder, { FPMG_RUNTIME_DIR: runtimeDir, FPMG_POOLS__DEFAULT__WORKERS: '2' });
    return await serve('start', folder, { env, ...user });
  };

const call = async ({ url }: ServingCommand, name: string, input: unknown): Promise<unknown> =>
  await (await callUrl(url, name, input)).json();

eachEngine(({ env }) => {
  const start = starter(env);

  test('the PHP of a killed gateway ends with it, and its folder goes when the next one starts', async () => {
    const folder = openFolder();
    const runtimeDir = join(folder, 'r');
    const shared = project();
    const first = await start(runtimeDir, shared);
    const held = new Held(folder, 'a');
    const cut = call(first, 'wait', held.file).catch(() => 'cut');
    await held.started();
    kill(first.child.pid ?? 0, 'SIGKILL');
    await first.exit;
    expect(await cut).toBe('cut');
    await until('nothing of it runs', () => groupOf(first.masterPid).length === 0);
    const [firstInstance = ''] = readdirSync(runtimeDir);
    const second = await start(runtimeDir, shared);
    expect(readdirSync(runtimeDir)).toHaveLength(1);
    expect(readdirSync(runtimeDir)).not.toContain(firstInstance);
    expect(await call(second, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
  });

  test('orphans without a master are cleaned up as well', async () => {
    const runtimeDir = join(openFolder(), 'r');
    const shared = project();
    const first = await start(runtimeDir, shared);
    const workers = workersOf(first.masterPid);
    expect(workers).toHaveLength(2);
    kill(first.child.pid ?? 0, 'SIGKILL');
    kill(first.masterPid, 'SIGKILL');
    await first.exit;
    await start(runtimeDir, shared);
    await until('the orphans are gone', () => !workers.some(isAlive));
  });

  test('a gateway leaves another one’s processes and folder alone', async () => {
    const runtimeDir = join(openFolder(), 'r');
    const shared = project();
    const first = await start(runtimeDir, shared);
    const second = await start(runtimeDir, shared);
    expect(await call(first, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
    expect(await call(second, 'who', null)).toEqual([expect.any(Number), expect.any(Number)]);
    expect(readdirSync(runtimeDir)).toHaveLength(2);
  });

  test('SIGTERM: the running call is answered, then nothing is left', async () => {
    const folder = openFolder();
    const runtimeDir = join(folder, 'r');
    const cli = await start(runtimeDir);
    const held = new Held(folder, 'a');
    const running = call(cli, 'wait', held.file);
    await held.started();
    cli.child.kill('SIGTERM');
    await refusesConnections(cli);
    held.go();
    expect(await running).toBe(1);
    expect(await cli.exit).toBe(0);
    expect(groupOf(cli.masterPid)).toEqual([]);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });

  test('a second SIGTERM ends everything at once and leaves nothing', async () => {
    const folder = openFolder();
    const runtimeDir = join(folder, 'r');
    const cli = await start(runtimeDir);
    const held = new Held(folder, 'a');
    const running = call(cli, 'wait', held.file).catch(() => 'cut');
    await held.started();
    cli.child.kill('SIGTERM');
    await refusesConnections(cli);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(1);
    await running;
    await until('all processes are gone', () => groupOf(cli.masterPid).length === 0);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });

  test.runIf(process.getuid?.() === 0)('an ordinary user runs it as well: workers are that user', async () => {
    const runtimeDir = join(openFolder(), 'r');
    mkdirSync(runtimeDir);
    chownSync(runtimeDir, WWW_DATA, WWW_DATA);
    const cli = await start(runtimeDir, project(), { uid: WWW_DATA, gid: WWW_DATA });
    expect(await call(cli, 'who', null)).toEqual([expect.any(Number), WWW_DATA]);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });
});
