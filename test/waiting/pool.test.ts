/** Connections of `$call->pool()`: what goes wrong where coroutines share them must not go wrong here. */
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { type StartedWorker, startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
/** A server that answers each line with the number of its connection, a little later: answers of two calls on one connection would mix. */
const connections: Socket[] = [];
const server = createServer((socket) => {
  const number = connections.push(socket);
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    const lines = (text + bytes.toString()).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) setTimeout(() => socket.write(`${number} ${line}\n`), 5);
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
file(() => {
  for (const socket of connections) socket.destroy();
  server.close();
});
const { port } = server.address() as { port: number };
const database = `${temporaryFolder(file)}/shop.sqlite`;

const PDO = `static fn () => new PDO('sqlite:${database}')`;
const ASK = `$ask = static function (string $pool, int $max, string $line) use ($call): string {
    $stream = $call->pool($pool, static fn () => stream_socket_client('tcp://127.0.0.1:${port}'), $max);
    $call->write($stream, "$line\\n");
    for ($answer = ''; !str_ends_with($answer, "\\n"); $answer .= $piece) {
      if (($piece = $call->read($stream)) === '') { throw new RuntimeException('the server is gone'); }
    }
    return trim($answer);
  };`;
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    asks: handler(`${ASK} return [$ask('lines', 4, "a$input[n]"), $ask('lines', 4, "b$input[n]")];`),
    throws: handler(`${ASK} $ask('throws', 1, 'x'); throw new DomainException('mine');`),
    again: handler(`${ASK} return $ask($input['pool'], 1, 'x');`),
    holds: handler(`$call->pool('held', ${PDO}, 1); $call->sleep(30_000);`),
    takes: handler(`$call->pool('held', ${PDO}, 1); return 'mine';`),
    opens: handler(`$pdo = $call->pool('shop', ${PDO}, 1); $pdo->exec('CREATE TABLE IF NOT EXISTS t (x)');
      $pdo->beginTransaction(); $pdo->exec('INSERT INTO t VALUES (1)'); $call->sleep(1); return 'left open';`),
    counts: handler(`$pdo = $call->pool('shop', ${PDO}, 1);
      return [$pdo->inTransaction(), $pdo->query('SELECT count(*) FROM t')->fetchColumn()];`),
    keeps: `final class Kept { public static ?PDO $pdo = null; }
      ${handler(`Kept::$pdo = $call->pool('kept', ${PDO}, 1); return spl_object_id(Kept::$pdo);`)}`,
    kept: handler(`$pdo = $call->pool('kept', ${PDO}, 1); return spl_object_id($pdo);`),
    sameness: handler(
      `return $call->pool('same', ${PDO}) === $call->pool('same', static fn () => throw new LogicException());`,
    ),
    makes: handler(`$call->pool('bad', static fn () => 5);`),
    breaks: handler(
      `$made = 0; $make = static function () { throw new RuntimeException('the server says no'); };
      foreach ([1, 2, 3] as $time) { try { $call->pool('broken', $make, 1); } catch (RuntimeException $e) { ++$made; } } return $made;`,
    ),
    judged: handler(
      `return $call->pool('judged', static fn () => (object) ['made' => hrtime(true)], 1, 60_000, static fn (object $one): bool => $input['good'])->made;`,
    ),
    idle: handler(
      `return $call->pool('idle', static fn () => (object) ['made' => hrtime(true)], 1, $input['idleMs'])->made;`,
    ),
    streams:
      handler(`$stream = $call->pool('streams', static fn () => $call->connect('tcp://127.0.0.1:${port}'), 1, $input['idleMs']);
      $other = $call->connect('tcp://127.0.0.1:${port}'); $call->write($stream, "x\\n"); return trim($call->read($stream));`),
    exhausted: handler(`$call->pool('few', ${PDO}, 0);`),
  },
  concurrent: { callMemoryBytes: 262_144 },
});

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let late = 0;
/** A call with so much time. */
const within = (to: StartedWorker, budgetMs: number, name: string, outer = ''): number => {
  const attemptId = `01900000-0000-7000-9000-${String(++late).padStart(12, '0')}.1`;
  return to.send(
    [['FPMG_CALL', `${name} ${attemptId} ${budgetMs} ${TRACEPARENT}${outer === '' ? '' : ` ${outer}`}`]],
    Buffer.from('{}'),
  );
};

test('forty calls share four connections, and each gets the answers to its own questions', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => worker.sendCall('asks', { n }));
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  const before = connections.length;
  expect(answers.map(({ output }) => (output as string[]).map((line) => line.split(' ')[1]))).toEqual(
    ids.map((_, n) => [`a${n}`, `b${n}`]),
  );
  // Both questions of a call went over the same one.
  for (const { output } of answers)
    expect(new Set((output as string[]).map((line) => line.split(' ')[0])).size).toBe(1);
  expect(before).toBe(4);
});

