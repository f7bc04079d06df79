/** Streamed answers of peers that break: what came is given, then the error, with what is proved of execution. */
import { describe, expect, test } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { type Connection, type Reception, type StreamedResponse, stream } from '../../gateway/fastcgi/index.ts';
import {
  answerPing,
  close,
  endRequest,
  fakeFastCgi,
  halfClose,
  readPing,
  readRequest,
  reset,
  type Step,
  send,
  stall,
  stderr,
  stdout,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { endRequest as endRecord, record, stdout as stdoutRecord } from '../wire/codec.ts';
import { bodyText, call, connect, LIMITS, request } from './fastcgi-client.ts';

const begin: Step[] = [readPing, answerPing, readRequest];
const begunAnswer: Step[] = [...begin, stdout('\r\nsome')];

interface Seen {
  readonly text: string;
  readonly code: string;
  readonly executed?: string;
}

/** What a reader gets to see, from head to end. */
const readingOf = async ({ response }: Reception<StreamedResponse>): Promise<Seen> => {
  let text = '';
  try {
    const streamed = await response;
    for (let piece = await streamed.read(); piece !== undefined; piece = await streamed.read()) text += piece;
    return { text, code: 'ok' };
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return { text, code: error.code, executed: error.executed };
  }
};

const open = (connection: Connection): Reception<StreamedResponse> => stream(connection, request(), LIMITS);

describe('a connection that ends', () => {
  test.each<[string, Step[], Seen]>([
    ['before the ping is answered', [readPing, halfClose], { text: '', code: 'worker-crashed', executed: 'no' }],
    ['before the head', [...begin, halfClose], { text: '', code: 'worker-crashed', executed: 'yes' }],
    [
      'inside the head',
      [...begin, stdout('A: b\r\n'), halfClose],
      { text: '', code: 'worker-crashed', executed: 'yes' },
    ],
    ['inside the body', [...begunAnswer, halfClose], { text: 'some', code: 'worker-crashed', executed: 'yes' }],
    [
      'inside a record',
      [...begunAnswer, send(stdoutRecord('more').subarray(0, 10)), halfClose],
      { text: 'somemo', code: 'worker-crashed', executed: 'yes' },
    ],
    [
      'with bytes unread',
      [readPing, answerPing, stdout('\r\nsome'), close],
      { text: 'some', code: 'worker-crashed', executed: 'yes' },
    ],
  ])('%s', async (_name, story, seen) => {
    const server = await fakeFastCgi('unix', story);
    const connection = await connect(server.address);
    expect(await readingOf(open(connection))).toEqual(seen);
    await connection.closed;
    expect(connection).toMatchObject({ usable: false, busy: false });
  });

  test('by a reset over TCP, while its reader waits', async () => {
    const server = await fakeFastCgi('tcp', [...begunAnswer, stall]);
    const { response } = open(await connect(server.address));
    const streamed = await response;
    expect(String(await streamed.read())).toBe('some');
    const next = expect(streamed.read()).rejects.toMatchObject({ code: 'worker-crashed', executed: 'yes' });
    await reset(server.peer);
    await next;
  });

  test('while it is paused: seen when the reader has read on, which gets every byte before', async () => {
    const large = Buffer.alloc(65_000, 'l');
    const records = [stdoutRecord('\r\n'), ...Array.from({ length: 3 }, () => stdoutRecord(large))];
    const server = await fakeFastCgi('unix', [...begin, send(...records), halfClose]);
    const reception = open(await connect(server.address));
    await reception.response;
    await until('it is paused', () => reception.exchange.progress.bytesReceived > 65_536);
    expect(await readingOf(reception)).toEqual({ text: 'l'.repeat(195_000), code: 'worker-crashed', executed: 'yes' });
  });
});

describe('a peer that speaks nonsense', () => {
  const tooLarge = `A: ${'x'.repeat(20_000)}\r\n\r\n`;
  test.each<[string, Step[], string]>([
    ['a head that is none', [stdout('no header\r\n\r\nbody')], ''],
    ['a head above its limit', [stdout(tooLarge)], ''],
    ['a head that does not end', [stdout('A: b\r\n'), endRequest()], ''],
    ['another request id', [stdout('\r\nsome'), send(stdoutRecord('other', { id: 2 }))], 'some'],
    ['a record nobody sends', [stdout('\r\nsome'), send(record(42, 'x'))], 'some'],
    ['a refusal behind output', [stdout('\r\nsome'), endRequest(2)], 'some'],
  ])('%s', async (_name, story, text) => {
    const server = await fakeFastCgi('unix', [...begin, ...story, stall]);
    expect(await readingOf(open(await connect(server.address)))).toEqual({
      text,
      code: 'bad-function-response',
      executed: 'yes',
    });
  });

  test('bytes behind END_REQUEST: the answer is whole, and the connection ends', async () => {
    const server = await fakeFastCgi('unix', [
      ...begin,
      send(stdoutRecord('\r\nall'), endRecord(), stdoutRecord('junk')),
      stall,
    ]);
    const connection = await connect(server.address);
    expect(await readingOf(open(connection))).toEqual({ text: 'all', code: 'ok' });
    await connection.closed;
  });

  test('a refusal before anything ran may be tried elsewhere', async () => {
    const server = await fakeFastCgi('unix', [...begin, endRequest(2), stall]);
    expect(await readingOf(open(await connect(server.address)))).toEqual({
      text: '',
      code: 'pool-unavailable',
      executed: 'no',
    });
  });
});

describe('our own ends', () => {
  test('destroy() in the middle: what came is given, then the error', async () => {
    const server = await fakeFastCgi('unix', [...begunAnswer, stall]);
    const connection = await connect(server.address);
    const reception = open(connection);
    await reception.response;
    connection.destroy();
    expect(await readingOf(reception)).toEqual({ text: 'some', code: 'worker-crashed', executed: 'yes' });
  });

  test('close() in the middle waits for the end', async () => {
    const flood = Array.from({ length: 20 }, () => stdoutRecord(Buffer.alloc(10_000, 'f')));
    const server = await fakeFastCgi('unix', [...begin, send(stdoutRecord('\r\n'), ...flood, endRecord()), stall]);
    const connection = await connect(server.address);
    const reception = open(connection);
    await reception.response;
    const closed = connection.close();
    expect(await readingOf(reception)).toEqual({ text: 'f'.repeat(200_000), code: 'ok' });
    await closed;
  });
});

test('STDERR so far can be read while the answer comes', async () => {
  const server = await fakeFastCgi('unix', [
    ...begin,
    stderr('one'),
    stdout('\r\n'),
    stderr(' two'),
    stdout('x'),
    stall,
  ]);
  const { response } = open(await connect(server.address));
  const streamed = await response;
  await streamed.read();
  expect(streamed.stderr).toBe('one two');
});

test('a streamed answer after a collected one on the same connection, and the other way round', async () => {
  const whole = (text: string): Step[] => [...begin, stdout(`\r\n${text}`), endRequest()];
  const server = await fakeFastCgi('unix', [...whole('one'), ...whole('two'), ...whole('three'), stall]);
  const connection = await connect(server.address);
  expect(bodyText(await call(connection))).toBe('one');
  expect(await readingOf(open(connection))).toEqual({ text: 'two', code: 'ok' });
  expect(bodyText(await call(connection))).toBe('three');
});
