/** Disks that are full, read-only or gone: a start says so; a gateway that runs goes on with what needs no disk. */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import type { Server } from '../../gateway/server.ts';
import { runCommand } from '../support/command.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { openFolder, temporaryFolder } from '../support/lifetime.ts';
import { groupOf, kill, masterOf, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { scriptContract } from '../support/sites.ts';
import { canMount, Tmpfs } from '../support/tmpfs.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';
const SLOW = 'timeoutMs: 60000, queueTimeoutMs: 30000';
const UPLOAD = `input: z.looseObject({ one: file({ maxBytes: 8_000_000, mediaTypes: ['*/*'] }) }), output: z.any()`;

/** A function of each engine, and a script that takes a file. */
const project = (): string =>
  functionsProject({
    pid: [PID, SLOW],
    resident: [PID, `engine: 'resident', ${SLOW}`],
    'functions/upload.php': `<?php echo json_encode(strlen((string) @file_get_contents($_FILES['one']['tmp_name'])));`,
    'schemas/upload.ts': scriptContract(`script: 'upload.php', ${UPLOAD}`),
  });

const upload = async (server: Server, bytes: number): Promise<Response> => {
  const body = new FormData();
  body.set('one', new Blob([Buffer.alloc(bytes, 'x')]), 'one.txt');
  return await fetch(`${server.url}/functions/upload`, { method: 'POST', body });
};

const problemOf = async (config: object): Promise<string> => {
  const starting = createGateway({ runtimeDir: temporaryFolder(), ...config }, { project: project(), env: {} });
  try {
    await (await starting).destroy();
    return 'it started';
  } catch (error) {
    expect(error).toMatchObject({ name: 'StartupError' });
    return (error as Error).message;
  }
};

describe.skipIf(!canMount)('a start', () => {
  test.each(['runtimeDir', 'spoolDir'] as const)(
    'on a full %s names it, says what failed and what to do',
    async (setting) => {
      const disk = new Tmpfs('64k');
      disk.fill();
      // Folders take no block of a tmpfs: the first file, or the program that binds a socket, meets the end.
      const told = await problemOf({ [setting]: disk.folder });
      if (setting === 'runtimeDir') expect(told).toMatch(/^runtimeDir\n.*ENOSPC.*Set runtimeDir \(FPMG_RUNTIME_DIR\)/);
      else expect(told).toBe('it started');
      expect(readdirSync(disk.folder)).toEqual(['ballast']);
    },
  );

  test.each([
    ['runtimeDir', 'FPMG_RUNTIME_DIR'],
    ['spoolDir', 'FPMG_SPOOL_DIR'],
  ] as const)(
    'on a %s without an inode left says so at each number of them, and leaves nothing',
    async (setting, env) => {
      for (let inodes = 1; inodes <= 5; inodes += 1) {
        const disk = new Tmpfs('1m', inodes);
        const told = await problemOf({ [setting]: disk.folder });
        if (told !== 'it started') {
          expect(told).toContain(disk.folder);
          expect(told).toMatch(/ENOSPC|No space left/);
          if (!told.includes('No space left')) expect(told).toContain(`Set ${setting} (${env})`);
        } else expect(inodes).toBeGreaterThan(1);
        expect(readdirSync(disk.folder)).toEqual([]);
      }
    },
  );

  test.each([
    ['runtimeDir', 'FPMG_RUNTIME_DIR'],
    ['spoolDir', 'FPMG_SPOOL_DIR'],
  ] as const)('on a read-only %s says so', async (setting, env) => {
    const disk = new Tmpfs('1m');
    disk.readOnly();
    const told = await problemOf({ [setting]: disk.folder });
    expect(told).toMatch(new RegExp(`^${setting}\\n.*read-only.*EROFS.*Set ${setting} \\(${env}\\)`));
    expect(told).toContain(disk.folder);
  });
});

describe.skipIf(!canMount)('a gateway that runs', () => {
  test('calls need no disk, files that do are refused for now, and are taken again when there is room', async () => {
    const disk = new Tmpfs('4m');
    const server = await startTestServer(project(), { env: { FPMG_SPOOL_DIR: disk.folder } });
    expect((await upload(server, 1_000_000)).status).toBe(200);
    disk.fill();
    const refused = await upload(server, 2_000_000);
    expect(refused.status).toBe(507);
    expect(refused.headers.get('retry-after')).toMatch(/^[456]$/);
    expect(await refused.json()).toMatchObject({ code: 'storage-full', executed: 'no', retryable: true });
    for (const name of ['pid', 'resident']) expect(await server.gateway.invoke(name, null)).toBeGreaterThan(1);
    disk.free();
    expect((await upload(server, 1_000_000)).status).toBe(200);
  });

  test('the same where the disk becomes read-only', async () => {
    const disk = new Tmpfs('4m');
    const server = await startTestServer(project(), { env: { FPMG_SPOOL_DIR: disk.folder } });
    disk.readOnly();
    const refused = await upload(server, 2_000_000);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'store-unavailable', executed: 'no', retryable: true });
    for (const name of ['pid', 'resident']) expect(await server.gateway.invoke(name, null)).toBeGreaterThan(1);
    disk.writable();
    expect((await upload(server, 1_000_000)).status).toBe(200);
    disk.readOnly();
    await server.close();
  });

  test('a spool folder that somebody removed is made again, for the gateway and for PHP', async () => {
    const spoolDir = openFolder();
    const server = await startTestServer(project(), { env: { FPMG_SPOOL_DIR: spoolDir } });
    for (const name of readdirSync(spoolDir)) rmSync(join(spoolDir, name), { recursive: true });
    const answer = await upload(server, 2_000_000);
    expect([answer.status, await answer.text()]).toEqual([200, '2000000']);
    expect(readdirSync(spoolDir)).toHaveLength(1);
  });

  const replaced = async (gateway: Gateway, master: number): Promise<void> =>
    await until('another master is up', () => masterOf(gateway) !== 0 && masterOf(gateway) !== master);

  test.each([
    ['full', (disk: Tmpfs) => disk.fill(), (disk: Tmpfs) => disk.free(), /ENOSPC|No space left/],
    ['read-only', (disk: Tmpfs) => disk.readOnly(), (disk: Tmpfs) => disk.writable(), /EROFS|Read-only/],
  ] as const)(
    'a master that dies while the disk is %s comes back by itself when that is over',
    async (_, harm, mend, why) => {
      const disk = new Tmpfs('1m');
      const gateway = await startGateway({ runtimeDir: disk.folder }, { project: project() });
      const master = masterOf(gateway);
      // Its death gives back the room of its config: the next one may just fit.
      await until('it tries in vain', () => {
        harm(disk);
        if (masterOf(gateway) !== 0) kill(masterOf(gateway), 'SIGKILL');
        return why.test(gateway.pools()[0]?.lastFailure ?? '');
      });
      expect(await gateway.invoke('resident', null)).toBeGreaterThan(1);
      mend(disk);
      await replaced(gateway, master);
      expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
      await until('nothing of the old one is left', () => groupOf(master).length === 0);
    },
  );

  test('its folder removed under it: workers that it has serve on, new masters and workers get a new one', async () => {
    const folder = temporaryFolder();
    const readable = project();
    // Else PHP runs a copy, which lies in the folder that is removed.
    chmodSync(readable, 0o755);
    const gateway = await startGateway({ runtimeDir: folder }, { project: readable });
    const master = masterOf(gateway);
    const [instance = ''] = readdirSync(folder);
    rmSync(join(folder, instance), { recursive: true });
    expect(await gateway.invoke('resident', null)).toBeGreaterThan(1);
    await replaced(gateway, master);
    expect(workersOf(masterOf(gateway))).toContain(await gateway.invoke('pid', null));
    const resident = (await gateway.invoke('resident', null)) as number;
    kill(resident, 'SIGKILL');
    const known = () => gateway.pools().flatMap((pool) => pool.resident?.workers ?? []);
    await until('its end is seen', () => !known().some(({ pid }) => pid === resident));
    expect(await gateway.invoke('resident', null)).not.toBe(resident);
  });

  test('a batch whose results find no room on disk ends, with all of them', async () => {
    const disk = new Tmpfs('1m');
    const big = functionsProject({ big: [`return [$input, str_repeat('x', 100_000)];`, SLOW] });
    const server = await startTestServer(big, { env: { FPMG_SPOOL_DIR: disk.folder } });
    disk.fill();
    const items = Array.from(
      { length: 60 },
      (_, n) => `${JSON.stringify({ id: String(n), function: 'big', input: n })}\n`,
    );
    const headers = { 'content-type': 'application/x-ndjson' };
    const response = await fetch(`${server.url}/batch`, { method: 'POST', headers, body: items.join('') });
    // Nothing is read until all of it must have been made, or have waited for the reader.
    await until('it waits', () => server.gateway.pools()[0]?.backends[0]?.calls === 0);
    const lines = (await response.text()).trim().split('\n');
    const ids = lines.map((line) => JSON.parse(line) as { id?: string; status?: string }).filter(({ id }) => id);
    expect(new Set(ids.map(({ id }) => id)).size).toBe(60);
    expect(ids.filter(({ status }) => status !== 'ok' && status !== 'succeeded')).toEqual([]);
  });
});

