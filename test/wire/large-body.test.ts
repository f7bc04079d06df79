/** Bodies that are not in memory: exact bytes at the peer's pace, and an end of the connection where that fails. */
import { describe, expect, test } from 'vitest';
import type { LargeBody } from '../../gateway/fastcgi/index.ts';
import { bodyText, call, connect } from '../fault/fastcgi-client.ts';
import {
  answer,
  answerPing,
  endRequest,
  fakeFastCgi,
  readBegin,
  readPing,
  readRequest,
  type Step,
  serve,
  stall,
  stdout,
  swallow,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { Type } from './codec.ts';

const bytes = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, at) => at % 251));

interface Body extends LargeBody {
  /** How often it was begun and ended, and what was taken of it. */
  readonly seen: { begun: number; ended: number; bytes: number };
}

/** `length`: what it claims to be, if that is not the truth. */
const bodyOf = (pieces: Iterable<Buffer>, length: number, before?: (at: number) => Promise<void> | void): Body => {
  const seen = { begun: 0, ended: 0, bytes: 0 };
  return {
    length,
    seen,
    async *chunks() {
      seen.begun += 1;
      let at = 0;
      try {
        for (const piece of pieces) {
          await before?.(at);
          at += 1;
          seen.bytes += piece.length;
          yield piece;
        }
      } finally {
        seen.ended += 1;
      }
    },
  };
};

const begin: Step[] = [readPing, answerPing, readRequest];
/** Reads on in small steps, so that it is still busy with the body when it answers. */
const begun: Step[] = [readPing, answerPing, readBegin];

