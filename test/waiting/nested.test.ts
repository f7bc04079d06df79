/** Calls of functions from a concurrent worker: they go over the worker's own connection, and mean what they mean over HTTP. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';
import { answers } from './answers.ts';

const file = wholeFile();
const told = (body: string): string =>
  `try { ${body} } catch (FpmGateway\\Client\\CallFailed $f) { return [$f->failureCode, $f->executed, $f->status, $f->detail]; }`;
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    one: handler(told('return $call->invoke("inner", ["é" => $input["n"] ?? null]);')),
    retried: handler(told('return $call->invoke("inner", [], null, 3);')),
    late: handler(told('return $call->invoke("inner", [], 50);')),
    all: handler('return $call->waitAll(["a" => $call->send("inner", [1]), "b" => $call->send("inner", [2])]);'),
    each: handler(`$order = []; foreach ($call->each([$call->send("inner", [0]), $call->send("inner", [1])]) as $key => $result) {
      $order[] = [$key, $result->get()]; } return $order;`),
    many: handler(
      'return array_sum($call->waitAll(array_map(static fn (int $n) => $call->send("inner", [$n]), range(1, 40))));',
    ),
    fires: handler('return $call->fire("inner", [1]);'),
    cancels: handler(told('$p = $call->send("inner"); $p->cancel(); $call->sleep(20); return $p->wait();')),
    callback:
      handler(`$seen = []; $call->send("inner")->onResult(static function ($value) use (&$seen) { $seen[] = $value; });
      $call->settle(); return $seen;`),
    polls: handler(
      '$p = $call->send("inner"); for ($looks = 1; !$p->isDone(); ++$looks); return [$looks > 1, $p->wait()];',
    ),
    sleeps: handler('$p = $call->send("inner"); $call->sleep(30); return $p->wait();'),
    leaves: handler('$call->send("inner"); return "left";'),
    own: handler(`$fiber = new Fiber(static fn () => $call->invoke("inner"));
      try { $fiber->start(); } catch (LogicException $e) { return [$e->getMessage(), $call->ready() !== []]; }`),
    environment: handler(
      'try { FpmGateway\\Client\\Client::fromEnvironment(); } catch (LogicException $e) { return $e->getMessage(); }',
    ),
    shared: `final class Shared { public static ?Call $call = null; }
      ${handler('Shared::$call ??= $call; try { return Shared::$call->invoke("inner"); } catch (LogicException $e) { return $e->getMessage(); } finally { if ($input["ms"]) { $call->sleep($input["ms"]); } }')}`,
    lends: `final class Lent { public static ?FpmGateway\\Client\\Client $client = null; }
      ${handler('Lent::$client = $call->client(); Lent::$client->invoke("inner"); $call->sleep(30_000);')}`,
    borrows: handler('try { Lent::$client->invoke("inner"); } catch (LogicException $e) { return $e->getMessage(); }'),
    // Answers to calls that nobody has asked for are there while it waits for something else.
    beside: handler(`[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); $call->send("inner");
      try { $call->read($a, 1, 100); } catch (FpmGateway\\StreamFailed $late) { return $late->isLate; }`),
  },
  env: { FPMG_GATEWAY: 'unix:/nowhere.sock' },
  concurrent: { callMemoryBytes: 262_144 },
});

const answer = answers(worker);

const BUSY = { code: 'queue-full', detail: 'no place', executed: 'no', retryable: true };

test('a call says what it says over HTTP', async () => {
  const id = worker.sendCall('one', { n: 5 });
  const call = await worker.nested();
  expect(call.id).toBe(id);
  expect(call.body.toString()).toBe('{"é":5}');
  expect(call.head).toEqual({
    path: '/functions/inner',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, */*;q=0.5',
      'fpm-gateway-protocol': '1',
      'x-request-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/),
      'x-request-timeout-ms': expect.stringMatching(/^[123]\d{4}$/),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'fpm-gateway-caller': expect.stringMatching(/^01900000-0000-7000-8000-\d{12} one$/),
    },
  });
  answer(call, { result: 1 });
  const { output, meta } = await worker.answer(id);
  expect(output).toEqual({ result: 1 });
  expect(meta).toMatchObject({ suspensions: 1 });
});

test('a failure comes as over HTTP, and is tried again where it did not run', async () => {
  const id = worker.sendCall('one', {});
  answer(await worker.nested(), BUSY, 503);
  expect((await worker.answer(id)).output).toEqual(['queue-full', 'no', 503, 'no place']);
  const retried = worker.sendCall('retried', {});
  answer(await worker.nested(), BUSY, 503);
  answer(await worker.nested(), 'second');
  expect((await worker.answer(retried)).output).toBe('second');
});

test('what is no answer of a gateway of this version is refused', async () => {
  const id = worker.sendCall('one', {});
  answer(await worker.nested(), 1, 200, { 'fpm-gateway-protocol': '9' });
  expect((await worker.answer(id)).output).toMatchObject(['incompatible-gateway', 'unknown', 200, expect.anything()]);
});

