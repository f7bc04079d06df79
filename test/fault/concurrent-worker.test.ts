/** A worker that runs many calls at once and makes calls itself, scripted: what it does wrong, and who meets it. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { GatewayError, isGatewayError } from '../../gateway/errors.ts';
import {
  Connection,
  collect,
  type NestedCall,
  type Reception,
  type StreamedResponse,
  stream,
} from '../../gateway/fastcgi/index.ts';
import {
  close,
  type FakePeer,
  fakeFastCgi,
  readRequest,
  type Step,
  type Story,
  send,
  sendApart,
  stall,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { cancelCall, decodeAnswers, endRequest, nestedCall, piece, pingAnswer, stdout, Type } from '../wire/codec.ts';
import { bodyText, LIMITS, outcomeOf, request } from './fastcgi-client.ts';

interface Started {
  readonly connection: Connection;
  readonly calls: NestedCall[];
  /** By number. */
  readonly left: number[];
  readonly peer: () => FakePeer;
}

const start = async (story: Story, onCall: (call: NestedCall) => void = () => {}): Promise<Started> => {
  const server = await fakeFastCgi('unix', story);
  const calls: NestedCall[] = [];
  const left: number[] = [];
  const concurrent = {
    messageMaxBytes: 1_048_576,
    onCall: (call: NestedCall) => {
      calls.push(call);
      call.whenLeft({ callerLeft: () => left.push(call.number) });
      onCall(call);
    },
  };
  const connection = await Connection.open(server.address, { timeoutMs: 10_000, concurrent });
  onTestFinished(() => connection.destroy());
  return { connection, calls, left, peer: () => server.peer };
};

const ask = (connection: Connection) => collect(connection, request({ ping: false }), LIMITS);
const open = (connection: Connection) => stream(connection, request({ ping: false }), LIMITS);

const OK = '{"status":200,"headers":{}}\n';
const whole = (id: number, body = 'done'): Buffer =>
  Buffer.concat([stdout(`\r\n${body}`, { id }), endRequest(0, { id })]);
const readAnswers =
  (count: number): Step =>
  async (peer) => {
    while (decodeAnswers(peer.records).length < count) await peer.readUntil(({ type }) => type === Type.ANSWER);
  };
const readRecord =
  (type: number): Step =>
  async (peer) =>
    await peer.readUntil((record) => record.type === type);

describe('calls inside of calls', () => {
  test('are answered in any order, and the call they are made in after them', async () => {
    const answered = readAnswers(3);
    const three = [1, 2, 3].map((number) => nestedCall(number, `m${number}`));
    const { connection, calls, peer, left } = await start([
      readRequest,
      send(...three),
      answered,
      send(whole(1)),
      stall,
    ]);
    const outer = ask(connection);
    await until('all have come', () => calls.length === 3);
    for (const at of [2, 0, 1]) calls[at]?.answer(OK, `answer to ${calls[at]?.takeMessage()}`);
    expect(bodyText(await outcomeOf(outer))).toBe('done');
    expect(decodeAnswers(peer().records).map(({ number, body }) => [number, body])).toEqual([
      [3, 'answer to m3'],
      [1, 'answer to m1'],
      [2, 'answer to m2'],
    ]);
    expect([left, connection.nestedCalls]).toEqual([[], 0]);
  });

  test('answers of one turn leave in one write', async () => {
    let reads = 0;
    const many = Array.from({ length: 50 }, (_, at) => nestedCall(at + 1, 'm'));
    const counting: Step = (peer) => void peer.socket.on('data', () => reads++);
    const { connection, calls } = await start([
      readRequest,
      counting,
      send(...many),
      readAnswers(50),
      send(whole(1)),
      stall,
    ]);
    const outer = ask(connection);
    await until('all have come', () => calls.length === 50);
    for (const call of calls) call.answer(OK, 'short');
    await outcomeOf(outer);
    expect(reads).toBe(1);
  });

  test('are answered while the connection closes, and the call they are made in ends well', async () => {
    const closes = Promise.withResolvers<void>();
    const { connection, calls } = await start([
      readRequest,
      waitFor(closes.promise),
      send(nestedCall(1, 'm')),
      readAnswers(1),
      send(whole(1)),
      stall,
    ]);
    const outer = ask(connection);
    const closed = connection.close();
    closes.resolve();
    await until('it has come', () => calls.length === 1);
    calls[0]?.answer(OK, null);
    expect(await outcomeOf(outer)).toMatchObject({ code: 'ok' });
    await closed;
  });

  test('an answer of several records arrives whole between others', async () => {
    const body = Buffer.alloc(3_000_000, 'long');
    const calling = send(nestedCall(1, 'long'), nestedCall(2, 'short'));
    const { connection, peer } = await start([readRequest, calling, readAnswers(2), send(whole(1)), stall], (call) => {
      call.answer(OK, call.takeMessage().toString() === 'long' ? body : 'short');
    });
    expect(await outcomeOf(ask(connection))).toMatchObject({ code: 'ok' });
    const [long, short] = decodeAnswers(peer().records);
    expect([long?.body === body.toString(), short?.body]).toEqual([true, 'short']);
  });
});

