/** The process that loads the application once and forks its workers, and the one that is a worker by itself. */
import { existsSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/lifetime.ts';
import { isAlive, kill } from '../support/php-processes.ts';
import { startResident, startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const GOOD = { good: 'return static fn (array $input): array => $input;' };
const LOADED = 'final class Loaded { public static array $by = []; } Loaded::$by[] = getmypid();';
const NO_FORKS = ['disable_functions=pcntl_fork'];

test('the application is loaded once, for all workers', async () => {
  const resident = await startResident({
    bootstrap: LOADED,
    handlers: { by: 'return static fn (): array => Loaded::$by;' },
  });
  expect(await resident.event('ready')).toMatchObject({ pid: resident.pid, forks: true });
  const workers = [await resident.worker(), await resident.worker()];
  for (const worker of workers) {
    expect((await worker.call('by')).output).toEqual([resident.pid]);
    expect((await worker.prime()).meta).toMatchObject({ pid: worker.pid });
  }
});

test('workers draw numbers of their own', async () => {
  const resident = await startResident({
    bootstrap: 'mt_srand(1);',
    handlers: { draw: 'return static fn (): array => [mt_rand(), mt_rand(), rand()];' },
  });
  await resident.event('ready');
  const [one, two] = [await resident.worker(), await resident.worker()];
  expect((await one.call('draw')).output).not.toEqual((await two.call('draw')).output);
});

test('the end of each worker is told: by its status, or its signal', async () => {
  const { resident, worker } = await startWorker({ handlers: GOOD });
  const other = await resident.worker();
  worker.socket.destroy();
  expect(await resident.exit(worker.pid)).toMatchObject({ event: 'exited', pid: worker.pid, status: 0 });
  kill(other.pid, 'SIGKILL');
  expect(await resident.exit(other.pid)).toMatchObject({ event: 'exited', pid: other.pid, signal: 9 });
});

test('a socket that cannot be made is told, and the master goes on', async () => {
  const resident = await startResident({ handlers: GOOD });
  await resident.event('ready');
  resident.tell({ op: 'fork', id: 9, socket: '/nowhere/w.sock' });
  expect(await resident.event('refused')).toMatchObject({ id: 9, message: expect.stringContaining('/nowhere/w.sock') });
  expect((await (await resident.worker()).call('good', { n: 1 })).output).toEqual({ n: 1 });
});

test('the master ends when the gateway does; workers end with their connections', async () => {
  const { resident, worker } = await startWorker({ handlers: GOOD });
  resident.hangUp();
  expect(await resident.ended()).toBe(0);
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
  expect(isAlive(worker.pid)).toBe(true);
});

test('SIGTERM ends the master', async () => {
  const { resident } = await startWorker({ handlers: GOOD });
  kill(resident.pid, 'SIGTERM');
  expect(await resident.ended()).toBe('SIGTERM');
});

test('what the bootstrap prints is told', async () => {
  const resident = await startResident({ bootstrap: "ob_start(); echo str_repeat('x', 1000);", handlers: GOOD });
  expect((await resident.event('ready')).stray).toBe('x'.repeat(512));
});

test.each([
  [
    'throws',
    "throw new DomainException('no database');",
    { exception: { class: 'DomainException', message: 'no database', line: 3 } },
  ],
  ['is no PHP', 'this is no PHP', { exception: { class: 'ParseError' } }],
  ['exits', 'exit(3);', { reason: 'exit' }],
  [
    'uses up memory',
    'str_repeat("x", 1 << 30);',
    { reason: 'memory', message: expect.stringContaining('Allowed memory size') },
  ],
  ['fails for good', 'eval("class A {} class A {}");', { reason: 'fatal' }],
])('a bootstrap that %s is told with its file, and the process ends', async (_what, bootstrap, told) => {
  const resident = await startResident({ bootstrap, handlers: GOOD });
  expect(await resident.event('failed')).toMatchObject({ file: join(resident.folder, 'app.php'), ...told });
  expect(await resident.ended()).toBe(1);
});

test('a handler that does not load is told by each worker: the others serve', async () => {
  const { worker } = await startWorker({
    handlers: {
      ...GOOD,
      throws: "throw new LogicException('not now');",
      none: '',
      syntax: '}',
      prints: "echo 'hm'; return static fn () => 1;",
    },
  });
  const functions = (await worker.prime()).output as {
    name: string;
    exception: { class: string; message: string } | null;
    stray: string;
  }[];
  expect(functions.map(({ name, exception, stray }) => [name, exception?.class, stray])).toEqual([
    ['good', undefined, ''],
    ['throws', 'LogicException', ''],
    ['none', 'UnexpectedValueException', ''],
    ['syntax', 'ParseError', ''],
    ['prints', undefined, 'hm'],
  ]);
  expect((await worker.call('throws')).meta).toMatchObject({
    outcome: 'exception',
    exception: { class: 'LogicException' },
  });
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
});

test('a bootstrap that opens a socket is not shared, and its peer is named', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const resident = await startResident({
    bootstrap: `return stream_socket_client('tcp://127.0.0.1:${port}');`,
    handlers: GOOD,
  });
  expect((await resident.event('unshared')).why).toContain(`a socket to 127.0.0.1:${port}`);
  expect(await resident.ended()).toBe(0);
  server.close();
});

test.each([
  ['a file for writing', "return fopen('data.txt', 'w');", /data\.txt for writing/],
  ['an SQLite database', "$db = new PDO('sqlite:app.db'); $db->exec('CREATE TABLE a (b)'); return $db;", /app\.db/],
  [
    'an SQLite database to read',
    "file_put_contents('read.db', 'SQLite format 3' . str_repeat(\"\\0\", 100)); return fopen('read.db', 'r');",
    /SQLite database .*read\.db/,
  ],
  ['a pipe to another process', "return proc_open(['sleep', '0'], [['pipe', 'r']], $GLOBALS['pipes']);", /a pipe/],
])('a bootstrap that opens %s is not shared', async (_what, bootstrap, says) => {
  const resident = await startResident({ bootstrap, handlers: GOOD });
  expect((await resident.event('unshared')).why).toMatch(says);
  expect(await resident.ended()).toBe(0);
});

test.each([
  ['a file to read', 'return fopen(__FILE__, "r");'],
  ['a log', 'return fopen("app.log", "a");'],
  ['nothing that lasts', 'file_put_contents("cache.txt", "x"); new PDO("sqlite::memory:");'],
])('a bootstrap that opens %s is shared', async (_what, bootstrap) => {
  const resident = await startResident({ bootstrap, handlers: GOOD });
  expect(await resident.event('ready')).toMatchObject({ forks: true });
});

test('a bootstrap may run in each worker instead', async () => {
  const resident = await startResident({
    bootstrap: LOADED,
    bootstrapIn: 'worker',
    handlers: { by: 'return static fn (): array => Loaded::$by;' },
  });
  await resident.event('ready');
  const workers = [await resident.worker(), await resident.worker()];
  for (const worker of workers) {
    expect((await worker.prime()).output).toMatchObject([{ name: 'by', exception: null }]);
    expect((await worker.call('by')).output).toEqual([worker.pid]);
  }
});

test.each([
  ['throws', "throw new DomainException('no');", 'exception'],
  ['exits', 'exit;', 'exit'],
  ['uses up memory', 'str_repeat("x", 1 << 30);', 'out-of-memory'],
])('a bootstrap in a worker that %s is its answer, and its end', async (_what, bootstrap, outcome) => {
  const { resident, worker } = await startWorker({ bootstrap, bootstrapIn: 'worker', handlers: GOOD });
  expect((await worker.prime()).meta.outcome).toBe(outcome);
  await worker.ended();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid });
});