describe('on the wire', () => {
  test.each([
    ['one piece', [100_000]],
    ['a piece of just one record', [65_535]],
    ['a piece of one record and a byte', [65_536]],
    ['many pieces, empty ones among them', [1, 0, 65_535, 65_536, 200_000, 0, 7]],
    ['a thousand bytes, one at a time', Array.from({ length: 1000 }, () => 1)],
  ])('%s: its bytes, in records of at most 65,535, and their number', async (_name, lengths) => {
    const server = await fakeFastCgi('unix', [...begin, answer('taken'), serve('next'), stall]);
    const connection = await connect(server.address);
    const all = bytes(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    const pieces = lengths.map((length) => {
      at += length;
      return all.subarray(at - length, at);
    });
    const body = bodyOf(pieces, all.length);
    const outcome = await call(connection, { body });
    expect(bodyText(outcome)).toBe('taken');
    expect(outcome.progress.sent).toBe('complete');
    const [sent] = server.peer.requests;
    expect(sent?.body.equals(all)).toBe(true);
    expect(sent?.params).toContainEqual(['CONTENT_LENGTH', String(all.length)]);
    const stdin = server.peer.records.filter(({ type }) => type === Type.STDIN);
    // An empty record ends the body: only the last may be one.
    expect(stdin.map(({ content }) => content.length === 0).lastIndexOf(false)).toBe(stdin.length - 2);
    expect(stdin.filter(({ content }) => content.length === 0)).toHaveLength(1);
    expect(body.seen).toEqual({ begun: 1, ended: 1, bytes: all.length });
    expect(bodyText(await call(connection))).toBe('next');
  });

  test('an empty one is no body at all', async () => {
    const server = await fakeFastCgi('unix', [...begin, answer('taken'), stall]);
    expect(bodyText(await call(await connect(server.address), { body: bodyOf([], 0) }))).toBe('taken');
    expect(server.peer.requests).toEqual([expect.objectContaining({ body: Buffer.alloc(0) })]);
  });
});

test('a peer that does not read holds up the body after a bounded number of bytes, and gets all of it later', async () => {
  const read = Promise.withResolvers<void>();
  const server = await fakeFastCgi('unix', [
    readPing,
    answerPing,
    waitFor(read.promise),
    readRequest,
    answer('all'),
    stall,
  ]);
  const connection = await connect(server.address);
  const piece = bytes(65_536);
  const body = bodyOf(Array(160).fill(piece), 160 * piece.length);
  const outcome = call(connection, { body });
  for (let turns = 0, before = -1; turns < 200; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (body.seen.bytes !== before) turns = 0;
    before = body.seen.bytes;
  }
  // The kernel's two buffers, and one piece.
  expect(body.seen.bytes).toBeLessThan(1_000_000);
  expect(connection.usable).toBe(false);
  read.resolve();
  expect(bodyText(await outcome)).toBe('all');
  expect(server.peer.requests[0]?.body).toHaveLength(160 * piece.length);
});

describe('a body that is not what it claims ends the connection, and nobody takes it for a whole one', () => {
  const piece = bytes(1000);
  test.each([
    ['fewer bytes than its length', bodyOf([piece], 1001), 'its bytes are fewer than its length', 1000],
    ['no bytes', bodyOf([], 1), 'its bytes are fewer than its length', 0],
    ['more bytes than its length', bodyOf([piece, piece], 1999), 'its bytes are more than its length', 1000],
    [
      'a failure in the middle',
      bodyOf([piece, piece], 2000, (at) => {
        if (at === 1) throw new Error('EIO: i/o error, read');
      }),
      'EIO: i/o error, read',
      1000,
    ],
    [
      'a failure at its start',
      bodyOf([piece], 1000, () => {
        throw new Error('ENOENT: no such file');
      }),
      'ENOENT: no such file',
      0,
    ],
  ])('%s', async (_name, body, why, sentBytes) => {
    const server = await fakeFastCgi('unix', [readPing, answerPing, swallow]);
    const connection = await connect(server.address);
    const outcome = await call(connection, { body });
    expect(outcome).toMatchObject({
      code: 'internal-error',
      detail: 'The request body cannot be sent.',
      privateDetail: expect.stringContaining(why),
    });
    expect(outcome.executed).not.toBe('no');
    expect(outcome.progress).toMatchObject({ sent: 'partial', ended: false, readToEnd: false });
    await server.peer.closed;
    const stdin = server.peer.records.filter(({ type }) => type === Type.STDIN);
    expect(stdin.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(sentBytes);
    expect(stdin.every(({ content }) => content.length > 0)).toBe(true);
    expect(body.seen.ended).toBe(body.seen.begun);
    expect(connection).toMatchObject({ usable: false, busy: false });
  });
});

describe('while the body is on its way', () => {
  /** Its second half comes when the test says so. */
  const halves = (go: Promise<void>): Body =>
    bodyOf([bytes(1000), bytes(1000)], 2000, async (at) => {
      if (at === 1) await go;
    });

  test('an answer is taken, and the connection ends: the rest would be read as the next request', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [...begun, answer('enough'), swallow]);
    const connection = await connect(server.address);
    const body = halves(go.promise);
    expect(bodyText(await call(connection, { body }))).toBe('enough');
    await connection.closed;
    expect(connection).toMatchObject({ usable: false, busy: false });
    go.resolve();
    await until('it is let go', () => body.seen.ended === 1);
  });

  test('output without its end leaves the body on its way', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [
      ...begun,
      stdout('\r\nso far, '),
      readRequest,
      stdout('all'),
      endRequest(),
      serve('next'),
      stall,
    ]);
    const connection = await connect(server.address);
    const outcome = call(connection, { body: halves(go.promise) });
    go.resolve();
    expect(bodyText(await outcome)).toBe('so far, all');
    expect(bodyText(await call(connection))).toBe('next');
  });

  test.each([
    ['a peer that ends the connection', 'yes', [...begun, (peer) => void peer.socket.destroy()]],
    ['a peer that ends it before it begins', 'no', [readPing, (peer) => void peer.socket.end()]],
  ] as [string, string, Step[]][])(
    '%s fails the call, executed: %s, and the body is read no further',
    async (_name, executed, story) => {
      const go = Promise.withResolvers<void>();
      const server = await fakeFastCgi('unix', story);
      const connection = await connect(server.address);
      const body = halves(go.promise);
      expect(await call(connection, { body })).toMatchObject({ code: 'worker-crashed', executed });
      go.resolve();
      await until('it is let go', () => body.seen.ended === 1);
      await connection.closed;
    },
  );

  test('destroy() fails the call and proves nothing', async () => {
    const server = await fakeFastCgi('unix', [readPing, stall]);
    const connection = await connect(server.address);
    const body = halves(new Promise(() => {}));
    const outcome = call(connection, { body });
    connection.destroy();
    expect(await outcome).toMatchObject({
      code: 'worker-crashed',
      executed: 'unknown',
      progress: { readToEnd: false },
    });
  });
});