describe('nobody waits any more', () => {
  test('a worker that dies: all callers on it have left, and its calls are told', async () => {
    const calling = send(nestedCall(1, 'a', { id: 1 }), nestedCall(2, 'b', { id: 2 }));
    const go = Promise.withResolvers<void>();
    const story = [readRequest, readRequest, calling, waitFor(go.promise), close];
    const { connection, calls, left } = await start(story);
    const outers = [ask(connection), ask(connection)];
    await until('both have come', () => calls.length === 2);
    go.resolve();
    for (const outer of outers) expect(await outcomeOf(outer)).toMatchObject({ code: 'worker-crashed' });
    expect(left).toEqual([1, 2]);
    expect(calls[0]?.answer(OK, 'late')).toBe(true);
  });

  test('a worker that cancels: that one alone has left, and is not answered', async () => {
    const calling = send(nestedCall(1, 'a'), nestedCall(2, 'b'));
    const { connection, calls, left, peer } = await start([
      readRequest,
      calling,
      send(cancelCall(1)),
      readAnswers(1),
      send(whole(1)),
      stall,
    ]);
    const outer = ask(connection);
    await until('the first has left', () => left.length === 1);
    for (const call of calls) call.answer(OK, `${call.number}`);
    await outcomeOf(outer);
    expect(left).toEqual([1]);
    expect(decodeAnswers(peer().records).map(({ number }) => number)).toEqual([2]);
  });

  test('a call that ends before what it called: the caller has left', async () => {
    const { connection, left } = await start([readRequest, send(nestedCall(1, 'a'), whole(1)), stall]);
    expect(await outcomeOf(ask(connection))).toMatchObject({ code: 'ok' });
    expect([left, connection.nestedCalls, connection.usable]).toEqual([[1], 0, true]);
  });
});

describe('a worker that breaks the protocol', () => {
  test.each<[string, Buffer[]]>([
    ['a piece behind the last one', [nestedCall(2, 'x'), piece(Type.CALL, 2, 'y', false)]],
    ['a record cut short', [piece(Type.CALL, 2, '').fill(0, 4, 6).subarray(0, 8)]],
    ['a call inside of no call', [nestedCall(2, 'x', { id: 77 })]],
  ])('%s: the connection ends, its callers have left, its calls are told what it was', async (_name, wire) => {
    const { connection, left } = await start([readRequest, send(nestedCall(1, 'a')), sendApart(...wire), stall]);
    expect(await outcomeOf(ask(connection))).toMatchObject({
      code: 'bad-function-response',
      detail: expect.stringContaining('broke the protocol'),
    });
    expect(left).toContain(1);
  });
});

