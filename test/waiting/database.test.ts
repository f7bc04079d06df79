/** `Database` where many calls share its connection. */
import { expect, test } from 'vitest';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const db = "func_get_args()[2]['db']";
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;
const insert = `${db}->query('INSERT INTO t VALUES (?)', [$input['n']]);`;

const { worker } = await startWorker({
  lifetime: file,
  bootstrap: `$db = new FpmGateway\\Database('sqlite:${temporaryFolder(file)}/shop.sqlite');
    $db->query('CREATE TABLE t (n INTEGER)'); $db->close(); return ['db' => $db];`,
  handlers: {
    rollsBack: handler(`$db = ${db}; return $db->transaction(static function () use ($db, $call, $input) {
      $db->query('INSERT INTO t VALUES (?)', [$input['n']]); $call->sleep(100); throw new RuntimeException('rolled back'); });`),
    commits: handler(`$db = ${db}; return $db->transaction(static function () use ($db, $call, $input) {
      $db->query('INSERT INTO t VALUES (?)', [$input['n']]); $call->sleep(5);
      return $db->transaction(static fn () => $db->query('SELECT count(*) FROM t')->fetchColumn()); });`),
    inserts: handler(`${insert} return $input['n'];`),
    all: handler(`return ${db}->query('SELECT n FROM t ORDER BY n')->fetchAll(PDO::FETCH_COLUMN);`),
    byHand: handler(`${db}->pdo()->beginTransaction(); ${insert} $call->sleep($input['ms']); return 1;`),
  },
  concurrent: { callMemoryBytes: 262_144 },
});

const begun = (id: number): Promise<void> => until('it has begun', () => worker.begun().includes(id));

test('what others do meanwhile is no part of a transaction: they wait for its end', async () => {
  const rolled = worker.sendCall('rollsBack', { n: 1 });
  await begun(rolled);
  const others = [worker.sendCall('inserts', { n: 2 }), worker.sendCall('commits', { n: 3 })];
  expect((await worker.answer(rolled)).meta).toMatchObject({ exception: { message: 'rolled back' } });
  expect((await Promise.all(others.map((id) => worker.answer(id)))).map(({ output }) => output)).toEqual([2, 2]);
  expect((await worker.call('all')).output).toEqual([2, 3]);
});

test('twenty transactions at once come one after the other', async () => {
  const ids = Array.from({ length: 20 }, (_, n) => worker.sendCall('commits', { n: 100 + n }));
  const counts = (await Promise.all(ids.map((id) => worker.answer(id)))).map(({ output }) => output);
  expect(counts).toEqual(Array.from({ length: 20 }, (_, n) => 3 + n));
});

test('one begun by hand would have others in it: they are refused, and told what to use', async () => {
  const first = worker.sendCall('byHand', { n: 5, ms: 30_000 });
  await begun(first);
  expect((await worker.call('inserts', { n: 6 })).meta).toMatchObject({
    exception: { class: 'LogicException', message: expect.stringContaining('$call->pool()') },
  });
  worker.abort(first);
  await worker.raw(first);
  // It was left open, and is rolled back.
  expect((await worker.call('all')).output).not.toContain(5);
});
