/** Handlers that do to their worker what they must not: their caller is told, others notice nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openFolder } from '../support/lifetime.ts';
import { isAlive, kill } from '../support/php-processes.ts';
import { type ResidentProcess, startResident, startWorker } from '../support/resident-process.ts';
import { Gate } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const STREAMS = 'foreach (get_resources("stream") as $stream)';
const GOOD = 'return static fn (array $input): array => $input;';
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;

const serves = async (resident: ResidentProcess): Promise<void> => {
  const worker = await resident.worker();
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
};

test('a handler that closes every stream ends its worker, and only it', async () => {
  const { resident, worker } = await startWorker({
    handlers: { bad: handler(`${STREAMS} { fclose($stream); } return 1;`), good: GOOD },
  });
  worker.sendCall('bad', {});
  await worker.ended();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, status: 70 });
  await serves(resident);
});

test('a handler that writes into every stream spoils its own answer alone: the gateway hangs up, the worker ends', async () => {
  const { resident, worker } = await startWorker({
    handlers: { bad: handler(`${STREAMS} { @fwrite($stream, "garbage garbage"); } return 1;`), good: GOOD },
  });
  let bytes = '';
  worker.socket.removeAllListeners('data').on('data', (chunk) => (bytes += chunk.toString()));
  worker.sendCall('bad', {});
  await until('the garbage', () => bytes.includes('garbage'));
  worker.socket.destroy();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, status: 0 });
  await serves(resident);
});

test('a handler that makes every stream non-blocking does no harm', async () => {
  const { worker } = await startWorker({
    handlers: { bad: handler(`${STREAMS} { stream_set_blocking($stream, false); } return 1;`), good: GOOD },
  });
  expect((await worker.call('bad')).output).toBe(1);
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
  expect((await worker.call('bad')).output).toBe(1);
  const large = { text: 'x'.repeat(2_000_000) };
  expect((await worker.call('good', large)).output).toEqual(large);
});

test('a handler that forks gets one answer: its own, and its child’s end disturbs nobody', async () => {
  const folder = openFolder();
  const { worker } = await startWorker({
    handlers: {
      returns: handler(
        `$pid = pcntl_fork(); if ($pid === 0) { file_put_contents('${folder}/child', 'x'); return 'child'; } pcntl_waitpid($pid, $status); return 'parent';`,
      ),
      throws: handler(
        '$pid = pcntl_fork(); if ($pid === 0) { throw new Exception("child"); } pcntl_waitpid($pid, $status); return "parent";',
      ),
      exits: handler(
        '$pid = pcntl_fork(); if ($pid === 0) { exit("child"); } pcntl_waitpid($pid, $status); return "parent";',
      ),
      dies: handler(
        '$pid = pcntl_fork(); if ($pid === 0) { str_repeat("x", 1 << 30); } pcntl_waitpid($pid, $status); return "parent";',
      ),
      streams: 'return static function () { yield 1; $pid = pcntl_fork(); yield $pid === 0 ? "child" : "parent"; };',
      good: GOOD,
    },
    streams: { streams: 'items' },
  });
  for (const name of ['returns', 'throws', 'exits', 'dies']) {
    const { output, meta } = await worker.call(name);
    expect([name, output, meta.pid]).toEqual([name, 'parent', worker.pid]);
  }
  expect(existsSync(`${folder}/child`)).toBe(true);
  expect((await worker.call('streams')).items).toEqual([1, 'parent']);
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
});

test('a process that a handler leaves behind does not keep the end of its worker from the gateway', async () => {
  const folder = openFolder();
  const { worker } = await startWorker({
    handlers: {
      leaves: handler(
        `$pid = pcntl_fork(); if ($pid === 0) { file_put_contents('${folder}/pid', (string) getmypid()); sleep(600); } exit;`,
      ),
    },
  });
  expect((await worker.call('leaves')).meta.outcome).toBe('exit');
  await worker.ended();
  await until(
    'the pid of what was left',
    () => existsSync(`${folder}/pid`) && readFileSync(`${folder}/pid`, 'utf8') !== '',
  );
  kill(Number(readFileSync(`${folder}/pid`, 'utf8')), 'SIGKILL');
});

test('a worker whose gateway vanishes while a call runs ends behind it', async () => {
  const gate = new Gate();
  const folder = openFolder();
  const { resident, worker } = await startWorker({
    handlers: {
      hold: handler(
        `file_put_contents('${folder}/begun', 'x'); ${gate.waiting} file_put_contents('${folder}/done', 'x'); return 1;`,
      ),
    },
  });
  worker.sendCall('hold', {});
  await until('the call runs', () => existsSync(`${folder}/begun`));
  worker.socket.destroy();
  gate.open();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, status: 0 });
  expect(existsSync(`${folder}/done`)).toBe(true);
});

test('a stream nobody reads any more is not finished', async () => {
  const { resident, worker } = await startWorker({
    handlers: { endless: "return static function () { while (true) { yield str_repeat('x', 10_000); } };" },
    streams: { endless: 'items' },
  });
  worker.sendCall('endless', {});
  await until('some of it', () => worker.socket.bytesRead > 100_000);
  worker.socket.destroy();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, status: 0 });
});

test('SIGTERM ends a worker in the middle of a call, whatever the bootstrap made of the signal', async () => {
  const gate = new Gate();
  const folder = openFolder();
  const { resident, worker } = await startWorker({
    bootstrap: 'pcntl_async_signals(true); pcntl_signal(SIGTERM, function () {});',
    handlers: { hold: handler(`file_put_contents('${folder}/begun', 'x'); ${gate.waiting}`), good: GOOD },
  });
  worker.sendCall('hold', {});
  await until('the call runs', () => existsSync(`${folder}/begun`));
  kill(worker.pid, 'SIGTERM');
  await worker.ended();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, signal: 15 });
  await serves(resident);
});

test('a worker without its connection, or whose master is gone, ends', async () => {
  const resident = await startResident({ handlers: { good: GOOD } });
  await resident.event('ready');
  const worker = await resident.worker();
  kill(resident.pid, 'SIGKILL');
  await resident.ended();
  expect((await worker.call('good', { n: 1 })).output).toEqual({ n: 1 });
  worker.socket.destroy();
  await until('the end of the worker', () => !isAlive(worker.pid));
});

test('a hook that forks gets one answer: what it forked ends where the hooks have', async () => {
  const { worker } = await startWorker({
    handlers: {
      own: handler('$call->onReset(function () { pcntl_fork(); }); return getmypid();'),
      buffer: handler('ob_start(function () { pcntl_fork(); return ""; }); echo "x"; return getmypid();'),
      pid: 'return static fn (): int => getmypid();',
    },
  });
  for (const name of ['own', 'buffer']) {
    let envelopes = 0;
    const count = (bytes: Buffer): void => {
      envelopes += bytes.toString('latin1').split('FPMG1 ').length - 1;
    };
    worker.socket.on('data', count);
    expect((await worker.call(name)).output).toBe(worker.pid);
    for (let call = 0; call < 8; call++) expect((await worker.call('pid')).output).toBe(worker.pid);
    expect(envelopes).toBe(9);
    worker.socket.off('data', count);
  }
});
