/** The same where it lives: in a worker that runs many calls at once. */
import { expect, test } from 'vitest';
import { thisTest } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import type { ResidentAnswer, ResidentWorker } from '../support/resident-worker.ts';
import type { Leak } from '../support/sentinel.ts';

const leaksOf = ({ meta }: ResidentAnswer): readonly Leak[] => (meta.leaks ?? []) as readonly Leak[];
const WAIT = 'FpmGateway\\Wait::sleep(15);';

const start = async (handlers: Readonly<Record<string, string>>, bootstrap: string): Promise<ResidentWorker> => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    handlers,
    bootstrap,
    concurrent: { callMemoryBytes: 262_144 },
  });
  await worker.prime();
  return worker;
};

const together = (worker: ResidentWorker, calls: readonly (readonly [string, unknown])[]): Promise<ResidentAnswer[]> =>
  Promise.all(calls.map(([name, input]) => worker.sendCall(name, input)).map((id) => worker.answer(id)));

test('each of two calls has the time zone, the folder and the buffer it set, and nobody else’s', async () => {
  const worker = await start(
    {
      sets: `return static function (array $input) {
        date_default_timezone_set($input['zone']); chdir($input['folder']); ob_start(); echo "page of $input[zone]";
        ${WAIT}
        return [date_default_timezone_get(), getcwd(), ob_get_clean()];
      };`,
      plain: `return static function () { $seen = [date_default_timezone_get()]; ${WAIT} $seen[] = date_default_timezone_get(); echo 'printed'; return $seen; };`,
    },
    '',
  );
  const answers = await together(worker, [
    ['sets', { zone: 'Asia/Tokyo', folder: '/tmp' }],
    ['plain', null],
    ['sets', { zone: 'Europe/Rome', folder: '/usr' }],
  ]);
  expect(answers.map(({ output }) => output)).toEqual([
    ['Asia/Tokyo', '/tmp', 'page of Asia/Tokyo'],
    ['UTC', 'UTC'],
    ['Europe/Rome', '/usr', 'page of Europe/Rome'],
  ]);
  const [tokyo, plain] = answers as [ResidentAnswer, ResidentAnswer];
  expect(leaksOf(tokyo).map(({ kind, name, restored }) => `${kind} ${name} ${restored}`)).toEqual(
    expect.arrayContaining(['shared date_default_timezone_set() true', 'shared chdir() true']),
  );
  expect(leaksOf(plain)).toEqual([]);
  expect(plain.meta).toMatchObject({ stray: 'printed' });
});

test('a static that holds the caller is told as shared, by the second call that finds another in it', async () => {
  const worker = await start(
    {
      login: `return static function (array $input) {
        Context::$user = $input['user'];
        try { ${WAIT} return Context::$user; } finally { Context::$user = null; }
      };`,
    },
    'final class Context { public static ?string $user = null; }',
  );
  const answers = await together(
    worker,
    Array.from({ length: 8 }, (_, n) => ['login', { user: `user ${n}` }] as const),
  );
  // What it is about: a call that goes on as somebody else.
  expect(answers[0]?.output).not.toBe('user 0');
  const told = answers.flatMap(leaksOf);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ kind: 'shared', name: 'Context::$user', restored: false });
  expect(told[0]?.detail).toContain('two calls set it while both ran');
});

test('what is written past PHP’s buffer belongs to the call that wrote it', async () => {
  const worker = await start(
    {
      logs: `return static function (array $input) { error_log("first $input[n]"); ${WAIT} trigger_error("second $input[n]"); ${WAIT} fwrite(fopen('php://stderr', 'w'), "third $input[n]"); };`,
    },
    '',
  );
  const answers = await together(
    worker,
    [1, 2, 3].map((n) => ['logs', { n }] as const),
  );
  for (const [at, { stderr }] of answers.entries())
    expect(stderr.match(/(first|second|third) \d/g)).toEqual(
      [1, 2, 3].map((_, nth) => `${['first', 'second', 'third'][nth]} ${at + 1}`),
    );
});

test('the level of errors that a call sets is not the next one’s, though they run in the same Fiber', async () => {
  const worker = await start(
    {
      quiet: `return static function () { error_reporting(0); ${WAIT} return error_reporting(); };`,
      level: 'return static fn (): int => error_reporting();',
    },
    '',
  );
  const before = (await worker.call('level')).output;
  expect((await worker.call('quiet')).output).toBe(0);
  expect((await worker.call('level')).output).toBe(before);
  const [quiet, level] = await together(worker, [
    ['quiet', null],
    ['level', null],
  ]);
  expect([quiet?.output, level?.output]).toEqual([0, before]);
});

test('a transaction that one call has open while it waits is refused to others, and lasts', async () => {
  const worker = await start(
    {
      schema: `return static fn (mixed $input, Call $call, array $app) => $app['db']->query('CREATE TABLE t (n)') !== null;`,
      writes: `return static function (mixed $input, Call $call, array $app) {
        $app['db']->pdo()->beginTransaction();
        $app['db']->query('INSERT INTO t VALUES (1)');
        ${WAIT} ${WAIT}
        $app['db']->pdo()->commit();
        return true;
      };`,
      reads: `return static fn (mixed $input, Call $call, array $app) => $app['db']->query('SELECT count(*) FROM t')->fetchColumn();`,
      forgets: `return static function (mixed $input, Call $call, array $app) { $app['db']->pdo()->beginTransaction(); $app['db']->query('INSERT INTO t VALUES (2)'); };`,
      waits: `return static function () { ${WAIT} ${WAIT} };`,
    },
    "$db = new FpmGateway\\Database('sqlite::memory:'); return ['db' => $db];",
  );
  await worker.call('schema');
  const [writes, reads] = await together(worker, [
    ['writes', null],
    ['reads', null],
  ]);
  expect(writes?.output).toBe(true);
  expect(reads?.meta).toMatchObject({ outcome: 'exception', exception: { class: 'LogicException' } });
  expect(JSON.stringify(reads?.meta)).toContain('has a transaction on sqlite::memory:');
  expect((await worker.call('reads')).output).toBe(1);

  const [waits, forgets, after] = await together(worker, [
    ['waits', null],
    ['forgets', null],
    ['reads', null],
  ]);
  expect(waits?.meta.outcome).toBe('output');
  expect(forgets?.meta.running).toBe(2);
  expect(leaksOf(forgets as ResidentAnswer)).toMatchObject([{ kind: 'transaction', restored: true }]);
  expect(after?.output).toBe(1);
});
