/** What a call gets from a resident worker when all goes well. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';

const HANDLERS = {
  echo: "return static function (array $input, Call $call): array { return ['hello' => $input['name']]; };",
  app: 'return static fn (array $input, Call $call, mixed $app): mixed => $app->name . ++$app->calls;',
  object: 'return static fn (Greeting $greeting): string => $greeting->text;',
  binary: 'return static fn (): Binary => new Binary(str_repeat("\\0\\xff", 100_000), \'image/png\');',
  large: "return static fn (array $input): string => str_repeat('x', $input['bytes']);",
  items: 'return static function (array $input) { foreach (range(1, $input["count"]) as $n) { yield ["n" => $n]; } };',
  bytes: "return static function () { yield 'ab'; yield str_repeat('c', 200_000); };",
  list: 'return static fn (): array => [1, 2];',
  map: "return static fn (): array => ['a' => 1];",
  failure: "return static fn () => throw new Failure('no-lines', ['number' => 'A1'], 'None.');",
  superglobals: `return static function (array $input): array {
    $seen = [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST, $_SERVER['REQUEST_URI'], $_SERVER['REQUEST_METHOD'],
      basename($_SERVER['SCRIPT_FILENAME']), isset($_SERVER['argv']), $_SERVER['LEFT'] ?? null, $_SERVER['POOL']];
    $_GET['a'] = $_POST['a'] = $_SERVER['LEFT'] = $_REQUEST['a'] = 1;
    return $seen;
  };`,
  logs: "return static function (array $input, Call $call): array { $call->log('seen', ['a' => 1], 'warn'); return [$call->id, $call->function, $call->attempt, $call->remainingMs() > 1000, $call->traceparent()]; };",
  prints: "return static function () { echo 'one'; ob_start(); echo ' two'; return 1; };",
  flushes: "return static function () { echo 'one'; ob_flush(); flush(); echo ' two'; ob_end_flush(); return 1; };",
  cleans:
    "return static function () { echo 'gone'; while (ob_get_level() > 0) { ob_end_clean(); } echo 'past'; return 1; };",
  memory: 'return static fn (array $input): int => strlen(str_repeat("x", $input["bytes"]));',
  headers: "return static function (): array { $had = headers_list(); header('X-Left: 1'); return $had; };",
  resets: `return static function (array $input, Call $call): int {
    static $resets = 0;
    $call->onReset(static function () use (&$resets) { ++$resets; });
    if ($input['fails'] ?? false) { $call->onReset(static fn () => throw new RuntimeException('no reset')); }
    return $resets;
  };`,
  everyCall: 'return static fn (): int => Counter::$resets;',
  client: 'return static fn (): array => [$_SERVER["FPMG_CALL"], $_SERVER["FPMG_FUNCTION"]];',
};
const BOOTSTRAP = `
  final class Greeting { public function __construct(public string $text) {} public static function fromArray(array $data): self { return new self("Hello, {$data['name']}"); } }
  final class Counter { public static int $resets = 0; }
  FpmGateway\\Resets::add(static function () { ++Counter::$resets; });
  return new class { public string $name = 'shop'; public int $calls = 0; };`;

const { worker } = await startWorker({
  lifetime: wholeFile(),
  handlers: HANDLERS,
  streams: { items: 'items', bytes: 'bytes', list: 'items', map: 'items' },
  bootstrap: BOOTSTRAP,
  env: { POOL: 'blue' },
});

test('a worker tells what it is, and what it found in each handler', async () => {
  const { meta, output } = await worker.prime();
  expect(meta).toMatchObject({ outcome: 'primed', runtimeVersion: 7, engine: 'resident', pid: worker.pid, served: 0 });
  expect(meta.bornMs).toBeGreaterThan(0);
  expect(output).toContainEqual(
    expect.objectContaining({ name: 'echo', inputClass: null, exception: null, stray: '' }),
  );
  expect(output).toContainEqual(
    expect.objectContaining({ name: 'object', inputClass: 'Greeting', exception: null, stray: '' }),
  );
});

test('a call is answered with what it cost', async () => {
  const { head, meta, output } = await worker.call('echo', { name: 'Ada' });
  expect(head).toBe('Content-Type: application/vnd.fpm-gateway');
  expect(output).toEqual({ hello: 'Ada' });
  expect(meta).toMatchObject({ outcome: 'output', encoding: 'json', pid: worker.pid });
  for (const amount of [meta.cpuMs, meta.wallMs, meta.waits, meta.memoryBytes])
    expect(amount).toBeGreaterThanOrEqual(0);
  expect(meta).not.toHaveProperty('leaks');
});

test('each answer says how many calls the worker has served', async () => {
  const [first, second] = [await worker.call('echo', { name: 'a' }), await worker.call('echo', { name: 'b' })];
  expect(second.meta.served).toBe(Number(first.meta.served) + 1);
});

test('handlers get what the bootstrap returned, the same object each time', async () => {
  expect([(await worker.call('app')).output, (await worker.call('app')).output]).toEqual(['shop1', 'shop2']);
});

test('a handler that takes a class gets an object of it', async () => {
  expect((await worker.call('object', { name: 'Ada' })).output).toBe('Hello, Ada');
});

test('bytes come as they are, with their media type', async () => {
  const { head, meta, bytes } = await worker.call('binary');
  expect(head).toContain('Content-Length: ');
  expect(meta).toMatchObject({ encoding: 'binary', mediaType: 'image/png' });
  expect(bytes.equals(Buffer.alloc(200_000, Buffer.from([0, 255])))).toBe(true);
});

test.each([65_000, 65_528, 65_536, 131_056, 3_000_000])('an answer of %i bytes is whole', async (bytes) => {
  expect((await worker.call('large', { bytes })).output).toBe('x'.repeat(bytes));
});

test('an input of several records is whole', async () => {
  const name = 'n'.repeat(1_000_000);
  expect((await worker.call('echo', { name })).output).toEqual({ hello: name });
});

test('a stream of items is sent piece by piece', async () => {
  const { head, items, meta } = await worker.call('items', { count: 3 });
  expect(head).toBe('Content-Type: application/vnd.fpm-gateway.stream');
  expect(items).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(meta.outcome).toBe('streamed');
});

test('a stream of bytes is sent piece by piece', async () => {
  expect((await worker.call('bytes')).bytes.toString()).toBe(`ab${'c'.repeat(200_000)}`);
});

test('a list is a stream where the contract promises one, a map is one value', async () => {
  expect((await worker.call('list')).items).toEqual([1, 2]);
  expect((await worker.call('map')).output).toEqual({ a: 1 });
});

test('a declared failure comes with its data', async () => {
  const { meta, output } = await worker.call('failure');
  expect(meta).toMatchObject({ outcome: 'failure', code: 'no-lines', message: 'None.' });
  expect(output).toEqual({ number: 'A1' });
});

test('superglobals are those of this call: nothing is left of the last one', async () => {
  const expected = [[], [], [], [], [], '/functions/superglobals', 'POST', 'run.php', false, null, 'blue'];
  expect((await worker.call('superglobals')).output).toEqual(expected);
  expect((await worker.call('superglobals')).output).toEqual(expected);
});

test('a client made without the call finds what it needs', async () => {
  const [call, name] = (await worker.call('client')).output as string[];
  expect(call).toMatch(/^30000\.000 00-/);
  expect(name).toBe('client');
});

test('the call knows who it is, and what it logs is told', async () => {
  const { meta, output } = await worker.call('logs');
  expect(output).toEqual([expect.stringMatching(/^01900000-/), 'logs', 1, true, expect.stringMatching(/^00-/)]);
  expect(meta.logs).toMatchObject([{ level: 'warn', message: 'seen', context: { a: 1 } }]);
  expect((await worker.call('echo', { name: 'a' })).meta).not.toHaveProperty('logs');
});

test('what a handler prints is kept off its answer and told', async () => {
  expect((await worker.call('prints')).meta).toMatchObject({ outcome: 'output', stray: 'one two', strayBytes: 7 });
  expect((await worker.call('echo', { name: 'a' })).meta).not.toHaveProperty('stray');
});

test('what it flushes, too', async () => {
  const { meta, stderr } = await worker.call('flushes');
  expect([meta.stray, stderr]).toEqual(['one two', '']);
});

test('a handler that removes all output buffers ends its loop, and what it prints then goes to its log', async () => {
  const { meta, output, stderr } = await worker.call('cleans');
  expect([output, stderr]).toEqual([1, 'past']);
  expect(meta.leaks).toMatchObject([{ kind: 'output', restored: false }]);
});

test('the peak of memory is that of this call where PHP can tell', async () => {
  const large = await worker.call('memory', { bytes: 40_000_000 });
  const small = await worker.call('memory', { bytes: 10 });
  expect(large.meta.peakBytes).toBeGreaterThan(40_000_000);
  expect(small.meta.peakBytes).toBeLessThan(40_000_000);
});

test('headers of one call are not those of the next', async () => {
  expect((await worker.call('headers')).output).toEqual([]);
  expect((await worker.call('headers')).output).toEqual([]);
});

test('hooks of a call run once, before the next', async () => {
  expect([(await worker.call('resets')).output, (await worker.call('resets')).output]).toEqual([0, 1]);
});

test('a hook that throws does not change the answer, is told as a leak, and the others run', async () => {
  const { meta, output } = await worker.call('resets', { fails: true });
  expect([output, meta.leaks]).toMatchObject([2, [{ kind: 'reset-hook', name: 'RuntimeException', restored: false }]]);
  expect((await worker.call('resets')).output).toBe(3);
});

test('hooks of the bootstrap run after each call', async () => {
  const first = Number((await worker.call('everyCall')).output);
  expect((await worker.call('everyCall')).output).toBe(first + 1);
});
