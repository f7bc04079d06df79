/** Peers that answer too much, the wrong thing, or at the wrong time. */
import { describe, expect, test } from 'vitest';
import { collect } from '../../gateway/fastcgi/index.ts';
import {
  answer,
  answerPing,
  endRequest,
  fakeFastCgi,
  flood,
  readPing,
  readRequest,
  type Step,
  send,
  sendApart,
  serve,
  stall,
  stdout,
  swallow,
} from '../support/fake-fastcgi.ts';
import {
  endRequest as endRecord,
  pingAnswer,
  record,
  stderr as stderrRecord,
  stdout as stdoutRecord,
  Type,
} from '../wire/codec.ts';
import { bodyText, call, connect, LIMITS, outcomeOf, request } from './fastcgi-client.ts';

const story = (...steps: Step[]): Step[] => [readPing, answerPing, readRequest, ...steps, stall];

describe('refused requests', () => {
  test.each([1, 2, 3])('protocol status %i: nothing ran, and the connection stays', async (status) => {
    const server = await fakeFastCgi('unix', [
      readPing,
      answerPing,
      readRequest,
      endRequest(status),
      serve('next'),
      stall,
    ]);
    const connection = await connect(server.address);
    expect(await call(connection)).toMatchObject({
      code: 'pool-unavailable',
      executed: 'no',
      detail: expect.stringContaining(`protocol status ${status}`),
    });
    expect(bodyText(await call(connection))).toBe('next');
  });

  test('a protocol status nobody knows is none', async () => {
    const server = await fakeFastCgi('unix', story(endRequest(77)));
    expect(await call(await connect(server.address))).toMatchObject({ code: 'bad-function-response', executed: 'yes' });
  });
});

describe('limits', () => {
  test('an answer larger than the limit fails, and its connection ends: the rest is not read', async () => {
    const server = await fakeFastCgi('unix', story(stdout('\r\n'), flood(Type.STDOUT, 64_000_000)));
    const connection = await connect(server.address);
    const outcome = await call(connection);
    expect(outcome).toMatchObject({
      code: 'response-too-large',
      executed: 'yes',
      detail: 'The answer has more than 1000000 bytes.',
      progress: { ended: false, readToEnd: false },
    });
    expect(outcome.progress.bytesReceived).toBeLessThan(1_200_000);
    await connection.closed;
    expect(connection.usable).toBe(false);
  });

  test('an answer of just the limit is taken, one byte more is not', async () => {
    const limits = { ...LIMITS, bodyMaxBytes: 200_000 };
    const server = await fakeFastCgi(
      'unix',
      story(stdout('\r\n'), flood(Type.STDOUT, 200_000), endRequest()),
      story(stdout('\r\n'), flood(Type.STDOUT, 200_001), endRequest()),
    );
    expect((await call(await connect(server.address), {}, limits)).response?.body).toHaveLength(200_000);
    expect(await call(await connect(server.address), {}, limits)).toMatchObject({ code: 'response-too-large' });
  });

  test('a head larger than the limit fails, and its connection ends', async () => {
    const server = await fakeFastCgi('unix', story(stdout(`A: ${'x'.repeat(20_000)}\r\n\r\n`), endRequest()));
    const connection = await connect(server.address);
    expect(await call(connection)).toMatchObject({
      code: 'bad-function-response',
      executed: 'yes',
      detail: expect.stringContaining('16384'),
    });
    await connection.closed;
  });

  test('of a flood of STDERR the beginning and the end are kept, and the call is answered', async () => {
    const server = await fakeFastCgi('unix', story(flood(Type.STDERR, 8_000_000), answer('fine')));
    const outcome = await call(await connect(server.address));
    expect(bodyText(outcome)).toBe('fine');
    expect(outcome.response).toMatchObject({
      stderrBytes: 8_000_000,
      stderr: `${'f'.repeat(4096)}\n… 7991808 bytes dropped …\n${'f'.repeat(4096)}`,
    });
    expect(outcome.progress.bytesReceived).toBe(8_000_000 + 6);
  });

  test('a body of a hundred thousand one-byte records comes whole', async () => {
    const tiny = Buffer.concat(Array.from({ length: 100_000 }, () => stdoutRecord('.')));
    const server = await fakeFastCgi('unix', story(stdout('\r\n'), send(tiny), endRequest()));
    expect(bodyText(await call(await connect(server.address)))).toBe('.'.repeat(100_000));
  });

  test('an answer that ends inside its head is none, and the connection stays', async () => {
    const server = await fakeFastCgi('unix', [
      ...story(stdout('A: b\r\n'), endRequest()).slice(0, -1),
      serve('next'),
      stall,
    ]);
    const connection = await connect(server.address);
    expect(await call(connection)).toMatchObject({ code: 'bad-function-response', executed: 'yes' });
    expect(bodyText(await call(connection))).toBe('next');
  });
});

