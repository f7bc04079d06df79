/** Calls that do what they should not, among others in the same worker: each is told, and the others have their answers. */
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type StartedWorker, startResident, startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const handler = (body: string): string => `return static function (array $input, Call $call, mixed $app) { ${body} };`;
const SHORT = handler('FpmGateway\\Wait::sleep(1); return $input["n"] ?? $app;');
const WAIT = handler('FpmGateway\\Wait::sleep(20_000); return 1;');
const concurrent = { callMemoryBytes: 262_144 };

test('hundreds of calls that are always due keep neither new ones nor pings waiting, nor the other way round', async () => {
  const { worker } = await startWorker({
    handlers: { restless: handler('while (true) { FpmGateway\\Wait::sleep(0); }'), short: SHORT },
    concurrent,
  });
  const restless = Array.from({ length: 300 }, () => worker.sendCall('restless', {}));
  await until('all run', () => worker.begun().length === 300);
  const others = Array.from({ length: 300 }, (_, n) => worker.sendCall('short', { n }));
  await worker.ping();
  const answers = await Promise.all(others.map((id) => worker.answer(id)));
  expect(answers.map(({ output }) => output)).toEqual(others.map((_, n) => n));
  for (const id of restless) worker.abort(id);
  const ended = await Promise.all(restless.map((id) => worker.answer(id)));
  for (const { meta } of ended) expect(meta).toMatchObject({ exception: { class: 'FpmGateway\\Cancelled' } });
});

test('a handler that closes every stream it finds ends its worker, with a line in the log', async () => {
  const { resident, worker } = await startWorker({
    handlers: { closes: handler('foreach (get_resources("stream") as $s) { fclose($s); } return 1;'), short: SHORT },
    concurrent,
  });
  worker.sendCall('closes', {});
  expect(await resident.exit(worker.pid)).toMatchObject({ status: 70 });
});

test('an error handler that throws at every notice meets nothing of the runtime', async () => {
  const { worker } = await startWorker({
    bootstrap:
      'set_error_handler(static function (int $level, string $text): never { throw new ErrorException($text); });',
    handlers: { short: SHORT },
    concurrent,
  });
  const ids = Array.from({ length: 50 }, (_, n) => worker.sendCall('short', { n }));
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(answers.every(({ meta }) => meta.outcome === 'output' && meta.leaks === undefined)).toBe(true);
});

test('a memory limit that many calls would exceed refuses some, and loses none', async () => {
  const { worker } = await startWorker({
    handlers: {
      holds: handler('$held = str_repeat("x", 1_000_000); FpmGateway\\Wait::sleep(100); return strlen($held);'),
    },
    ini: ['memory_limit=32M'],
    concurrent: { callMemoryBytes: 1_500_000 },
  });
  const ids = Array.from({ length: 200 }, () => worker.sendCall('holds', {}));
  const answers = await Promise.all(ids.map((id) => worker.raw(id)));
  const refused = ids.filter((_, at) => answers[at]?.protocolStatus === 2);
  expect(refused.length).toBeGreaterThan(0);
  expect(worker.begun().sort()).toEqual(ids.filter((id) => !refused.includes(id)).sort());
  expect((await worker.call('holds')).output).toBe(1_000_000);
});

test('inputs that are large only when decoded are refused beside others where they would exceed the memory limit', async () => {
  const { worker } = await startWorker({
    handlers: { holds: handler('FpmGateway\\Wait::sleep(100); return count($input["rows"]);') },
    ini: ['memory_limit=48M'],
    concurrent,
  });
  // 200 kB, of which PHP makes 12 MB: four calls exceed the limit.
  const input = { rows: Array.from({ length: 50_000 }, () => [1]) };
  const ids = Array.from({ length: 8 }, () => worker.sendCall('holds', input));
  const answers = await Promise.all(ids.map((id) => worker.raw(id)));
  const refused = ids.filter((_, at) => answers[at]?.protocolStatus === 2);
  expect(refused.length).toBeGreaterThan(0);
  expect(ids.length - refused.length).toBeGreaterThan(1);
  for (const id of ids.filter((one) => !refused.includes(one))) expect((await worker.answer(id)).output).toBe(50_000);
});