describe('a worker that never reads', () => {
  const calling: Step = async (peer) => {
    for (let number = 1; ; number += 1) await peer.write(nestedCall(number, 'again'));
  };

  test('and calls on: long answers are refused, short ones end the connection at a limit', async () => {
    const body = Buffer.alloc(1_000_000);
    let longest = 0;
    let refused = 0;
    const started = await start([readRequest, calling], (call) => {
      if (call.answer(OK, body)) longest += 1;
      else refused += 1;
      // As many short ones as it takes.
      call.answer(OK, Buffer.alloc(60_000));
    });
    const outcome = await outcomeOf(ask(started.connection));
    expect(outcome).toMatchObject({
      code: 'bad-function-response',
      detail: expect.stringMatching(/does not read the answers to its calls: 1\d{8} bytes wait/),
    });
    expect(longest).toBeLessThan(68);
    expect(refused).toBeGreaterThan(0);
  });

  test('and is killed by whoever has lost patience: nothing of the answers is kept', async () => {
    const { connection, calls } = await start([readRequest, send(nestedCall(1, 'a')), stall]);
    const outer = ask(connection);
    await until('it has come', () => calls.length === 1);
    calls[0]?.answer(OK, Buffer.alloc(5_000_000));
    connection.destroy();
    expect(await outcomeOf(outer)).toMatchObject({ code: 'worker-crashed' });
  });
});

describe('a stream that is read slowly', () => {
  const PART = 60_000;
  const part = (id: number): Buffer => stdout(Buffer.alloc(PART, 's'), { id });
  const readAll = async ({ response }: Reception<StreamedResponse>): Promise<{ bytes: number; code: string }> => {
    let bytes = 0;
    try {
      const { read } = await response;
      for (let got = await read(); got !== undefined; got = await read()) bytes += got.length;
      return { bytes, code: 'ok' };
    } catch (error) {
      return { bytes, code: isGatewayError(error) ? error.code : String(error) };
    }
  };
  const typesOf = (peer: FakePeer): [number, number][] =>
    peer.records.filter(({ type }) => type === Type.PAUSE || type === Type.RESUME).map(({ type, id }) => [type, id]);

  test('is held up alone: its worker is told to pause, others go on, and it goes on when it is read', async () => {
    const story = [
      ...[readRequest, send(stdout('\r\n', { id: 1 }))],
      ...[part(1), part(1), part(1)].map((bytes) => sendApart(bytes)),
      readRecord(Type.PAUSE),
      // All the others are served meanwhile.
      ...[2, 3].flatMap((id) => [readRequest, send(whole(id, `other ${id}`))]),
      readRecord(Type.RESUME),
      send(part(1), endRequest(0, { id: 1 })),
      ...[readRequest, send(whole(4, 'last')), stall],
    ];
    const { connection, peer } = await start(story);
    const slow = open(connection);
    await until('it is held up', () => typesOf(peer()).length === 1);
    expect(bodyText(await outcomeOf(ask(connection)))).toBe('other 2');
    expect(bodyText(await outcomeOf(ask(connection)))).toBe('other 3');
    expect(await readAll(slow)).toEqual({ bytes: 4 * PART, code: 'ok' });
    expect(bodyText(await outcomeOf(ask(connection)))).toBe('last');
    expect(typesOf(peer())).toEqual([
      [Type.PAUSE, 1],
      [Type.RESUME, 1],
    ]);
  });

  test('that has ended is not told to go on: its id may be another call’s', async () => {
    const parts = [part(1), part(1), part(1)].map((bytes) => sendApart(bytes));
    const story = [readRequest, send(stdout('\r\n', { id: 1 })), ...parts, readRecord(Type.PAUSE)];
    const { connection, peer } = await start([
      ...story,
      send(endRequest(0, { id: 1 })),
      ...[readRequest, send(whole(2)), stall],
    ]);
    const slow = open(connection);
    await slow.exchange.done;
    expect(await outcomeOf(ask(connection))).toMatchObject({ code: 'ok' });
    expect(await readAll(slow)).toEqual({ bytes: 3 * PART, code: 'ok' });
    expect(typesOf(peer())).toEqual([[Type.PAUSE, 1]]);
  });

  test('that its reader gives up goes on, and what still comes is dropped', async () => {
    const parts = [part(1), part(1), part(1)].map((bytes) => sendApart(bytes));
    const { connection, peer } = await start([
      ...[readRequest, send(stdout('\r\n', { id: 1 })), ...parts, readRecord(Type.PAUSE), readRecord(Type.RESUME)],
      ...[send(part(1), endRequest(0, { id: 1 })), stall],
    ]);
    const slow = open(connection);
    await until('it is held up', () => typesOf(peer()).length === 1);
    slow.abandon(new GatewayError('function-timeout', 'Too long.', { executed: 'yes' }));
    await slow.exchange.done;
    expect(await readAll(slow)).toEqual({ bytes: 0, code: 'function-timeout' });
    expect([connection.usable, connection.busy]).toEqual([true, false]);
  });

  test('of a worker that sends on though told to pause fails, and others on it do not', async () => {
    const flood: Step = async (peer) => {
      for (let sent = 0; sent < 20 * 1_048_576; sent += PART) await peer.write(part(1));
    };
    const { connection } = await start([
      ...[readRequest, readRequest, send(stdout('\r\n', { id: 1 })), flood],
      ...[send(whole(2, 'unharmed'), endRequest(0, { id: 1 })), stall],
    ]);
    const slow = open(connection);
    const other = ask(connection);
    const { read } = await slow.response;
    expect(bodyText(await outcomeOf(other))).toBe('unharmed');
    await expect(read()).rejects.toMatchObject({
      code: 'bad-function-response',
      executed: 'yes',
      message: expect.stringMatching(/asked to hold up a stream, and sent \d+ bytes more; at most 17777216 may/),
    });
    expect(connection.usable).toBe(true);
  });
});

