/** What calls of one worker send and receive beside their answers: pieces of streams, nested calls, sockets of their own. */
import { expect, test } from 'vitest';
import { encodeParams } from '../../gateway/fastcgi/params.ts';
import { encodeBeginRequest, encodeRecord, RecordType } from '../../gateway/fastcgi/record.ts';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;
const NEST = `$waiting = FpmGateway\\Wait::$scheduler;
  $nest = static function (string $body) use ($waiting): string {
    $number = $waiting->call('{"path":"/functions/a","headers":{}}' . "\\n" . $body);
    for ($answers = []; !isset($answers[$number]); $answers += $waiting->answers()) { $waiting->select([], [], 10_000); }
    return substr($answers[$number], strpos($answers[$number], "\\n") + 1);
  };`;
const PAIR =
  '[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); stream_set_blocking($near, false);';
const HANDLERS = {
  short: handler('FpmGateway\\Wait::sleep(1); return $input["n"] ?? 0;'),
  endless: handler('for ($n = 0; ; ++$n) { yield str_repeat("x", 1000); }'),
  slow: handler('foreach ([1, 2, 3] as $n) { FpmGateway\\Wait::sleep(20); yield $n; }'),
  fails: handler('yield 1; FpmGateway\\Wait::sleep(1); throw new Exception("late");'),
  large: handler('yield str_repeat("c", 3_000_000);'),
  nested: handler(`${NEST} return json_decode($nest(json_encode($input["n"])));`),
  both: handler(
    `${NEST} $waiting->call("{\\"path\\":\\"/a\\",\\"headers\\":{}}\\n1"); return $nest(str_repeat("x", $input["bytes"]));`,
  ),
  takesBack: handler(
    '$s = FpmGateway\\Wait::$scheduler; $n = $s->call("{\\"path\\":\\"/a\\",\\"headers\\":{}}\\n"); $s->cancel($n); $s->cancel($n); return $n;',
  ),
  foreign: handler('return (new Fiber(fn () => 1))->start() ?? 1;'),
  reads: handler(`${PAIR}
    for ($read = "", $n = 0; $n < 3; ++$n) { fwrite($far, "a$n"); [$r] = FpmGateway\\Wait::select(["k" => $near], [], 1000); $read .= implode($r) . fread($near, 10); }
    return $read;`),
  waits: handler(`${PAIR} return FpmGateway\\Wait::select([$near], [], 20);`),
  talks: handler(`
    static $other = null;
    ${PAIR}
    if ($other === null) { $other = $far; FpmGateway\\Wait::select([$near], [], 5000); $other = null; return fread($near, 100); }
    fwrite($other, "hello"); return "said";`),
  closes: handler(`static $other = null; ${PAIR}
    if ($other === null) { $other = $near; $found = FpmGateway\\Wait::select([$near], [], 5000); $other = null; return is_resource($near) ? $found : "closed"; }
    fclose($other); return "closed it";`),
  many: handler(`$all = []; while (count($all) < 1100) { $all[] = fopen("/dev/null", "r"); }
    ${PAIR} try { FpmGateway\\Wait::select([$near], [], 10); } catch (Throwable $e) { return $e->getMessage(); } return "";`),
  file: handler('$file = $input["file"]; FpmGateway\\Wait::sleep(5); return [$file->name, filesize($file->path)];'),
};
const { resident, worker } = await startWorker({
  lifetime: wholeFile(),
  handlers: HANDLERS,
  streams: { endless: 'bytes', slow: 'items', fails: 'items', large: 'bytes' },
  concurrent: { callMemoryBytes: 262_144 },
});
const NOTHING = Buffer.alloc(0);

test('a stream whose handler sleeps between its pieces holds up nobody', async () => {
  const slow = worker.sendCall('slow', {});
  expect((await worker.call('short', { n: 7 })).output).toBe(7);
  expect(worker.isAnswered(slow)).toBe(false);
  expect(await worker.answer(slow)).toMatchObject({ items: [1, 2, 3], meta: { outcome: 'streamed', suspensions: 3 } });
});

test('a stream without end and without waits holds up nobody, is paused and resumed, and can be taken back', async () => {
  const endless = worker.sendCall('endless', {});
  await until('its pieces come', () => worker.received(endless) > 1_000_000);
  expect((await worker.call('short', { n: 1 })).output).toBe(1);
  worker.pause(endless);
  await worker.ping();
  await worker.call('short');
  const atPause = worker.received(endless);
  for (let n = 0; n < 5; n++) await worker.call('short');
  expect(worker.received(endless)).toBe(atPause);
  worker.resume(endless);
  await until('more pieces come', () => worker.received(endless) > atPause + 1_000_000);
  worker.pause(endless);
  worker.abort(endless);
  expect((await worker.answer(endless)).meta).toMatchObject({ exception: { class: 'FpmGateway\\Cancelled' } });
});

test('a stream that fails on its way says so behind its pieces, a large piece is whole', async () => {
  expect(await worker.call('fails')).toMatchObject({ items: [1], meta: { outcome: 'exception' } });
  expect((await worker.call('large')).bytes.length).toBe(3_000_000);
});

test('pauses of requests that are not there are nobody’s', async () => {
  worker.pause(4711);
  worker.resume(4711);
  await worker.ping();
});