test('a text is not taken for what it is not: of the same length many are begun', async () => {
  const { worker } = await startWorker({
    handlers: { holds: handler('FpmGateway\\Wait::sleep(100); return strlen($input["text"]);') },
    ini: ['memory_limit=32M'],
    concurrent,
  });
  const text = 'A text, as long as others. '.repeat(2_200);
  const ids = Array.from({ length: 30 }, () => worker.sendCall('holds', { text }));
  for (const id of ids) expect((await worker.answer(id)).output).toBe(text.length);
});

test('what a call of a function took until its first wait is asked for before the next of it, not of others', async () => {
  const { worker } = await startWorker({
    handlers: {
      takes: handler(
        '$held = str_repeat("x", 5_000_000); FpmGateway\\Wait::sleep($input["ms"]); return strlen($held);',
      ),
      short: SHORT,
    },
    ini: ['memory_limit=32M'],
    concurrent,
  });
  const ids = Array.from({ length: 20 }, () => worker.sendCall('takes', { ms: 20_000 }));
  await until('some are refused', () => ids.some((id) => worker.isAnswered(id)));
  expect((await worker.call('short', { n: 1 })).output).toBe(1);
  const begun = worker.begun().filter((id) => ids.includes(id));
  expect(begun.length).toBeGreaterThan(3);
  for (const id of ids.filter((one) => !begun.includes(one))) expect((await worker.raw(id)).protocolStatus).toBe(2);
});

test('files of calls that are cut are removed with their worker', async () => {
  const { resident, worker } = await startWorker({ handlers: { wait: WAIT }, concurrent });
  const files = [{ path: ['file'], name: 'a.txt', mediaType: 'text/plain', size: 5 }];
  const header = JSON.stringify({ input: {}, files });
  const call = `wait 01900000-0000-7000-8000-00000000000f.1 9000.000 00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  worker.send(
    [
      ['FPMG_CALL', call],
      ['FPMG_FILES', '1'],
    ],
    Buffer.from(`${header.length}\n${header}hello`),
  );
  await until('it runs', () => worker.begun().length === 1);
  expect(readdirSync(resident.uploads)).toHaveLength(1);
  worker.socket.destroy();
  await resident.exit(worker.pid);
  expect(readdirSync(resident.uploads)).toEqual([]);
});

test('a child that a handler forked and that exits says nothing', async () => {
  const { resident, worker } = await startWorker({
    handlers: {
      short: SHORT,
      forks: handler(
        'if (pcntl_fork() === 0) { echo "child"; file_put_contents("child", ""); exit; } FpmGateway\\Wait::sleep(5); return 1;',
      ),
    },
    concurrent,
  });
  expect((await worker.call('forks')).meta).toMatchObject({ outcome: 'output' });
  await until('the child ran', () => existsSync(`${resident.folder}/child`));
  expect((await worker.call('short', { n: 1 })).output).toBe(1);
});

const bootsIn = async (options: Parameters<typeof startResident>[0]): Promise<StartedWorker> => {
  const resident = await startResident({ ...options, concurrent });
  await resident.event('ready');
  return resident.worker();
};

test.each([
  ['in each worker', { bootstrapIn: 'worker' as const }],
  ['where PHP cannot fork', { alone: true }],
])('an application that is loaded %s serves many calls', async (_where, options) => {
  const worker = await bootsIn({
    handlers: { short: SHORT },
    bootstrap: 'FpmGateway\\Wait::sleep(1); return "app";',
    ...options,
  });
  expect((await worker.prime()).meta.outcome).toBe('primed');
  const ids = [1, 2, 3].map(() => worker.sendCall('short', {}));
  for (const id of ids) expect((await worker.answer(id)).output).toBe('app');
});

test.each([
  ['exit;', 'exit'],
  ['throw new Exception("no");', 'exception'],
])('a bootstrap that does not load in the worker is told: %s', async (bootstrap, outcome) => {
  const worker = await bootsIn({ handlers: { short: SHORT }, bootstrap, bootstrapIn: 'worker' });
  expect((await worker.prime()).meta.outcome).toBe(outcome);
  await worker.ended();
});