test('where PHP cannot fork, it says so and waits for its end', async () => {
  const resident = await startResident({ bootstrap: 'exit(9);', handlers: GOOD, ini: NO_FORKS });
  expect(await resident.event('ready')).toMatchObject({ forks: false });
  resident.hangUp();
  expect(await resident.ended()).toBe(0);
});

test.each([[[]], [NO_FORKS]])('a process with a socket of its own is a worker (%j)', async (ini) => {
  const resident = await startResident({
    bootstrap: LOADED,
    handlers: { ...GOOD, by: 'return static fn (): array => Loaded::$by;' },
    ini,
    alone: true,
  });
  expect(await resident.event('ready')).toMatchObject({ forks: false, pid: resident.pid });
  const worker = await resident.worker();
  expect((await worker.prime()).meta).toMatchObject({ outcome: 'primed', pid: resident.pid });
  expect((await worker.call('by')).output).toEqual([resident.pid]);
  worker.socket.destroy();
  expect(await resident.ended()).toBe(0);
});

test('a socket of a worker is its user’s alone, and gone when the connection has come', async () => {
  const folder = temporaryFolder();
  const resident = await startResident({ handlers: GOOD });
  await resident.event('ready');
  const path = join(folder, 'w.sock');
  resident.tell({ op: 'fork', id: 77, socket: path });
  const { pid } = await resident.event('forked');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const socket = connect(path);
  await until('the socket is gone', () => !existsSync(path));
  socket.destroy();
  await resident.exit(Number(pid));
});

test('a bootstrap that forks makes no second master, and no worker of its own', async () => {
  const resident = await startResident({ bootstrap: 'pcntl_fork();', handlers: GOOD });
  expect(await resident.event('ready')).toMatchObject({ pid: resident.pid });
  const worker = await resident.worker();
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
  resident.hangUp();
  expect(await resident.ended()).toBe(0);
});

test('a process that is a worker by itself may load its application late, too', async () => {
  const resident = await startResident({
    bootstrap: "throw new DomainException('late');",
    bootstrapIn: 'worker',
    handlers: GOOD,
    alone: true,
  });
  await resident.event('ready');
  const worker = await resident.worker();
  expect((await worker.prime()).meta).toMatchObject({ outcome: 'exception', exception: { message: 'late' } });
  await worker.ended();
});

test('a bootstrap that removes all output buffers and prints is no call’s stray output', async () => {
  const { worker } = await startWorker({
    bootstrap: "while (ob_get_level() > 0) { ob_end_clean(); } echo 'past'; flush();",
    handlers: GOOD,
  });
  const { meta } = await worker.call('good', { n: 1 });
  expect([meta.stray, meta.leaks]).toEqual([undefined, undefined]);
});
