/** Answers read as they come: the head first, every byte once whatever the cuts, at the reader's pace. */
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { type Connection, type Reception, type StreamedResponse, stream } from '../../gateway/fastcgi/index.ts';
import { bodyText, call, connect, LIMITS, request } from '../fault/fastcgi-client.ts';
import {
  answerPing,
  endRequest,
  type FakePeer,
  fakeFastCgi,
  flood,
  readPing,
  readRequest,
  type Step,
  send,
  serve,
  stall,
  stdout,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { endRequest as endRecord, stderr as stderrRecord, stdout as stdoutRecord, Type } from './codec.ts';

const begin: Step[] = [readPing, answerPing, readRequest];
const open = (connection: Connection): Reception<StreamedResponse> => stream(connection, request(), LIMITS);

const readAll = async (response: StreamedResponse): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for (let piece = await response.read(); piece !== undefined; piece = await response.read()) pieces.push(piece);
  return Buffer.concat(pieces);
};

/** Writes records without end, counting the bytes the kernel has taken, until told or cut off. */
const pour =
  (counted: { bytes: number }, stopped: () => boolean = () => false): Step =>
  async (peer: FakePeer) => {
    const record = stdoutRecord(Buffer.alloc(8000, 'p'));
    while (!stopped()) {
      await peer.write(record);
      counted.bytes += 8000;
    }
  };

/** It has stayed the same through many turns of the event loop, in which the peer could have gone on. */
const settled = async (counted: { bytes: number }): Promise<number> => {
  for (let turns = 0; turns < 200; turns += 1) {
    const before = counted.bytes;
    await new Promise((resolve) => setImmediate(resolve));
    if (counted.bytes !== before) turns = 0;
  }
  return counted.bytes;
};

test('the head is there before the body ends, and each piece before the next is sent', async () => {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const story = [waitFor(first.promise), stdout('two'), waitFor(second.promise), endRequest(), stall];
  const server = await fakeFastCgi('unix', [...begin, stdout('Status: 201\r\nA: b\r\n\r\none'), ...story]);
  const { exchange, response } = open(await connect(server.address));
  const streamed = await response;
  expect(streamed).toMatchObject({ status: 201, headers: [['a', 'b']] });
  expect(String(await streamed.read())).toBe('one');
  first.resolve();
  expect(String(await streamed.read())).toBe('two');
  expect(exchange.progress.ended).toBe(false);
  second.resolve();
  expect(await streamed.read()).toBeUndefined();
  expect(await streamed.read()).toBeUndefined();
});

describe('every byte arrives once, in order', () => {
  /** Small and large pieces in turn: small ones are copied, large ones are views of the read buffer. */
  const contents = [1, 20_000, 300, 65_535, 16_384, 16_383, 7, 65_535, 40_000].map((length, at) =>
    Buffer.alloc(length, `${at}abc`),
  );
  const answer = Buffer.concat([
    stdoutRecord('A: b\r\n\r\n'),
    ...contents.flatMap((content) => [stdoutRecord(content, { padding: content.length % 8 }), stderrRecord('warned')]),
    endRecord(),
  ]);
  const expected = Buffer.concat(contents);

  test.each([1, 2, 3, 5, 8, 13, 4096, 65_536, 70_000])(
    'written in pieces of %i bytes or a few of them',
    async (size) => {
      // Byte by byte only at the start: each is a system call.
      const cuts: Buffer[] = [];
      for (let at = 0; at < answer.length; at += at < 2000 ? size : Math.max(size, 9999))
        cuts.push(answer.subarray(at, at < 2000 ? at + size : at + Math.max(size, 9999)));
      const steps = cuts.map((cut) => send(cut));
      const server = await fakeFastCgi('unix', [...begin, ...steps, stall]);
      const streamed = await open(await connect(server.address)).response;
      expect((await readAll(streamed)).equals(expected)).toBe(true);
      expect(streamed.stderrBytes).toBe(contents.length * 6);
    },
  );

  test('pieces that were read stay as they were while later ones come', async () => {
    const server = await fakeFastCgi('unix', [...begin, send(answer), stall]);
    const streamed = await open(await connect(server.address)).response;
    const pieces: Buffer[] = [];
    const copies: Buffer[] = [];
    for (let piece = await streamed.read(); piece; piece = await streamed.read()) {
      pieces.push(piece);
      copies.push(Buffer.from(piece));
    }
    expect(pieces.every((piece, at) => copies[at]?.equals(piece))).toBe(true);
  });
});