test('nested calls ride the worker’s connection, and their answers find who made them', async () => {
  const ids = [10, 20, 30].map((n) => worker.sendCall('nested', { n }));
  const nested = [await worker.nested(), await worker.nested(), await worker.nested()];
  expect(nested.map(({ id, body }) => [id, body.toString()])).toEqual(ids.map((id, at) => [id, `${(at + 1) * 10}`]));
  expect(new Set(nested.map(({ number }) => number)).size).toBe(3);
  for (const call of nested.reverse()) worker.answerNested(call, 200, Number(call.body.toString()) + 1);
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(answers.map(({ output }) => output)).toEqual([11, 21, 31]);
});

test('a large nested call and its answer come in pieces; one that nobody waits for any more is ignored', async () => {
  const id = worker.sendCall('both', { bytes: 200_000 });
  const [left, large] = [await worker.nested(), await worker.nested()];
  expect(large.body.length).toBe(200_000);
  worker.answerNested(large, 200, 'y'.repeat(300_000));
  expect((await worker.answer(id)).output).toBe(`"${'y'.repeat(300_000)}"`);
  worker.answerNested(left, 200, 'late');
  await worker.ping();
});

test('a nested call is taken back once', async () => {
  const before = worker.cancelled().length;
  const number = (await worker.call('takesBack')).output;
  expect(worker.cancelled().slice(before)).toEqual([number]);
  await worker.nested();
});

test('calls wait for streams, by their keys', async () => {
  expect((await worker.call('reads')).output).toBe('ka0ka1ka2');
  const { meta, output } = await worker.call('waits');
  expect(output).toEqual([[], []]);
  expect(meta.wallMs).toBeGreaterThanOrEqual(20);
});

test('a call waits for what another one writes, and others begin meanwhile', async () => {
  const waiting = worker.sendCall('talks', {});
  expect((await worker.call('short', { n: 5 })).output).toBe(5);
  expect((await worker.call('talks')).output).toBe('said');
  expect((await worker.answer(waiting)).output).toBe('hello');
});

test('a stream that another call closes ends the wait for it', async () => {
  const waiting = worker.sendCall('closes', {});
  await worker.call('short');
  expect((await worker.call('closes')).output).toBe('closed it');
  expect((await worker.answer(waiting)).output).toBe('closed');
});

test('sockets without end: what PHP cannot wait for is a clear error of its call, and the worker lives', async () => {
  const other = worker.sendCall('slow', {});
  expect((await worker.call('many')).output).toMatch(/descriptors of 1,024 and more|Too many open files/);
  expect((await worker.call('short', { n: 6 })).output).toBe(6);
  expect((await worker.answer(other)).items).toEqual([1, 2, 3]);
});

test('files that come with a call are there while it waits', async () => {
  const header = JSON.stringify({
    input: {},
    files: [{ path: ['file'], name: 'a.txt', mediaType: 'text/plain', size: 5 }],
  });
  const id = worker.send(
    [
      ['FPMG_CALL', `file 01900000-0000-7000-8000-00000000000f.1 1000.000 00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`],
      ['FPMG_FILES', '1'],
    ],
    Buffer.from(`${header.length}\n${header}hello`),
  );
  expect((await worker.answer(id)).output).toEqual(['a.txt', 5]);
});

const answer = (number: number, content = ''): Buffer => {
  const front = Buffer.alloc(5);
  front.writeUInt32BE(number);
  return Buffer.concat([front, Buffer.from(content)]);
};
const running = (id: number): Buffer => {
  const begin = Buffer.from(encodeBeginRequest(id, true));
  begin.writeUInt16BE(id, 2);
  const call = `slow 01900000-0000-7000-8000-000000000001.1 1000.000 00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  return Buffer.concat([
    begin,
    encodeParams(id, [['FPMG_CALL', call]]),
    encodeRecord(RecordType.PARAMS, id, NOTHING),
    encodeRecord(RecordType.STDIN, id, Buffer.from('{}')),
    encodeRecord(RecordType.STDIN, id, NOTHING),
  ]);
};

test.each([
  ['an ANSWER without a number', 14, Buffer.from('abc'), /ANSWER without number/],
  ['an ANSWER to a call that nobody made', 14, answer(77), /ANSWER to 77/],
  ['a CALL, which only workers send', 12, answer(1), /type 12/],
  ['a CANCEL', 13, answer(1), /type 13/],
  ['a type behind the last', 17, NOTHING, /type 17/],
])('%s ends the worker, with a line in the log', async (_what, type, content, says) => {
  const other = await resident.worker();
  other.record(type, 1, content);
  await other.ended();
  expect(await resident.exit(other.pid)).toMatchObject({ status: 70 });
  await until('a line in the log', () => says.test(resident.log()));
});

test('an ANSWER in the name of another request ends the worker', async () => {
  const other = await resident.worker();
  other.sendCall('nested', { n: 1 });
  const call = await other.nested();
  other.answerNested({ ...call, id: 4711 }, 200, 1);
  expect(await resident.exit(other.pid)).toMatchObject({ status: 70 });
});

test('an id that is in use ends the worker', async () => {
  const other = await resident.worker();
  other.socket.write(running(9));
  await until('it runs', () => other.begun().length === 1);
  other.socket.write(running(9));
  expect(await resident.exit(other.pid)).toMatchObject({ status: 70 });
});

test('a worker of one call at a time knows none of these records', async () => {
  const { resident: serial, worker: one } = await startWorker({ handlers: { short: HANDLERS.short } });
  expect((await one.call('short', { n: 2 })).output).toBe(2);
  one.pause(1);
  expect(await serial.exit(one.pid)).toMatchObject({ status: 70 });
});