test.skipIf(!canMount)('a log on a full disk stops no call, nor the end', async () => {
  const disk = new Tmpfs('64k');
  const out = openSync(join(disk.folder, 'log'), 'a');
  disk.fill();
  const port = 20_000 + (process.pid % 20_000);
  const env = {
    ...process.env,
    FPMG_RUNTIME_DIR: temporaryFolder(),
    FPMG_HTTP__PORT: String(port),
    FPMG_ADMIN__ENABLED: 'false',
    FPMG_LOG__LEVEL: 'debug',
  };
  const main = join(import.meta.dirname, '../../gateway/cli/main.ts');
  const args = ['--conditions=fpm-gateway-source', main, '--project', project(), 'start', '--json'];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', out, out] });
  closeSync(out);
  const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  const call = async (): Promise<number> => {
    try {
      return (
        await fetch(`http://127.0.0.1:${port}/functions/pid`, {
          method: 'POST',
          body: 'null',
          headers: { 'content-type': 'application/json' },
        })
      ).status;
    } catch {
      return 0;
    }
  };
  await until('it answers', async () => child.exitCode !== null || (await call()) === 200);
  for (let n = 0; n < 20; n += 1) expect(await call()).toBe(200);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
});

describe('the cache of compiled contracts', () => {
  const starts = async (cache: string): Promise<void> => {
    const folder = functionsProject({ one: 'return 1;' });
    const cli = runCommand(['--project', folder, 'start', '--json'], { env: { XDG_CACHE_HOME: cache } });
    await until('it is ready', () => cli.events().some(({ event }) => event === 'ready'));
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
  };

  test('in the way of a file', async () => {
    const cache = temporaryFolder();
    writeFileSync(join(cache, 'fpm-gateway'), '');
    await starts(cache);
  });

  test('with garbage in its files', async () => {
    const cache = temporaryFolder();
    await starts(cache);
    for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8' }))
      if (/\.\w+$|[0-9a-f]{6,}$/.test(name) && existsSync(join(cache, name)))
        try {
          writeFileSync(join(cache, name), 'garbage');
        } catch {
          // A folder.
        }
    await starts(cache);
  });

  test.skipIf(!canMount)('on a disk that is full, or read-only', async () => {
    const disk = new Tmpfs('16k');
    disk.fill();
    await starts(disk.folder);
    disk.readOnly();
    await starts(disk.folder);
  });
});
