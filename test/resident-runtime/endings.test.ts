/** Every way a handler can end in a resident worker: its caller is told, and the next call is clean. */
import { describe, expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startResident, startWorker } from '../support/resident-process.ts';

interface Ending {
  readonly promise: string;
  readonly body: string;
  readonly outcome: string;
  /** What the answer says of it. */
  readonly says?: RegExp;
  /** The worker serves on. */
  readonly survives: boolean;
}

const ENDINGS: Readonly<Record<string, Ending>> = {
  throws: {
    promise: 'an exception is told with its class and place',
    body: "throw new DomainException('no');",
    outcome: 'exception',
    says: /DomainException.*throws\.php/,
    survives: true,
  },
  typeError: { promise: 'a TypeError is told', body: 'return strlen([]);', outcome: 'exception', survives: true },
  exits: { promise: 'exit() is told', body: "exit('bye');", outcome: 'exit', says: /"stray":"bye"/, survives: false },
  diesDeep: {
    promise: 'die() past every catch and finally is told',
    body: 'try { array_map(fn () => die(), [1]); } catch (Throwable) { return 1; } finally { echo 1; } return 2;',
    outcome: 'exit',
    survives: false,
  },
  fatal: {
    promise: 'a fatal error is told',
    body: 'eval("class A {} class A {}"); return 1;',
    outcome: 'fatal',
    says: /Cannot declare class A/,
    survives: false,
  },
  memory: {
    promise: 'memory used up at once is told',
    body: 'return strlen(str_repeat("x", 1 << 30));',
    outcome: 'out-of-memory',
    says: /Allowed memory size/,
    survives: false,
  },
  memorySlowly: {
    promise: 'memory used up bit by bit is told',
    body: '$all = []; while (true) { $all[] = new ArrayObject([1]); }',
    outcome: 'out-of-memory',
    survives: false,
  },
  memoryPrinted: {
    promise: 'memory used up by printing is told',
    body: 'while (true) { echo str_repeat("x", 100_000); }',
    outcome: 'out-of-memory',
    survives: false,
  },
  memoryLogged: {
    promise: 'memory used up while the log is full is told',
    body: 'for ($i = 0; $i < 100; ++$i) { $call->log(str_repeat("x", 8192), ["a" => str_repeat("y", 100_000)]); } $all = []; while (true) { $all[] = str_repeat("z", 10); }',
    outcome: 'out-of-memory',
    survives: false,
  },
  recursion: {
    promise: 'recursion without end is told',
    body: '$f = function (int $n) use (&$f) { return $f($n + 1); }; return $f(0);',
    outcome: 'out-of-memory',
    survives: false,
  },
  generator: {
    promise: 'a generator where no stream is promised is told',
    body: 'return (fn () => yield 1)();',
    outcome: 'unencodable',
    says: /it is a generator/,
    survives: true,
  },
  notANumber: {
    promise: 'a value JSON cannot express is told',
    body: 'return NAN;',
    outcome: 'unencodable',
    survives: true,
  },
  exitingHook: {
    promise: 'a hook that ends PHP is told as an exit',
    body: '$call->onReset(function () { exit; }); return 1;',
    outcome: 'exit',
    survives: false,
  },
  closesOutput: {
    promise: 'closing STDOUT and STDERR is an exception: they are not a handler’s',
    body: 'fclose(STDOUT); fclose(STDERR); return 1;',
    outcome: 'exception',
    survives: true,
  },
  echoesLate: {
    promise: 'a destructor that prints while the answer is made is kept off it',
    body: '$GLOBALS["late"] = new class { public function __destruct() { echo "late"; } }; $call->onReset(function () { unset($GLOBALS["late"]); }); return 1;',
    outcome: 'output',
    says: /"stray":"late"/,
    survives: true,
  },
  errorHandler: {
    promise: 'an error handler that throws at every notice does not meet the runtime',
    body: 'set_error_handler(function (int $level, string $text) { throw new ErrorException($text); }); return 1;',
    outcome: 'output',
    survives: true,
  },
  stuckBuffer: {
    promise: 'an output buffer that cannot be removed is told as a leak',
    body: 'ob_start(null, 0, 0); echo "stuck"; return 1;',
    outcome: 'output',
    says: /"kind":"output-buffer"/,
    survives: true,
  },
};

const GOOD = 'return static fn (array $input): array => $input;';
const lifetime = wholeFile();
const handlers = Object.fromEntries(
  Object.entries(ENDINGS).map(([name, { body }]) => [
    name,
    `return static function (array $input, Call $call) { ${body} };`,
  ]),
);
const resident = await startResident({ lifetime, handlers: { ...handlers, good: GOOD } });
await resident.event('ready');

describe('each end of a handler', () => {
  test.each(Object.entries(ENDINGS).map(([name, ending]) => ({ name, ...ending })))(
    '$promise',
    async ({ name, outcome, says, survives }) => {
      const worker = await resident.worker();
      // In one write: the worker has read both when the first ends it.
      worker.socket.cork();
      const running = worker.sendCall(name, {});
      const behind = worker.sendCall('good', { n: 1 });
      worker.socket.uncork();
      const { meta } = await worker.answer(running);
      expect(meta.outcome, JSON.stringify(meta)).toBe(outcome);
      if (says !== undefined) expect(JSON.stringify(meta)).toMatch(says);
      if (survives) {
        const { meta: next, output } = await worker.answer(behind);
        expect(next).toMatchObject({ outcome: 'output', served: 2 });
        expect(output).toEqual({ n: 1 });
      } else {
        // What was behind it never began, and the worker says so.
        expect(await worker.raw(behind)).toMatchObject({ protocolStatus: 2, stderr: '' });
        await worker.ended();
        expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid });
        const other = await resident.worker();
        expect((await other.call('good', { n: 2 })).output).toEqual({ n: 2 });
      }
    },
  );

  test('what a fatal error logged belongs to its call', async () => {
    const worker = await resident.worker();
    expect((await worker.call('fatal')).stderr).toContain('PHP Fatal error:');
  });

  test('a stream that fails on its way says so behind its pieces', async () => {
    const { worker } = await startWorker({
      handlers: {
        late: "return static function () { yield 1; throw new Exception('late'); };",
        exits: 'return static function () { yield 1; exit; };',
        mixed: 'return static function () { yield 1; };',
      },
      streams: { late: 'items', exits: 'items', mixed: 'bytes' },
    });
    expect(await worker.call('late')).toMatchObject({ items: [1], meta: { outcome: 'exception' } });
    expect(await worker.call('mixed')).toMatchObject({ items: [], meta: { outcome: 'exception' } });
    expect(await worker.call('exits')).toMatchObject({ items: [1], meta: { outcome: 'exit' } });
    await worker.ended();
  });
});
