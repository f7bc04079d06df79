/** How calls of a worker that runs many at once end: by their time, by their caller, by themselves, by another's doing. */
import { describe, expect, test } from 'vitest';
import { type StartedWorker, startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const wait = (ms: number): string => `FpmGateway\\Wait::sleep(${ms});`;
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;
const HANDLERS = {
  wait: handler(`${wait(10_000)} return 1;`),
  none: handler('return $input["n"];'),
  short: handler(`${wait(1)} return $input["n"] ?? 0;`),
  cleans: handler(`try { ${wait(10_000)} } finally { error_log("cleaned"); }`),
  catches: handler(`try { ${wait(10_000)} } catch (RuntimeException $e) { return get_class($e); }`),
  swallows: handler(
    `$n = 0; try { while (true) { try { ${wait(10_000)} } catch (RuntimeException) { ++$n; } } } finally { try { ${wait(5)} } catch (Throwable $e) { error_log("finally " . get_class($e) . " $n"); } }`,
  ),
  self: handler('Fiber::suspend(); return 1;'),
  selfForEver: handler('while (true) { try { Fiber::suspend(); } catch (LogicException) { } }'),
  exits: handler(`${wait(1)} echo "bye"; exit;`),
  dies: handler('array_map(fn () => die(), [1]);'),
  fatal: handler(`${wait(1)} eval("class A {} class A {}");`),
  memory: handler(`${wait(1)} $all = []; while (true) { $all[] = str_repeat("x", 1000); }`),
  holds: handler(`$held = str_repeat("x", $input["bytes"]); ${wait(300)} return strlen($held);`),
  forks: handler(
    `if (pcntl_fork() === 0) { ${wait(1)} file_put_contents("child", ""); } ${wait(20)} return getmypid();`,
  ),
  destructor: handler(
    `$o = new class { public string $said = ""; public function __destruct() { try { ${wait(5)} } catch (LogicException $e) { error_log("refused"); } error_log("gone"); } }; unset($o); ${wait(5)} return 1;`,
  ),
  forksStream: `return static function () { yield "a"; if (pcntl_fork() === 0) { while (true) { yield str_repeat("child", 100_000); } } ${wait(20)} yield "b"; };`,
  failing: handler('throw new Failure("none", ["a" => 1]);'),
  hook: handler(`$call->onReset(function () { error_log("reset ran"); }); exit;`),
};
const start = (ini: readonly string[] = []): ReturnType<typeof startWorker> =>
  startWorker({ handlers: HANDLERS, ini, streams: { forksStream: 'bytes' }, concurrent: { callMemoryBytes: 262_144 } });
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let calls = 0;
/** With a budget of its own. */
const within = (worker: StartedWorker, name: string, budgetMs: number): number =>
  worker.send(
    [
      [
        'FPMG_CALL',
        `${name} 01900000-0000-7000-9000-${String(++calls).padStart(12, '0')}.1 ${budgetMs}.000 ${TRACEPARENT}`,
      ],
    ],
    Buffer.from('{}'),
  );

describe('a deadline', () => {
  test('ends a call where it waits, and its finally blocks run', async () => {
    const { worker } = await start();
    const startedMs = performance.now();
    const { stdout, stderr } = await worker.raw(within(worker, 'cleans', 30));
    expect(stdout.toString()).toMatch(/"outcome":"deadline","exception":\{"class":"FpmGateway..DeadlineExceeded"/);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(29);
    expect(stderr).toContain('cleaned');
  });

  test('may be caught: the call answers what it returns', async () => {
    const { worker } = await start();
    expect((await worker.answer(within(worker, 'catches', 10))).output).toBe('FpmGateway\\DeadlineExceeded');
  });

  test('that is swallowed is thrown at each later wait, ten times; then the Fiber is dropped, and the answer says so', async () => {
    const { worker } = await start();
    const other = worker.sendCall('wait', {});
    const { meta, stderr } = await worker.answer(within(worker, 'swallows', 10));
    expect(meta).toMatchObject({
      outcome: 'exception',
      exception: { message: expect.stringMatching(/caught DeadlineExceeded, thrown 10 times .*dropped/) },
    });
    expect(stderr).toContain('finally FpmGateway\\DeadlineExceeded 10');
    expect((await worker.call('short')).meta.outcome).toBe('output');
    expect(worker.isAnswered(other)).toBe(false);
  });
});

describe('taken back', () => {
  test('a call that runs is told where it waits, and answers all the same', async () => {
    const { worker } = await start();
    const [plain, caught] = [worker.sendCall('wait', {}), worker.sendCall('catches', {})];
    await until('both run', () => worker.begun().length === 2);
    worker.abort(plain);
    worker.abort(caught);
    expect((await worker.answer(plain)).meta).toMatchObject({
      outcome: 'exception',
      exception: { class: 'FpmGateway\\Cancelled' },
    });
    expect((await worker.answer(caught)).output).toBe('FpmGateway\\Cancelled');
  });

  test('one that swallows it is dropped', async () => {
    const { worker } = await start();
    const id = worker.sendCall('swallows', {});
    await until('it runs', () => worker.begun().length === 1);
    worker.abort(id);
    expect(JSON.stringify((await worker.answer(id)).meta)).toContain('caught Cancelled');
  });

  test('one that has ended is nobody’s: nothing happens', async () => {
    const { worker } = await start();
    await worker.call('short');
    worker.abort(1);
    worker.abort(4711);
    expect((await worker.call('short', { n: 3 })).output).toBe(3);
  });
});

test.each(['self', 'selfForEver'])(
  'a handler that suspends the Fiber of its call by itself is told: %s',
  async (name) => {
    const { worker } = await start();
    expect((await worker.call(name)).meta).toMatchObject({
      outcome: 'exception',
      exception: { class: 'LogicException', message: expect.stringContaining('Fiber::suspend()') },
    });
    expect((await worker.call('short')).meta.outcome).toBe('output');
  },
);

test('a declared failure comes with its data', async () => {
  const { worker } = await start();
  expect(await worker.call('failing')).toMatchObject({ meta: { outcome: 'failure', code: 'none' }, output: { a: 1 } });
});

test.each([
  ['exits', 'exit', /"stray":"bye"/],
  ['dies', 'exit', /./],
  ['fatal', 'fatal', /Cannot declare class A/],
  ['memory', 'out-of-memory', /Allowed memory size/],
] as const)(
  'a call that ends PHP has its own answer, those behind it never began, and marks tell of those beside it: %s',
  async (name, outcome, says) => {
    const { resident, worker } = await start();
    const beside = worker.sendCall('wait', {});
    await until('one runs', () => worker.begun().length === 1);
    // In one write: the worker has read both when the first ends it.
    worker.socket.cork();
    const [ending, behind] = [worker.sendCall(name, {}), worker.sendCall('short', {})];
    worker.socket.uncork();
    const { meta } = await worker.answer(ending);
    expect(meta.outcome, JSON.stringify(meta)).toBe(outcome);
    expect(JSON.stringify(meta)).toMatch(says);
    await worker.ended();
    await resident.exit(worker.pid);
    expect(worker.isAnswered(beside)).toBe(false);
    const begun = worker.begun();
    expect(begun.slice(0, 2)).toEqual([beside, ending]);
    // It may have begun while the one in front waited.
    if (!begun.includes(behind)) expect(await worker.raw(behind)).toMatchObject({ protocolStatus: 2 });
  },
);

test('answers of the same turn are not lost with the one that ends PHP', async () => {
  const { worker } = await start();
  worker.socket.cork();
  const good = worker.sendCall('failing', {});
  const ending = worker.sendCall('dies', {});
  const behind = worker.sendCall('failing', {});
  worker.socket.uncork();
  expect((await worker.answer(good)).meta.outcome).toBe('failure');
  expect((await worker.answer(ending)).meta.outcome).toBe('exit');
  expect(await worker.raw(behind)).toMatchObject({ protocolStatus: 2 });
  expect(worker.begun()).toEqual([good, ending]);
});

test('hooks of a call that exits run behind its answer', async () => {
  const { resident, worker } = await start();
  expect((await worker.call('hook')).meta.outcome).toBe('exit');
  await resident.exit(worker.pid);
});

test('a call for which there is no memory beside others is refused, not begun; alone it is begun in any case', async () => {
  const { worker } = await start(['memory_limit=64M']);
  // In one write: the large one waits when the other is read.
  worker.socket.cork();
  const [large, refused] = [worker.sendCall('holds', { bytes: 60_000_000 }), worker.sendCall('short', {})];
  worker.socket.uncork();
  expect(await worker.raw(refused)).toMatchObject({ protocolStatus: 2 });
  expect((await worker.answer(large)).output).toBe(60_000_000);
  expect((await worker.call('short', { n: 2 })).output).toBe(2);
  expect(worker.begun()).not.toContain(refused);
});

test('what a handler forked ends at its first wait, and writes nothing', async () => {
  const { worker } = await start();
  const other = worker.sendCall('short', { n: 1 });
  const { output } = await worker.call('forks');
  expect([output, (await worker.answer(other)).output]).toEqual([worker.pid, 1]);
  expect((await worker.call('short', { n: 2 })).output).toBe(2);
});

test('what a stream’s handler forked sends no pieces', async () => {
  const { worker } = await start();
  expect((await worker.call('forksStream')).bytes.toString()).toBe('ab');
});

test('a destructor that waits leaves its call as it was', async () => {
  const { worker } = await start();
  const { meta, stderr, output } = await worker.call('destructor');
  expect([meta.outcome, output]).toEqual(['output', 1]);
  expect(stderr).toContain('gone');
});

test('thousands of calls leave nothing in memory, and their Fibers are used again', async () => {
  const { worker } = await start();
  const memoryAfter = async (name: string, count: number): Promise<number> => {
    const ids = Array.from({ length: count }, (_, n) => worker.sendCall(name, { n }));
    await Promise.all(ids.map((id) => worker.answer(id)));
    return Number((await worker.call('short')).meta.memoryBytes);
  };
  await memoryAfter('none', 3000);
  const before = await memoryAfter('none', 3000);
  expect((await memoryAfter('none', 3000)) - before).toBeLessThan(20_000);
  // Fibers that are kept: 256 of 17 kB.
  expect((await memoryAfter('short', 6000)) - before).toBeLessThan(4_600_000);
});

test('a worker whose gateway leaves ends at once, whatever waits in it', async () => {
  const { resident, worker } = await start();
  for (let n = 0; n < 50; n++) worker.sendCall('swallows', {});
  await until('all run', () => worker.begun().length === 50);
  worker.socket.destroy();
  expect(await resident.exit(worker.pid)).toMatchObject({ status: 0 });
});

test.each([
  ['ob_end_clean', '0', 'ob_start(); echo "inner"; ob_end_flush(); ob_end_clean();'],
  ['ob_get_flush', '0', 'echo "x"; ob_get_flush();'],
  ['a full one, by echo', '4', 'echo "x"; echo "xyz"; ob_end_clean();'],
])('a wait in the callback of an output buffer is refused, and costs nobody else: %s', async (_by, chunk, body) => {
  const start = `ob_start(function (string $b) { ${wait(5)} return $b; }, ${chunk});`;
  const { worker } = await startWorker({
    handlers: { ...HANDLERS, callback: handler(`${start} ${body} return 1;`) },
    concurrent: { callMemoryBytes: 262_144 },
  });
  const beside = worker.sendCall('holds', { bytes: 1 });
  expect((await worker.call('callback')).meta).toMatchObject({
    outcome: 'exception',
    exception: { class: 'LogicException', message: expect.stringContaining('callback of an output buffer') },
  });
  expect((await worker.answer(beside)).output).toBe(1);
});

test('a buffer with a callback that is open while its call waits is no callback that runs', async () => {
  const { worker } = await startWorker({
    handlers: {
      page: handler(
        `ob_start(fn (string $b) => strtoupper($b)); ob_start(null, 4); echo "abc"; ${wait(1)} echo "defg"; ${wait(1)} ob_end_flush(); return ob_get_clean();`,
      ),
    },
    concurrent: { callMemoryBytes: 262_144 },
  });
  expect((await worker.call('page')).output).toBe('abcdefg');
});