describe('while a large body is on its way', () => {
  const SIZE = 8_000_000;
  const large = (chunks: AsyncIterable<Buffer>) => ({ length: SIZE, chunks: () => chunks });
  async function* all(): AsyncGenerator<Buffer> {
    for (let left = SIZE; left > 0; left -= 100_000) yield Buffer.alloc(100_000, 'x');
  }
  const readAbort: Step = async (peer) => await peer.readUntil(({ type }) => type === 2);
  const readPing: Step = async (peer) => await peer.readUntil(({ type }) => type === Type.GET_VALUES);

  test('other calls are sent, taken back and asked after', async () => {
    const go = Promise.withResolvers<void>();
    const story = [readRequest, waitFor(go.promise), readAbort, readPing, send(pingAnswer(), whole(1)), stall];
    const { connection, peer } = await start(story);
    const first = ask(connection);
    const upload = collect(connection, request({ ping: false, body: large(all()) }), LIMITS);
    upload.response.catch(() => {});
    expect(connection.usable).toBe(true);
    const third = ask(connection);
    third.response.catch(() => {});
    connection.abort(first.exchange);
    const asked = connection.ping();
    go.resolve();
    expect(await asked).toBeDefined();
    expect(bodyText(await outcomeOf(first))).toBe('done');
    expect(peer().records.some(({ type, id }) => type === Type.BEGIN && id === 3)).toBe(true);
  });

  test('what is left of it is not sent when it has been taken back', async () => {
    const { connection } = await start([readRequest, readAbort, send(endRequest(2, { id: 2 })), stall]);
    const first = ask(connection);
    first.response.catch(() => {});
    const more = Promise.withResolvers<void>();
    let stopped = false;
    async function* held(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.alloc(1000, 'x');
        await more.promise;
        yield* all();
      } finally {
        stopped = true;
      }
    }
    const upload = collect(connection, request({ ping: false, body: large(held()) }), LIMITS);
    connection.abort(upload.exchange);
    const outcome = await outcomeOf(upload);
    expect(outcome).toMatchObject({ code: 'pool-unavailable', executed: 'no' });
    more.resolve();
    await until('no more is read', () => stopped);
    expect(connection.usable).toBe(true);
  });

  test('and cannot be read to its end, it alone fails, and has not run', async () => {
    const { connection } = await start([readRequest, readAbort, send(endRequest(2, { id: 2 }), whole(1)), stall]);
    const first = ask(connection);
    // biome-ignore lint/correctness/useYield: it fails before
    async function* broken(): AsyncGenerator<Buffer> {
      throw new Error('the file is gone');
    }
    const upload = collect(connection, request({ ping: false, body: large(broken()) }), LIMITS);
    expect(await outcomeOf(upload)).toMatchObject({ code: 'internal-error', executed: 'no' });
    expect(bodyText(await outcomeOf(first))).toBe('done');
  });
});