test('within a call it is the same connection each time', async () => {
  expect((await worker.call('sameness')).output).toBe(true);
});

test('a call that throws gives its connection back', async () => {
  const opened = connections.length;
  expect((await worker.call('throws')).meta).toMatchObject({ outcome: 'exception', exception: { message: 'mine' } });
  expect((await worker.call('again', { pool: 'throws' })).output).toBe(`${opened + 1} x`);
});

test('a call whose time is over gives its connection back, and those in line are told what they wait for', async () => {
  const holder = within(worker, 300, 'holds');
  const waiter = within(worker, 100, 'takes');
  const next = worker.sendCall('takes', {});
  const told = (await worker.raw(waiter)).stdout.toString();
  expect(told).toContain('"outcome":"deadline"');
  expect(told).toContain('while it waited in line: all 1 connections of the pool held are in use by other calls');
  expect((await worker.raw(holder)).stdout.toString()).toContain('"outcome":"deadline"');
  expect((await worker.answer(next)).output).toBe('mine');
});

test('a nested call that waits in line says so while its caller can still hear it', async () => {
  const holder = worker.sendCall('holds', {});
  await until('it has begun', () => worker.begun().includes(holder));
  const { meta } = await worker.answer(within(worker, 400, 'takes', 'holds'));
  expect(meta).toMatchObject({
    outcome: 'exception',
    exception: {
      class: 'FpmGateway\\StreamFailed',
      message: expect.stringContaining('waited in line: all 1 connections of the pool held are in use by other calls'),
    },
  });
  worker.abort(holder);
  await worker.raw(holder);
});

test('a call that nobody wants any more gives its connection back', async () => {
  const holder = worker.sendCall('holds', {});
  await until('it has begun', () => worker.begun().includes(holder));
  worker.abort(holder);
  await worker.raw(holder);
  expect((await worker.call('takes')).output).toBe('mine');
});

test('a transaction that was left open is rolled back before another call has the connection', async () => {
  const opens = worker.sendCall('opens', {});
  const counts = worker.sendCall('counts', {});
  expect((await worker.answer(opens)).output).toBe('left open');
  expect((await worker.answer(counts)).output).toEqual([false, 0]);
});

test('a connection that the server has closed is not used again', async () => {
  const first = (await worker.call('again', { pool: 'stale' })).output as string;
  const socket = connections[Number(first.split(' ')[0]) - 1];
  socket?.destroy();
  await until('it is closed', () => socket?.closed === true);
  const second = (await worker.call('again', { pool: 'stale' })).output;
  expect(second).toBe(`${connections.length} x`);
  expect(second).not.toBe(first);
});

test('a stream of connect() is the pool’s, and outlives the call that opened it', async () => {
  const ask = async (idleMs: number) => await worker.call('streams', { idleMs });
  const first = await ask(60_000);
  expect(first.meta).not.toHaveProperty('leaks');
  expect((await ask(60_000)).output).toBe(first.output);
  const number = Number((first.output as string).split(' ')[0]);
  expect((await ask(0)).output).not.toBe(first.output);
  await until('the old one is closed', () => connections[number - 1]?.closed === true);
});

test('a connection that a static property keeps is given to no other call, and told', async () => {
  const { meta, output } = await worker.call('keeps');
  expect(meta.leaks).toContainEqual({
    kind: 'pooled',
    name: 'kept',
    detail: 'PDO of $call->pool() is still held behind the call, as in a static property: it is given to no other call',
    restored: false,
  });
  expect((await worker.call('kept')).output).not.toBe(output);
});

test('what makes a connection must return one', async () => {
  expect((await worker.call('makes')).meta).toMatchObject({
    outcome: 'exception',
    exception: {
      message: 'What makes connections of the pool bad returned int: it must return an object or a resource.',
    },
  });
});

test('a connection that cannot be made takes no place', async () => {
  expect((await worker.call('breaks')).output).toBe(3);
});

test('a connection that is judged to be bad is made anew', async () => {
  const made = async (good: boolean): Promise<unknown> => (await worker.call('judged', { good })).output;
  const first = await made(true);
  expect(await made(true)).toBe(first);
  const second = await made(false);
  expect(second).not.toBe(first);
  expect(await made(true)).toBe(second);
});

test('one unused for longer than idleMs is made anew', async () => {
  const made = async (idleMs: number): Promise<unknown> => (await worker.call('idle', { idleMs })).output;
  const first = await made(60_000);
  expect(await made(60_000)).toBe(first);
  expect(await made(0)).not.toBe(first);
});

test('limits are told with what was asked for', async () => {
  expect((await worker.call('exhausted')).meta).toMatchObject({
    exception: { message: 'The pool few has max 0 and idleMs 60000: they are 1 to 256 and at least 0.' },
  });
});
