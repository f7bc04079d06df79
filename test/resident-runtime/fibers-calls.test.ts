/** Many calls in one worker: those that wait hold up nobody. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const SLEEP = 'FpmGateway\\Wait::sleep($input["ms"] ?? 0);';
const HANDLERS = {
  sleep: `return static function (array $input, Call $call) { ${SLEEP} return $input["n"] ?? null; };`,
  asks: `return static function (): string { $s = FpmGateway\\Wait::$scheduler; $n = $s->call("{\\"path\\":\\"/a\\",\\"headers\\":{}}\\n"); for ($got = []; $got === []; $got = $s->answers()) { $s->select([], [], 20_000); } return substr($got[$n], strpos($got[$n], "\\n") + 1); };`,
  own: 'return static function (): string { $fiber = new Fiber(fn () => FpmGateway\\Wait::sleep(1)); try { $fiber->start(); } catch (LogicException $e) { return $e->getMessage(); } return ""; };',
  superglobals:
    'return static fn (): array => [$_GET, $_POST, isset($_SERVER["FPMG_CALL"]), isset($_SERVER["REQUEST_URI"]), $_SERVER["POOL"]];',
  prints: `return static function (array $input) { echo "a$input[n]"; ${SLEEP} echo "b$input[n]"; error_log("logged $input[n]"); ${SLEEP} return 1; };`,
  blocks:
    'return static function () { $until = hrtime(true) + 150_000_000; while (hrtime(true) < $until) { } return 1; };',
  add: 'return static function () { FpmGateway\\Wait::sleep(1); try { FpmGateway\\Resets::add(static fn () => null); } catch (LogicException) { return "refused"; } };',
  resets: `return static function (array $input, Call $call) { $call->onReset(function () { ${SLEEP.replace('$input["ms"] ?? 0', '5')} error_log("reset"); }); return 1; };`,
};
const { resident, worker } = await startWorker({
  lifetime: wholeFile(),
  handlers: HANDLERS,
  env: { POOL: 'blue' },
  concurrent: { callMemoryBytes: 262_144 },
});

test('a worker of many calls tells what it is', async () => {
  expect((await worker.prime()).meta).toMatchObject({ outcome: 'primed', engine: 'resident', served: 0 });
});

test('two thousand calls wait at once in one worker', async () => {
  const ids = Array.from({ length: 2000 }, () => worker.sendCall('asks', {}));
  const asked = [];
  while (asked.length < 2000) asked.push(await worker.nested());
  for (const [n, call] of asked.entries()) worker.answerNested(call, 200, n);
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(answers.map(({ output }) => output)).toEqual(ids.map((_, n) => `${n}`));
  expect(Math.max(...answers.map(({ meta }) => Number(meta.running)))).toBe(2000);
});

test('a thousand calls sleep at once', async () => {
  const startedMs = performance.now();
  const ids = Array.from({ length: 1000 }, (_, n) => worker.sendCall('sleep', { ms: 500, n }));
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(answers.map(({ output }) => output)).toEqual(ids.map((_, n) => n));
  // One after the other they would take 500 seconds.
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test('answers come in the order of time, not of arrival', async () => {
  const ids = [300, 100, 200, 0].map((ms) => worker.sendCall('sleep', { ms }));
  await Promise.all(ids.map((id) => worker.answer(id)));
  const [first, second, third, fourth] = ids;
  expect(worker.order().filter((id) => ids.includes(id))).toEqual([fourth, second, third, first]);
});

test('a call is answered with what it cost: its slices, its waits, and who ran beside it', async () => {
  const { meta, output } = await worker.call('sleep', { ms: 20, n: 'x' });
  expect(output).toBe('x');
  expect(meta).toMatchObject({ outcome: 'output', pid: worker.pid, suspensions: 1, waits: 1, running: 1 });
  expect(meta.wallMs).toBeGreaterThanOrEqual(20);
  expect(Number(meta.cpuMs)).toBeLessThan(Number(meta.wallMs));
  expect(meta).not.toHaveProperty('leaks');
});

test('each call that begins is marked', async () => {
  const id = worker.sendCall('sleep', {});
  await worker.answer(id);
  expect(worker.begun().at(-1)).toBe(id);
});

test('a Fiber of the handler’s own cannot wait, and says so', async () => {
  expect((await worker.call('own')).output).toMatch(/in its own Fiber/);
});

test('superglobals are not offered: they would be another call’s', async () => {
  expect((await worker.call('superglobals')).output).toEqual([[], [], false, false, 'blue']);
});

test('what a call prints and logs is its own, whoever runs in between', async () => {
  const ids = [1, 2, 3].map((n) => worker.sendCall('prints', { n, ms: 20 }));
  for (const [at, id] of ids.entries()) {
    const { meta, stderr } = await worker.answer(id);
    expect(meta).toMatchObject({ stray: `a${at + 1}b${at + 1}`, strayBytes: 4 });
    expect(stderr.match(/logged \d/g)).toEqual([`logged ${at + 1}`]);
  }
});

test('a call that does not wait is told, with how many it held up', async () => {
  const others = [worker.sendCall('sleep', { ms: 50 }), worker.sendCall('sleep', { ms: 50 })];
  const { meta } = await worker.call('blocks');
  expect(meta.leaks).toEqual([
    {
      kind: 'blocks',
      name: 'blocks',
      detail: expect.stringMatching(/^ran \d+ ms without waiting: 2 other calls waited$/),
      restored: true,
    },
  ]);
  await Promise.all(others.map((id) => worker.answer(id)));
});

test('a hook for all calls cannot be added by one of them', async () => {
  expect((await worker.call('add')).output).toBe('refused');
});

test('hooks of a call run in its Fiber, and may wait', async () => {
  const { meta, stderr } = await worker.call('resets');
  expect(meta).toMatchObject({ outcome: 'output', suspensions: 1 });
  expect(stderr).toContain('reset');
});

test('a worker without calls waits without a timer, and ends with its connection', async () => {
  const other = await resident.worker();
  await other.call('sleep', {});
  other.socket.destroy();
  expect(await resident.exit(other.pid)).toMatchObject({ status: 0 });
  await until('the other lives', () => !worker.isEnded());
});