test('an answer without a byte of output is answered by nothing: 500, and STDERR says why', async () => {
  const server = await fakeFastCgi('unix', story(send(stderrRecord('PHP message: out of memory')), endRequest(0)));
  const connection = await connect(server.address);
  const response = await collect(connection, request({}), LIMITS).response;
  expect(response).toMatchObject({ status: 500, headers: [], stderr: 'PHP message: out of memory' });
  expect(response.body).toHaveLength(0);
});

describe('a broken protocol ends the connection', () => {
  test.each([
    ['another version', record(Type.STDOUT, 'x', { version: 2 }), 'version 2'],
    ['another request id', stdoutRecord('\r\nx', { id: 9 }), 'request id 9'],
    ['an unknown type', record(42, 'x'), 'type 42'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'version 72'],
    ['the ping answered twice', pingAnswer(), 'a ping nobody sent'],
  ])('%s', async (_name, bytes, detail) => {
    const server = await fakeFastCgi('unix', story(send(bytes)));
    const connection = await connect(server.address);
    const outcome = await call(connection);
    expect(outcome).toMatchObject({ code: 'bad-function-response', executed: 'yes' });
    expect(outcome.detail).toContain(detail);
    await connection.closed;
    expect(connection.usable).toBe(false);
  });

  test('HTTP instead of the ping answer: nobody knows what ran', async () => {
    const server = await fakeFastCgi('unix', [
      readRequest,
      send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
      stall,
    ]);
    expect(await call(await connect(server.address))).toMatchObject({
      code: 'bad-function-response',
      executed: 'unknown',
      progress: { ping: 'unanswered', readToEnd: false },
    });
  });

  test('a peer that answers without answering the ping: it would make every crash look harmless', async () => {
    const server = await fakeFastCgi('unix', [readRequest, answer('x'), stall]);
    expect(await call(await connect(server.address))).toMatchObject({
      code: 'bad-function-response',
      detail: expect.stringContaining('before the answer to the ping'),
    });
  });
});

describe('junk after END_REQUEST', () => {
  const junk: [string, Buffer][] = [
    ['a second END_REQUEST (old PHP sends one)', endRecord()],
    ['output', stdoutRecord('secret of the first')],
    ['the header of a record that would swallow the next answer', stdoutRecord('x'.repeat(500)).subarray(0, 8)],
    ['half a header', Buffer.from([1, 6, 0])],
    ['an empty record', stderrRecord('')],
    ['an answer to a ping nobody sent', pingAnswer()],
    ['random bytes', Buffer.from('deadbeef', 'hex')],
  ];

  test.each(junk)('%s in the same write: the first is answered, no second is sent', async (_name, bytes) => {
    const server = await fakeFastCgi('unix', story(send(stdoutRecord('\r\nfirst'), endRecord(), bytes)));
    const connection = await connect(server.address);
    expect(bodyText(await call(connection))).toBe('first');
    expect(connection.usable).toBe(false);
    await connection.closed;
  });

  test.each(junk)('%s later: the idle connection ends', async (_name, bytes) => {
    const server = await fakeFastCgi('unix', story(answer('first'), sendApart(bytes)));
    const connection = await connect(server.address);
    expect(bodyText(await call(connection))).toBe('first');
    await connection.closed;
    expect(connection).toMatchObject({ usable: false, busy: false });
  });

  test.each(junk.filter(([name]) => !name.includes('a ping nobody')))(
    '%s when the second is already on its way: it gets none of it, because its ping is unanswered',
    async (_name, bytes) => {
      const server = await fakeFastCgi('unix', [
        readPing,
        answerPing,
        readRequest,
        answer('first'),
        readRequest,
        send(bytes, pingAnswer(), stdoutRecord('\r\nsecond'), endRecord()),
        swallow,
      ]);
      const connection = await connect(server.address);
      expect(bodyText(await call(connection))).toBe('first');
      expect(await call(connection)).toMatchObject({
        code: expect.stringMatching(/^(?!ok)/),
        progress: { bytesReceived: 0 },
      });
    },
  );
});

test('the limit of one answer does not fail those behind it with its code', async () => {
  const server = await fakeFastCgi('unix', [
    readPing,
    answerPing,
    readRequest,
    readRequest,
    stdout('\r\n'),
    flood(Type.STDOUT, 2_000_000),
    swallow,
  ]);
  const connection = await connect(server.address);
  const first = collect(connection, request(), LIMITS);
  const second = collect(connection, request(), LIMITS);
  expect(await outcomeOf(first)).toMatchObject({ code: 'response-too-large' });
  expect(await outcomeOf(second)).toMatchObject({ code: 'worker-crashed', executed: 'unknown' });
});
