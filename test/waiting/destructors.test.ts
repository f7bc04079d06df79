/** Destructors: PHP before 8.4 can suspend no Fiber there. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { answers } from './answers.ts';
import { handler } from './handlers.ts';

const file = wholeFile();
const behind = (body: string): string =>
  handler(`$told = ''; $do = static function () use ($call, &$told) { ${body} };
    $object = new class($do) { public function __construct(private Closure $do) {} public function __destruct() { ($this->do)(); } };
    unset($object); return $told;`);
/** What waits says why it cannot, where it cannot. */
const waits = (body: string): string =>
  behind(`if (PHP_VERSION_ID >= 80400) { $told = 'PHP can suspend no call here'; return; }
    try { ${body} } catch (LogicException $e) { $told = $e->getMessage(); }`);

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    fires: behind('$told = $call->fire("inner");'),
    sleeps: waits('$call->sleep(1);'),
    reads: waits('[$a, $b] = stream_socket_pair(1, 1, 0); $call->read($a);'),
    invokes: waits('$call->send("inner")->wait();'),
    many: handler('for ($n = 0; $n < 100; ++$n) { $call->fire("inner", [$n]); } return $n;'),
    quick: handler('return "at once";'),
  },
  env: { FPMG_GATEWAY: 'unix:/nowhere.sock' },
  concurrent: { callMemoryBytes: 262_144 },
});

test('one may fire a call, which waits for nothing', async () => {
  const id = worker.sendCall('fires', {});
  const { head } = await worker.nested();
  expect((await worker.answer(id)).output).toBe(head.headers['x-request-id']);
});

test.each(['sleeps', 'reads', 'invokes'])('one that %s is told why it cannot, and the worker goes on', async (name) => {
  expect((await worker.call(name)).output).toMatch(/^PHP can suspend no call here/);
  expect((await worker.call('quick')).output).toBe('at once');
});

test('a handler fires as many as it likes, and the gateway hears of each', async () => {
  const id = worker.sendCall('many', {});
  const seen: unknown[] = [];
  while (seen.length < 100) {
    const call = await worker.nested();
    // Those that were sent by the tests before are nobody's.
    if (call.id !== id) continue;
    seen.push(JSON.parse(call.body.toString())[0]);
    answers(worker)(call, null);
  }
  expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect((await worker.answer(id)).output).toBe(100);
});
