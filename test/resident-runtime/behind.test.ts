/** What happens behind a handler, or beside it: its answer is kept, and the worker with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFolder } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const handler = (body: string): string => `return static function (mixed $input, Call $call) { ${body} };`;
const THROWS =
  'class Bad { public mixed $held = null; public function __destruct() { throw new RuntimeException("from a destructor"); } }';
const DESTRUCTOR = { kind: 'destructor', name: 'RuntimeException', restored: false };

test('a destructor that throws behind the handler changes no answer: it is told as a leak', async () => {
  const { worker } = await startWorker({
    bootstrap: THROWS,
    handlers: {
      exception: handler(
        '$e = new class("boom") extends DomainException { public mixed $held; }; $e->held = new Bad(); throw $e;',
      ),
      hook: handler('$bad = new Bad(); $call->onReset(function () use ($bad) {}); return 1;'),
      chain: handler(
        '$call->onReset(function () { $e = new class("boom") extends DomainException { public mixed $held; }; $e->held = new Bad(); throw $e; }); return 2;',
      ),
      result: handler('return new Bad();'),
      good: handler('return 3;'),
    },
  });
  const result = await worker.call('result');
  expect([result.meta.outcome, result.bytes.toString()]).toEqual(['exception', '']);
  expect((await worker.call('exception')).meta).toMatchObject({ outcome: 'exception', leaks: [DESTRUCTOR] });
  expect((await worker.call('hook')).output).toBe(1);
  expect((await worker.call('chain')).output).toBe(2);
  expect((await worker.call('good')).meta).toMatchObject({ outcome: 'output', served: 5 });
});

test('one that the collection of garbage runs behind a call changes no answer', async () => {
  const { worker } = await startWorker({
    bootstrap: `${THROWS} gc_disable();`,
    // 100 KB more with each call: a rise, behind which garbage is collected.
    handlers: {
      grows: handler('$bad = new Bad(); $bad->held = [$bad, str_repeat("x", 10_000)]; return 1;'),
    },
  });
  const told: unknown[] = [];
  for (let call = 0; call < 1_300; call++) {
    const { output, meta } = await worker.call('grows');
    expect(output).toBe(1);
    told.push(...((meta.leaks ?? []) as unknown[]));
  }
  expect(told).toContainEqual(expect.objectContaining(DESTRUCTOR));
});

test('a handler that exits gets its answer, whatever its hooks do; they run behind it, and exit() is no leak', async () => {
  const folder = openFolder();
  const { resident } = await startWorker({
    handlers: {
      both: handler('$call->onReset(function () { exit(1); }); exit(0);'),
      hooked: handler(`$call->onReset(function () { file_put_contents('${folder}/ran', 'x'); }); exit(0);`),
    },
  });
  for (const name of ['both', 'hooked']) {
    const worker = await resident.worker();
    const { meta } = await worker.call(name);
    expect(meta.outcome).toBe('exit');
    expect(meta.leaks).toBeUndefined();
    await worker.ended();
    await resident.exit(worker.pid);
  }
  expect(readdirSync(folder)).toEqual(['ran']);
});

test('a signal whose handler throws while a stream is written ends the worker: no other word gets into the stream', async () => {
  const folder = openFolder();
  const { resident, worker } = await startWorker({
    handlers: {
      download: `return static function (): iterable {
        pcntl_async_signals(true);
        pcntl_signal(SIGUSR1, function () { file_put_contents('${folder}/came', 'x'); throw new RuntimeException('SECRET'); });
        yield 'begins';
        while (true) { yield str_repeat('A', 3_000_000); }
      };`,
    },
    streams: { download: 'bytes' },
  });
  let bytes = '';
  worker.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
    bytes += chunk.toString('latin1');
    // Nothing is read from here on, so a write of the worker waits: that is what the signal meets.
    if (bytes.length > 200_000) worker.socket.pause();
  });
  worker.sendCall('download', {});
  await until('a piece on its way', () => bytes.length > 200_000);
  await until('a write that waits', () => readFileSync(`/proc/${worker.pid}/stat`, 'utf8').includes(') S '));
  process.kill(worker.pid, 'SIGUSR1');
  // It is seen when the write has gone on: pieces of 64 KB, and 3 MB are not over by then.
  worker.socket.resume().on('data', () => worker.socket.resume());
  expect(await resident.exit(worker.pid)).toMatchObject({ status: 70 });
  expect(readdirSync(folder)).toEqual(['came']);
  expect(bytes).not.toContain('SECRET');
  expect(bytes).not.toContain('FPMG1');
});

test('a signal whose handler throws while the worker is idle ends nothing, and runs before the next call', async () => {
  const folder = openFolder();
  const { worker } = await startWorker({
    bootstrap: `pcntl_async_signals(true);
      pcntl_signal(SIGUSR1, function () { touch('${folder}/' . hrtime(true)); throw new RuntimeException('tick'); });`,
    handlers: {
      good: handler('return count(scandir($input)) - 2;'),
      own: handler('posix_kill(getmypid(), SIGUSR1); return 1;'),
    },
  });
  for (let signal = 0; signal < 5; signal++) {
    expect((await worker.call('good', folder)).output).toBe(signal);
    process.kill(worker.pid, 'SIGUSR1');
  }
  expect((await worker.call('own')).meta).toMatchObject({ outcome: 'exception', exception: { message: 'tick' } });
});

test('an alarm that a call leaves ends no later one', async () => {
  const { worker } = await startWorker({
    handlers: {
      leaves: handler('if ($input) { pcntl_alarm(1); } return 1;'),
      left: handler('return pcntl_alarm(0);'),
    },
  });
  // Behind the first calls, all of which are compared.
  for (let call = 0; call < 45; call++) await worker.call('leaves', false);
  for (let call = 0; call < 45; call++) await worker.call('left');
  expect((await worker.call('leaves', true)).meta.leaks).toMatchObject([{ kind: 'alarm', restored: true }]);
  expect((await worker.call('left')).output).toBe(0);
});

test('files of a call are gone when its worker ends in it', async () => {
  const { resident, worker } = await startWorker({
    bootstrap: THROWS,
    handlers: { hook: handler('$bad = new Bad(); $call->onReset(function () use ($bad) {}); return 1;') },
  });
  const file = Buffer.from('content');
  const header = JSON.stringify({
    input: { file: null },
    files: [{ path: ['file'], name: 'a', mediaType: 'text/plain', size: file.length }],
  });
  const body = Buffer.concat([Buffer.from(`${header.length}\n${header}`), file]);
  const attemptId = '01900000-0000-7000-8000-000000000001.1';
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const id = worker.send(
    [
      ['FPMG_CALL', `hook ${attemptId} 30000.000 ${traceparent}`],
      ['FPMG_FILES', '1'],
    ],
    body,
  );
  expect((await worker.raw(id)).stdout.toString()).toContain('"kind":"destructor"');
  expect(readdirSync(join(resident.uploads))).toEqual([]);
});

test('what a bootstrap puts into $_SERVER is there in every call, and what a call puts there in its own', async () => {
  const { worker } = await startWorker({
    bootstrap: "$_SERVER['APP_ENV'] = $_ENV['APP_ENV'] = 'prod'; unset($_SERVER['PATH']);",
    handlers: {
      reads:
        'return static function (): array { $found = [$_SERVER["APP_ENV"] ?? null, isset($_SERVER["PATH"]), $_SERVER["CALLER"] ?? null, $_SERVER["REQUEST_URI"]]; $_SERVER["CALLER"] = 1; $_SERVER["APP_ENV"] = "dev"; return $found; };',
    },
  });
  for (let call = 0; call < 3; call++)
    expect((await worker.call('reads')).output).toEqual(['prod', false, null, '/functions/reads']);
});

test('an error handler of the bootstrap that throws at everything hears nothing of the runtime', async () => {
  const { resident, worker } = await startWorker({
    bootstrap:
      'set_error_handler(function (int $level, string $message) { throw new ErrorException("NAIVE $message"); });',
    handlers: {
      stuck: handler('ob_start(null, 0, 0); echo "x"; return 1;'),
      warns: handler('return $undefined;'),
      good: handler('return 1;'),
    },
  });
  expect((await worker.call('good')).output).toBe(1);
  expect((await worker.call('stuck')).output).toBe(1);
  expect((await worker.call('warns')).meta).toMatchObject({ outcome: 'exception' });
  expect((await worker.call('good')).output).toBe(1);
  worker.socket.destroy();
  expect(await resident.exit(worker.pid)).toMatchObject({ status: 0 });
  expect((await (await resident.worker()).call('good')).output).toBe(1);
  expect(resident.log()).not.toContain('NAIVE');
});

test('what a destructor throws is told short, without logins of addresses', async () => {
  const { worker } = await startWorker({
    bootstrap: `class Late { public function __destruct() {
      throw new RuntimeException("amqp://shop:hunter2@queue " . str_repeat("x", 100_000)); } }`,
    handlers: { hook: handler('$late = new Late(); $call->onReset(function () use ($late) {}); return 1;') },
  });
  const { meta, output } = await worker.call('hook');
  expect(output).toBe(1);
  const told = JSON.stringify(meta.leaks);
  expect(told).toContain('"kind":"destructor"');
  expect(told).not.toContain('hunter2');
  expect(told.length).toBeLessThan(500);
});
