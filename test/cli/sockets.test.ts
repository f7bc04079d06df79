/** Listening sockets that systemd passes, by LISTEN_FDS. */
import { spawn } from 'node:child_process';
import { existsSync, linkSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HandoverFailed, startSuccessor } from '../../gateway/cli/successor.ts';
import { silentLog } from '../../gateway/log.ts';
import { inheritedSockets, passedSockets } from '../../gateway/sockets.ts';
import { StartupError } from '../../gateway/startup.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'gateway', 'cli', 'main.ts');

const namesOf = (env: Record<string, string>): (string | number)[][] =>
  passedSockets(env).sockets.map(({ name, fd }) => [name, fd]);

test('sockets go by their names, and a single one without a name is the public one', () => {
  expect(namesOf({ LISTEN_FDS: '3', LISTEN_FDNAMES: 'internal:http:admin' })).toEqual([
    ['internal', 3],
    ['http', 4],
    ['admin', 5],
  ]);
  expect(namesOf({ LISTEN_FDS: '1' })).toEqual([['http', 3]]);
  expect(namesOf({ LISTEN_FDS: '1', LISTEN_FDNAMES: 'fpm-gateway.socket' })).toEqual([['http', 3]]);
});

test.each([
  [{ LISTEN_FDS: 'two' }, 'LISTEN_FDS', 'the number of sockets has to be 1 to 3'],
  [{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'http' }, 'LISTEN_FDNAMES', 'It has 1 names, but LISTEN_FDS says 2'],
  [{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:metrics' }, 'LISTEN_FDNAMES', '"metrics"; known: http, admin, internal'],
  [{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:http' }, 'LISTEN_FDNAMES', 'Two sockets have the name http'],
])('%o is refused, and told how to mend it', (env, file, detail) => {
  expect(passedSockets(env).problems).toMatchObject([{ file, detail: expect.stringContaining(detail) }]);
});

test('descriptors that are not open are told; those for another process are left alone', () => {
  const env = { LISTEN_FDS: '1', LISTEN_PID: '7', LISTEN_FDNAMES: 'http' };
  expect(inheritedSockets(env, { pid: 8, ppid: 1 }, silentLog).size).toBe(0);
  expect(() =>
    inheritedSockets(
      { FPM_GATEWAY_HANDOVER: '{"parent":1,"sockets":[{"name":"http","fd":99999}]}' },
      { pid: 8, ppid: 1 },
      silentLog,
    ),
  ).toThrow(StartupError);
});

test('a gateway serves on the unix socket that it was passed, and leaves its path', async () => {
  const socket = join(temporaryFolder(), 'passed.sock');
  const maker = createServer();
  await new Promise<void>((resolve) => maker.listen(socket, resolve));
  linkSync(socket, `${socket}.kept`);
  const { fd } = (maker as unknown as { _handle: { fd: number } })._handle;
  const node = [
    process.execPath,
    '--conditions=fpm-gateway-source',
    MAIN,
    '--project',
    functionsProject({ echo: 'return $input;' }),
  ];
  const child = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...node, 'start', '--json'], {
    env: {
      PATH: process.env.PATH,
      LISTEN_FDS: '1',
      FPMG_RUNTIME_DIR: temporaryFolder(),
      FPMG_ADMIN__PORT: '0',
      FPMG_POOLS__DEFAULT__WORKERS: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
  // It must not accept; and it takes the path with it.
  await new Promise((resolve) => maker.close(resolve));
  renameSync(`${socket}.kept`, socket);
  // Waits in the kernel's queue.
  const early = await openRaw(`unix:${socket}`);
  early.send(rawPost('/functions/echo', '1'));
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (out += text.toString()));
  const exit = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) child.kill(signal);
    await exit;
  });
  await until('it serves', () => out.includes('"event":"ready"') || out.includes('"problems"'));
  expect(out).toContain(`"url":"unix:${socket}"`);
  expect((await early.answer()).status).toBe(200);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(existsSync(socket)).toBe(true);
});

test('a new process that does not get ready is ended in time', async () => {
  const starting = startSuccessor({
    sockets: [],
    command: [process.execPath, '-e', 'process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1000)'],
    env: process.env,
    maxMs: 1,
    giveUp: new AbortController().signal,
    onPid: () => {},
  });
  await expect(starting).rejects.toThrow(HandoverFailed);
  await expect(starting).rejects.toThrow('it was not ready after 0.001 s and was ended');
});