describe('the reader sets the pace', () => {
  test('who does not read stops the peer after a bounded number of bytes; reading lets it go on', async () => {
    const poured = { bytes: 0 };
    let enough = false;
    const server = await fakeFastCgi('unix', [
      ...begin,
      stdout('\r\n'),
      pour(poured, () => enough),
      endRequest(),
      stall,
    ]);
    const streamed = await open(await connect(server.address)).response;
    const stopped = await settled(poured);
    // What the window, one read and the kernel's two buffers hold.
    expect(stopped).toBeGreaterThan(65_536);
    expect(stopped).toBeLessThan(1_000_000);
    let read = 0;
    while (read < 4_000_000) read += (await streamed.read())?.length ?? 0;
    const again = await settled(poured);
    expect(again - read).toBeLessThan(1_000_000);
    enough = true;
    expect(read + (await readAll(streamed)).length).toBe(poured.bytes);
  });

  test('a pause ends with its answer: the next request is answered though the rest is unread', async () => {
    const large = Buffer.alloc(65_000, 'u');
    const server = await fakeFastCgi('unix', [
      ...begin,
      send(stdoutRecord('\r\n'), stdoutRecord(large), stdoutRecord(large), endRecord()),
      serve('next'),
      stall,
    ]);
    const connection = await connect(server.address);
    const { exchange, response } = open(connection);
    const streamed = await response;
    const first = await streamed.read();
    await exchange.done;
    expect(bodyText(await call(connection))).toBe('next');
    expect(Buffer.concat([first ?? large, await readAll(streamed)])).toHaveLength(130_000);
  });

  test('abandoned while it is paused: what is held is dropped, the rest is read away, and its exchange settles', async () => {
    const server = await fakeFastCgi('unix', [
      ...begin,
      stdout('\r\n'),
      flood(Type.STDOUT, 3_000_000),
      endRequest(),
      serve('next'),
      stall,
    ]);
    const connection = await connect(server.address);
    const { exchange, response, abandon } = open(connection);
    const streamed = await response;
    await until('it is paused', () => exchange.progress.bytesReceived > 65_536);
    abandon(new GatewayError('client-closed', 'The reader left.'));
    await expect(streamed.read()).rejects.toMatchObject({ code: 'client-closed' });
    await exchange.done;
    expect(exchange.progress.bytesReceived).toBe(3_000_002);
    expect(bodyText(await call(connection))).toBe('next');
  });
});

test('abandoned before its head: who waits for it is told at once, and the connection serves on', async () => {
  const go = Promise.withResolvers<void>();
  const late = [waitFor(go.promise), stdout('\r\nlate'), endRequest(), serve('next'), stall];
  const server = await fakeFastCgi('unix', [...begin, ...late]);
  const connection = await connect(server.address);
  const { exchange, response, abandon } = open(connection);
  abandon(new GatewayError('function-timeout', 'Too late.'));
  await expect(response).rejects.toMatchObject({ code: 'function-timeout' });
  go.resolve();
  await exchange.done;
  expect(bodyText(await call(connection))).toBe('next');
});

test('abandoned after its end: nothing fails, and what is unread is dropped', async () => {
  const server = await fakeFastCgi('unix', [...begin, stdout('\r\nall'), endRequest(), stall]);
  const { exchange, response, abandon } = open(await connect(server.address));
  const streamed = await response;
  await exchange.done;
  abandon(new GatewayError('client-closed', 'The reader left.'));
  expect(await streamed.read()).toBeUndefined();
});

test('END_REQUEST without output: status 500, no body, and STDERR says why', async () => {
  const server = await fakeFastCgi('unix', [...begin, send(stderrRecord('out of memory'), endRecord()), stall]);
  const streamed = await open(await connect(server.address)).response;
  expect(streamed).toMatchObject({ status: 500, headers: [], stderr: 'out of memory' });
  expect(await streamed.read()).toBeUndefined();
});

test('of a flood of STDERR the beginning and the end are kept, also when nobody reads STDOUT', async () => {
  const server = await fakeFastCgi('unix', [
    ...begin,
    send(stdoutRecord('\r\nx'), stderrRecord('first')),
    flood(Type.STDERR, 8_000_000),
    send(stderrRecord('last'), endRecord()),
    stall,
  ]);
  const { exchange, response } = open(await connect(server.address));
  const streamed = await response;
  await exchange.done;
  expect(streamed.stderrBytes).toBe(8_000_009);
  expect(streamed.stderr).toMatch(/^first(f+)\n… 7991817 bytes dropped …\n(f+)last$/);
  expect(String(await readAll(streamed))).toBe('x');
});
