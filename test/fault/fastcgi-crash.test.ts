/** Peers that end a connection with a request on it: what that proves about execution. */
import { stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { collect, type Progress } from '../../gateway/fastcgi/index.ts';
import { executedBy, isReadToEnd } from '../../gateway/fastcgi/progress.ts';
import {
  answerPing,
  close,
  fakeFastCgi,
  halfClose,
  readBegin,
  readPing,
  readRequest,
  reset,
  type Step,
  send,
  serve,
  stall,
  stderr,
  stdout,
  swallow,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { endRequest, pingAnswer, stdout as stdoutRecord } from '../wire/codec.ts';
import { bodyText, call, connect, LIMITS, type Outcome, outcomeOf, request } from './fastcgi-client.ts';

const progress = (more: Partial<Progress>): Progress => ({
  sent: 'complete',
  ping: 'unanswered',
  bytesReceived: 0,
  ended: false,
  readToEnd: true,
  ...more,
});

describe.each(['unix', 'tcp'] as const)('over %s, a worker that ends', (kind) => {
  const stories: [name: string, story: Step[], executed: string, progress: Progress][] = [
    ['before it answers the ping was not at the request', [readRequest, close], 'no', progress({})],
    ['its side before it answers the ping', [readRequest, halfClose, stall], 'no', progress({})],
    [
      'when it has answered the ping may have run it',
      [readRequest, answerPing, close],
      'yes',
      progress({ ping: 'answered' }),
    ],
    [
      'when it has written to STDERR has run it',
      [readRequest, answerPing, stderr('oh'), close],
      'yes',
      progress({ ping: 'answered', bytesReceived: 2 }),
    ],
    [
      'in the middle of a record has run it',
      [readRequest, answerPing, send(stdoutRecord('\r\n12345').subarray(0, 11)), close],
      'yes',
      progress({ ping: 'answered', bytesReceived: 3 }),
    ],
    [
      'in the middle of a record header has run it',
      [readRequest, answerPing, send(stdoutRecord('\r\n12345').subarray(0, 5)), close],
      'yes',
      progress({ ping: 'answered' }),
    ],
    [
      'when all output was sent but END_REQUEST was not: the answer is not taken',
      [readRequest, answerPing, stdout('\r\nall'), close],
      'yes',
      progress({ ping: 'answered', bytesReceived: 5 }),
    ],
  ];

  test.each(stories)('%s', async (_name, story, executed, expected) => {
    const server = await fakeFastCgi(kind, story);
    const connection = await connect(server.address);
    expect(await call(connection)).toMatchObject({ code: 'worker-crashed', executed, progress: expected });
    await connection.closed;
    expect(connection).toMatchObject({ usable: false, busy: false });
  });

  test('without a ping: nobody knows', async () => {
    const server = await fakeFastCgi(kind, [readRequest, close]);
    const outcome = await call(await connect(server.address), { ping: false });
    expect(outcome).toMatchObject({
      code: 'worker-crashed',
      executed: 'unknown',
      progress: progress({ ping: 'unused' }),
    });
  });

  test('between requests: the connection is not usable, and the next request is refused before it is sent', async () => {
    const server = await fakeFastCgi(kind, [serve('one'), close]);
    const connection = await connect(server.address);
    expect(bodyText(await call(connection))).toBe('one');
    await connection.closed;
    expect(connection.usable).toBe(false);
    await expect(call(connection)).rejects.toMatchObject({ code: 'pool-unavailable', executed: 'no' });
  });

  test('before anything was read is a reset, which was read to its end all the same', async () => {
    // What is unread when a socket closes makes the kernel send a reset.
    const arrived = Promise.withResolvers<void>();
    const server = await fakeFastCgi(kind, [waitFor(arrived.promise), close], [stall]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    await until('the request is sent', () => collected.exchange.progress.sent === 'complete');
    arrived.resolve();
    const outcome = await outcomeOf(collected);
    expect(outcome).toMatchObject({ code: 'worker-crashed', executed: 'no', progress: progress({}) });
    expect(outcome.detail).toContain('ECONNRESET');
  });

  test('with a reset after it answered the ping: the answer is read first', async () => {
    const arrived = Promise.withResolvers<void>();
    const server = await fakeFastCgi(kind, [waitFor(arrived.promise), answerPing, stdout('\r\nx'), close]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    await until('the request is sent', () => collected.exchange.progress.sent === 'complete');
    arrived.resolve();
    const outcome = await outcomeOf(collected);
    expect(outcome).toMatchObject({ executed: 'yes', progress: progress({ ping: 'answered', bytesReceived: 3 }) });
    expect(outcome.detail).toContain('ECONNRESET');
  });

  test('unnoticed, before the next request is written: that was not executed', async () => {
    const server = await fakeFastCgi(kind, [serve('one'), stall]);
    const connection = await connect(server.address);
    await call(connection);
    // The peer's end is in the kernel before our write is; the event loop has had no turn to see it.
    server.peer.socket.destroy();
    expect(connection.usable).toBe(true);
    const outcome = await call(connection);
    expect(outcome).toMatchObject({ code: 'worker-crashed', executed: 'no', progress: { ping: 'unanswered' } });
    // unix: the first write fails (EPIPE), so no byte was taken. TCP takes it and reads the end afterwards.
    expect(outcome.progress).toMatchObject({ sent: kind === 'unix' ? 'nothing' : 'complete', readToEnd: true });
  });

  test('unnoticed, before the next request is written without a ping', async () => {
    const server = await fakeFastCgi(kind, [readRequest, serve('one'), stall]);
    const connection = await connect(server.address);
    server.peer.socket.destroy();
    const outcome = await call(connection, { ping: false });
    expect(outcome).toMatchObject({ code: 'worker-crashed', executed: kind === 'unix' ? 'no' : 'unknown' });
  });

  test('its side while a large body is being written: it is over at once, although the peer reads no more', async () => {
    const server = await fakeFastCgi(kind, [readPing, halfClose, stall]);
    const outcome = await call(await connect(server.address), { body: Buffer.alloc(16_777_216) });
    expect(outcome).toMatchObject({ executed: 'no', progress: progress({ sent: 'partial' }) });
  });

  test('while a large body is being written, the ping answered: it may have run', async () => {
    const server = await fakeFastCgi(kind, [readBegin, answerPing, close]);
    const connection = await connect(server.address);
    const collected = collect(connection, request({ body: Buffer.alloc(16_777_216) }), LIMITS);
    expect(await outcomeOf(collected)).toMatchObject({
      code: 'worker-crashed',
      executed: expect.stringMatching(/^(?:yes|unknown)$/),
      progress: { sent: 'partial', ended: false },
    });
  });
});

test('a TCP reset proves that the ping was not answered', async () => {
  const server = await fakeFastCgi('tcp', [readRequest, reset]);
  expect(await call(await connect(server.address))).toMatchObject({ executed: 'no', progress: progress({}) });
});

describe('a write that fails because the worker has just died', () => {
  /** The worker sends `last` and dies; its end is not read yet when a second request is written behind the first. */
  const writeBehind = async (last: readonly Buffer[]): Promise<[first: Outcome, second: Outcome]> => {
    const server = await fakeFastCgi('unix', [readRequest, stall]);
    const connection = await connect(server.address);
    const first = collect(connection, request(), LIMITS);
    await until('the first is read', () => server.peer.requests.length === 1);
    // Here the event loop is where it handles what was ready: it reads again only after it has written.
    await stat('/');
    for (const bytes of last) server.peer.socket.write(bytes);
    server.peer.socket.destroy();
    const second = collect(connection, request(), LIMITS);
    return [await outcomeOf(first), await outcomeOf(second)];
  };
  const failed = { executed: 'no', detail: expect.stringContaining('EPIPE') };

  test('what it had not begun was not executed: the connection is read to its end', async () => {
    const [first, second] = await writeBehind([]);
    expect(first).toMatchObject({ ...failed, progress: progress({ readToEnd: true }) });
    expect(second).toMatchObject(failed);
  });

  test('an answer that lies unread is not lost', async () => {
    const [first, second] = await writeBehind([pingAnswer(), stdoutRecord('\r\none'), endRequest()]);
    expect(bodyText(first)).toBe('one');
    expect(second).toMatchObject(failed);
  });

  test('what it had begun counts as executed', async () => {
    const [first, second] = await writeBehind([pingAnswer()]);
    expect(first).toMatchObject({ code: 'worker-crashed', executed: 'yes' });
    expect(second).toMatchObject(failed);
  });
});

test('a peer that never reads: a large body stays partly sent, and our own end proves nothing', async () => {
  for (const kind of ['unix', 'tcp'] as const) {
    const server = await fakeFastCgi(kind, [stall]);
    const connection = await connect(server.address);
    const collected = collect(connection, request({ body: Buffer.alloc(16_777_216) }), LIMITS);
    expect(collected.exchange.progress.sent).toBe('partial');
    await until('it has connected', () => server.peers.length === 1);
    connection.destroy();
    expect(await outcomeOf(collected)).toMatchObject({
      code: 'worker-crashed',
      executed: 'unknown',
      progress: progress({ sent: 'partial', readToEnd: false }),
    });
  }
});

test('a peer that reads slowly gets the whole of a large body', async () => {
  const server = await fakeFastCgi('tcp', [serve('thanks'), swallow]);
  const outcome = await call(await connect(server.address), { body: Buffer.alloc(16_777_216, 'b') });
  expect(outcome).toMatchObject({ code: 'ok', progress: { sent: 'complete' } });
  expect(server.peer.requests[0]?.body).toHaveLength(16_777_216);
});

describe('what a socket error proves', () => {
  test.each([
    ['read', 'ECONNRESET', true, true],
    // A lost segment is not sent again by a peer that has reset.
    ['read', 'ECONNRESET', false, false],
    // The peer may have run the request; its answer got lost with the network.
    ['read', 'ETIMEDOUT', true, false],
    ['read', 'ETIMEDOUT', false, false],
    ['read', 'EHOSTUNREACH', false, false],
    ['write', 'EPIPE', true, false],
    ['write', 'ECONNRESET', true, false],
    ['shutdown', 'ENOTCONN', true, false],
  ])('%s %s on the same machine: %s, read to the end: %s', (syscall, code, sameMachine, expected) => {
    expect(isReadToEnd({ syscall, code }, sameMachine)).toBe(expected);
  });
});

describe('what progress proves', () => {
  test.each<[Partial<Progress>, string]>([
    [{ sent: 'nothing' }, 'no'],
    [{ sent: 'nothing', readToEnd: false }, 'no'],
    [{ sent: 'partial' }, 'no'],
    [{ sent: 'complete' }, 'no'],
    [{ readToEnd: false }, 'unknown'],
    [{ sent: 'partial', readToEnd: false }, 'unknown'],
    [{ ping: 'unused' }, 'unknown'],
    [{ ping: 'unused', sent: 'partial' }, 'unknown'],
    [{ ping: 'answered' }, 'yes'],
    [{ ping: 'answered', readToEnd: false }, 'yes'],
    [{ bytesReceived: 1, ping: 'unused' }, 'yes'],
    [{ ended: true, ping: 'unused' }, 'yes'],
  ])('%j: executed %s', (more, executed) => {
    expect(executedBy(progress(more))).toBe(executed);
  });
});
