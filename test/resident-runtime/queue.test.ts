/** Calls that are written ahead: one runs at a time, in order, and those that have not begun can be taken back. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeParams } from '../../gateway/fastcgi/params.ts';
import { encodeBeginRequest, encodeRecord, RecordType } from '../../gateway/fastcgi/record.ts';
import { kill } from '../support/php-processes.ts';
import { startWorker } from '../support/resident-process.ts';
import { encodeStdinRecords } from '../support/resident-worker.ts';
import { Gate } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const COUNT = 'return static function (array $input): array { static $n = 0; return [++$n, $input["n"]]; };';
const holding = (gate: Gate): string =>
  `return static function (array $input): array { file_put_contents('${gate.file}.begun', ''); ${gate.waiting} return $input; };`;
const CALL =
  'count 01900000-0000-7000-8000-000000000001.1 1000.000 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const NOTHING = Buffer.alloc(0);

const begin = (id: number): Buffer => {
  const record = Buffer.from(encodeBeginRequest(id, true));
  record.writeUInt16BE(id, 2);
  return record;
};

const wholeRequest = (id: number, call: string, body: Buffer): Buffer =>
  Buffer.concat([
    begin(id),
    encodeParams(id, [['FPMG_CALL', call]]),
    encodeRecord(RecordType.PARAMS, id, NOTHING),
    ...encodeStdinRecords(id, body),
  ]);

test('calls written ahead run in order, each with its own answer', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const ids = Array.from({ length: 200 }, (_, n) => worker.sendCall('count', { n }));
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(answers.map(({ output }) => output)).toEqual(ids.map((_, n) => [n + 1, n]));
});

test('a call that has not begun can be taken back: it is confirmed, and never runs', async () => {
  const gate = new Gate();
  const { worker } = await startWorker({ handlers: { hold: holding(gate), count: COUNT } });
  const running = worker.sendCall('hold', { n: 0 });
  await until('the first call runs', () => existsSync(`${gate.file}.begun`));
  const [first, taken, last] = [1, 2, 3].map((n) => worker.sendCall('count', { n }));
  worker.abort(taken ?? 0);
  worker.abort(running);
  worker.abort(4711);
  gate.open();
  expect((await worker.answer(running)).output).toEqual({ n: 0 });
  expect((await worker.answer(first ?? 0)).output).toEqual([1, 1]);
  expect(await worker.raw(taken ?? 0)).toMatchObject({ protocolStatus: 2, stdout: NOTHING });
  expect((await worker.answer(last ?? 0)).output).toEqual([2, 3]);
});

test('a ping is answered between calls', async () => {
  const gate = new Gate();
  const { worker } = await startWorker({ handlers: { hold: holding(gate), count: COUNT } });
  await worker.ping();
  const running = worker.sendCall('hold', { n: 0 });
  const ponged = worker.ping();
  gate.open();
  await ponged;
  expect((await worker.answer(running)).output).toEqual({ n: 0 });
});

test('records of several requests may interleave, and come byte by byte', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const long = CALL.replace('count ', `count `).padEnd(CALL.length + 200, ' x');
  const parts = [
    begin(11),
    begin(12),
    encodeParams(12, [['FPMG_CALL', long]]),
    encodeParams(11, [['FPMG_CALL', CALL]]),
    encodeRecord(RecordType.PARAMS, 11, NOTHING),
    encodeRecord(RecordType.STDIN, 11, Buffer.from('{"n":')),
    encodeRecord(RecordType.PARAMS, 12, NOTHING),
    ...encodeStdinRecords(12, Buffer.from('{"n":12}')),
    encodeRecord(RecordType.STDIN, 11, Buffer.from('11}')),
    encodeRecord(RecordType.STDIN, 11, NOTHING),
  ];
  worker.socket.setNoDelay();
  for (const byte of Buffer.concat(parts)) {
    worker.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const answers = await Promise.all([worker.raw(12), worker.raw(11)]);
  expect(answers.map(({ stdout }) => /\[\d+,\d+\]$/.exec(stdout.toString())?.[0])).toEqual(['[1,12]', '[2,11]']);
});

test.each([
  [
    'another order of parameters',
    [
      ['CONTENT_LENGTH', '7'],
      ['FPMG_CALL', CALL],
    ],
  ],
  [
    'parameters it does not know',
    [
      ['FPMG_CALL', CALL],
      ['FPMG_OTHER', 'x'],
      ['CONTENT_LENGTH', '7'],
    ],
  ],
  [
    'a long list of outer functions',
    [
      ['FPMG_CALL', `${CALL} ${'outer,'.repeat(100)}a`],
      ['CONTENT_LENGTH', '7'],
    ],
  ],
  ['no length', [['FPMG_CALL', CALL]]],
] as const)('a request with %s is read', async (_what, params) => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const id = worker.send(params, Buffer.from('{"n":7}'));
  expect((await worker.answer(id)).output).toEqual([1, 7]);
});

test('a request that is taken back while it comes is confirmed, and its other records are ignored', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const body = encodeRecord(RecordType.STDIN, 21, Buffer.from('{"n":1}'));
  worker.socket.write(
    Buffer.concat([
      begin(21),
      encodeParams(21, [['FPMG_CALL', CALL]]),
      encodeRecord(RecordType.PARAMS, 21, NOTHING),
      body,
    ]),
  );
  worker.abort(21);
  worker.socket.write(
    Buffer.concat([body, encodeRecord(RecordType.STDIN, 21, NOTHING), wholeRequest(22, CALL, Buffer.from('{"n":2}'))]),
  );
  expect(await worker.raw(21)).toMatchObject({ protocolStatus: 2 });
  expect((await worker.raw(22)).stdout.toString()).toMatch(/\[1,2\]$/);
});

test('a worker that waits uses no CPU, and its waits are not its calls’', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  await worker.call('count', { n: 1 });
  await until('a call without a wait', async () => (await worker.call('count', { n: 1 })).meta.waits === 0, 5000);
});

test.each([
  ['a version that is not 1', Buffer.from([9, 1, 0, 1, 0, 0, 0, 0]), /version 9/],
  ['a type it does not know', Buffer.from([1, 77, 0, 1, 0, 0, 0, 0]), /type 77/],
  ['another role', Buffer.from([1, 1, 0, 1, 0, 8, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0]), /no responder/],
  ['the id 0', begin(0), /no responder/],
  ['an id that is in use', Buffer.concat([begin(5), begin(5)]), /two FastCGI requests with the id 5/],
  ['a body in front of the parameters', Buffer.concat([begin(5), ...encodeStdinRecords(5, NOTHING)]), /wrong order/],
  [
    'a parameter that is cut',
    Buffer.concat([
      begin(5),
      encodeRecord(RecordType.PARAMS, 5, Buffer.from([9, 200])),
      encodeRecord(RecordType.PARAMS, 5, NOTHING),
    ]),
    /parameter that is cut/,
  ],
  ['no call', Buffer.concat([begin(5), encodeRecord(RecordType.PARAMS, 5, NOTHING)]), /without FPMG_CALL/],
  ['a call that says too little', wholeRequest(5, 'count 1.1', NOTHING), /does not say function/],
])('a record with %s ends the worker, with a line in the log', async (_what, bytes, says) => {
  const { resident, worker } = await startWorker({ handlers: { count: COUNT } });
  worker.socket.write(bytes);
  await worker.ended();
  expect(await resident.exit(worker.pid)).toMatchObject({ pid: worker.pid, status: 70 });
  await until('a line in the log', () => says.test(resident.log()));
});

test('a function the worker was not started with is an exception: callers name no files and no code', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  for (const name of ['phpinfo', '../count', '/etc/passwd', 'FpmGateway\\Runtime::load', '0'])
    expect((await worker.call(name)).meta).toMatchObject({
      outcome: 'exception',
      exception: { class: 'UnexpectedValueException' },
    });
  expect((await worker.call('count', { n: 1 })).output).toEqual([1, 1]);
});

test('an input that is no JSON is an exception', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const id = worker.send([['FPMG_CALL', CALL]], Buffer.from('{"n":'));
  expect((await worker.answer(id)).meta).toMatchObject({ outcome: 'exception', exception: { class: 'JsonException' } });
  expect((await worker.call('count', { n: 1 })).output).toEqual([1, 1]);
});

test('thousands of calls leave nothing in memory', async () => {
  const { worker } = await startWorker({ handlers: { count: COUNT } });
  const memoryAfter = async (calls: number): Promise<number> => {
    const ids = Array.from({ length: calls }, (_, n) => worker.sendCall('count', { n }));
    const answers = await Promise.all(ids.slice(-1).map((id) => worker.answer(id)));
    return Number(answers[0]?.meta.memoryBytes);
  };
  const before = await memoryAfter(3000);
  expect((await memoryAfter(3000)) - before).toBeLessThan(20_000);
});

test('a call taken back behind much else has not begun', async () => {
  const gate = new Gate();
  const { worker } = await startWorker({ handlers: { hold: holding(gate), count: COUNT } });
  const running = worker.sendCall('hold', { n: 0 });
  await until('the first call runs', () => existsSync(`${gate.file}.begun`));
  const [taken, large] = [worker.sendCall('count', { n: 1 }), worker.sendCall('count', { n: 'x'.repeat(150_000) })];
  worker.abort(taken);
  gate.open();
  await worker.answer(running);
  expect(await worker.raw(taken)).toMatchObject({ protocolStatus: 2 });
  expect((await worker.answer(large)).output).toMatchObject([1, 'x'.repeat(150_000)]);
});

test('a worker whose idle wait is interrupted by signals waits on', async () => {
  const { worker } = await startWorker({
    bootstrap: 'pcntl_async_signals(true); pcntl_signal(SIGUSR1, static function () {}, false);',
    handlers: { count: COUNT },
  });
  await worker.ping();
  for (let n = 0; n < 300; n++) {
    kill(worker.pid, 'SIGUSR1');
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await worker.call('count', { n: 1 })).output).toEqual([1, 1]);
});