test('a call that takes too long is given up and taken back', async () => {
  const id = worker.sendCall('late', {});
  const { number, head } = await worker.nested();
  expect(Number(head.headers['x-request-timeout-ms'])).toBeLessThanOrEqual(50);
  expect((await worker.answer(id)).output).toMatchObject(['client-timeout', 'unknown', 0, expect.anything()]);
  expect(worker.cancelled()).toContain(number);
});

test('several are on their way at once, and their results keep their keys', async () => {
  const id = worker.sendCall('all', {});
  const [first, second] = [await worker.nested(), await worker.nested()];
  answer(second, 'two');
  answer(first, 'one');
  expect((await worker.answer(id)).output).toEqual({ a: 'one', b: 'two' });
});

test('each comes as it finishes', async () => {
  const id = worker.sendCall('each', {});
  const [first, second] = [await worker.nested(), await worker.nested()];
  answer(second, 'two');
  answer(first, 'one');
  expect((await worker.answer(id)).output).toEqual([
    [1, 'two'],
    [0, 'one'],
  ]);
});

test('no more are under way than the client’s concurrency', async () => {
  const id = worker.sendCall('many', {});
  const first = await Promise.all(Array.from({ length: 32 }, () => worker.nested()));
  // What it has put out by now is there by the time another call is answered.
  let came = false;
  const next = worker.nested().then((call) => {
    came = true;
    return call;
  });
  await worker.call('environment');
  await worker.call('environment');
  expect(came).toBe(false);
  for (const call of first) answer(call, Number(JSON.parse(call.body.toString())[0]));
  const rest = [await next, ...(await Promise.all(Array.from({ length: 7 }, () => worker.nested())))];
  for (const call of rest) answer(call, Number(JSON.parse(call.body.toString())[0]));
  expect((await worker.answer(id)).output).toBe(820);
});

test('one that nobody waits for says so, and is not waited for', async () => {
  const id = worker.sendCall('fires', {});
  const { head } = await worker.nested();
  expect(head.headers['on-disconnect']).toBe('finish');
  expect((await worker.answer(id)).output).toBe(head.headers['x-request-id']);
});

test('one that is cancelled is taken back', async () => {
  const id = worker.sendCall('cancels', {});
  const { number } = await worker.nested();
  expect((await worker.answer(id)).output).toMatchObject(['cancelled', 'unknown', 0, expect.anything()]);
  expect(worker.cancelled()).toContain(number);
});

test.each([
  ['callback', 'v', ['v']],
  ['sleeps', 'v', 'v'],
])('results reach %s', async (name, value, output) => {
  const id = worker.sendCall(name, {});
  answer(await worker.nested(), value);
  expect((await worker.answer(id)).output).toEqual(output);
});

test('asking whether one is done lets the worker go on', async () => {
  const id = worker.sendCall('polls', {});
  const call = await worker.nested();
  answer(call, 'v');
  expect((await worker.answer(id)).output).toEqual([true, 'v']);
});

test('an answer that nobody has asked for does not keep another wait from waiting', async () => {
  const id = worker.sendCall('beside', {});
  answer(await worker.nested(), 'v');
  const { output, meta } = await worker.answer(id);
  expect(output).toBe(true);
  expect(Number(meta.suspensions)).toBeLessThan(5);
});

test('a call may end while its own are on their way', async () => {
  const id = worker.sendCall('leaves', {});
  const call = await worker.nested();
  expect((await worker.answer(id)).output).toBe('left');
  answer(call, 'for nobody');
  const next = worker.sendCall('one', {});
  answer(await worker.nested(), 'mine');
  expect((await worker.answer(next)).output).toBe('mine');
});

test('a Fiber of the handler’s own cannot call, and leaves nothing that would be waited for', async () => {
  expect((await worker.call('own')).output).toEqual([expect.stringContaining('in its own Fiber'), true]);
});

test('a client of the environment would be of no call', async () => {
  expect((await worker.call('environment')).output).toBe(
    'This worker runs many calls at once, and its environment belongs to none of them: use $call, as in $call->invoke(…), or $call->client().',
  );
});

test('a call cannot use another’s client', async () => {
  const lends = worker.sendCall('lends', {});
  answer(await worker.nested(), 'mine');
  expect((await worker.call('borrows')).output).toMatch(/^This client is not of the call that uses it/);
  worker.abort(lends);
});

test('a call cannot use another’s $call', async () => {
  const first = worker.sendCall('shared', { ms: 500 });
  answer(await worker.nested(), 'mine');
  await until('the first waits', () => worker.begun().includes(first));
  const second = await worker.call('shared', { ms: 0 });
  expect(second.output).toMatch(/^This \$call is not of the call that uses it/);
  expect((await worker.answer(first)).output).toBe('mine');
});
