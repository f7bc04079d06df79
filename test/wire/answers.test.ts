/** Every kind of answer, re-fed cut at every offset: the same events in the same order. */
import { describe, expect, test } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { Answers } from '../../gateway/fastcgi/answers.ts';
import { RecordParser } from '../../gateway/fastcgi/parser.ts';
import { endRequest, pairs, pingAnswer, record, stderr, stdout, Type } from './codec.ts';

type Event = readonly [kind: string, ...rest: (string | number)[]];

/** Events, with neighbouring pieces of one stream joined: how they were cut is no matter. */
const eventsOf = (chunks: readonly Buffer[]): Event[] => {
  const events: Event[] = [];
  const parser = new RecordParser();
  const sink = {
    stream: (type: number, id: number, piece: Buffer): void => {
      const kind = type === Type.STDOUT ? 'stdout' : 'stderr';
      const last = events.at(-1);
      const text = piece.toString('latin1');
      if (last?.[0] === kind && last[1] === id) events[events.length - 1] = [kind, id, `${last[2]}${text}`];
      else events.push([kind, id, text]);
    },
    endRequest: (id: number, appStatus: number, protocolStatus: number): void => {
      events.push(['end', id, appStatus, protocolStatus]);
    },
    getValuesResult: (content: Buffer): void => {
      events.push(['values', content.toString('latin1')]);
    },
  };
  for (const chunk of chunks) {
    const view = Buffer.from(chunk);
    parser.push(view, sink);
    // The connection reads into the same buffer again.
    view.fill('!');
  }
  expect(parser.atBoundary).toBe(true);
  return events;
};

const head = 'Content-type: text/plain\r\n\r\n';
const values = pairs([['FCGI_MPXS_CONNS', '0']]).toString('latin1');

const answers: Record<string, readonly [bytes: Buffer, events: Event[]]> = {
  plain: [
    Buffer.concat([stdout(`${head}hello`), endRequest()]),
    [
      ['stdout', 1, `${head}hello`],
      ['end', 1, 0, 0],
    ],
  ],
  'nothing but END_REQUEST, with stale reserved bytes': [endRequest(), [['end', 1, 0, 0]]],
  'a protocol status': [endRequest(2), [['end', 1, 0, 2]]],
  'an application status of four bytes': [
    record(Type.END, Buffer.from('fedcba9800000000', 'hex')),
    [['end', 1, 0xfedcba98, 0]],
  ],
  'STDERR before STDOUT': [
    Buffer.concat([stderr('PHP message: A'), stdout(head), endRequest()]),
    [
      ['stderr', 1, 'PHP message: A'],
      ['stdout', 1, head],
      ['end', 1, 0, 0],
    ],
  ],
  'STDERR between STDOUT': [
    Buffer.concat([stdout(`${head}a`), stderr('oh'), stdout('b'), endRequest()]),
    [
      ['stdout', 1, `${head}a`],
      ['stderr', 1, 'oh'],
      ['stdout', 1, 'b'],
      ['end', 1, 0, 0],
    ],
  ],
  'a head split over records': [
    Buffer.concat([stdout('Content-'), stdout('type: a\r'), stdout('\n\r\nb'), endRequest()]),
    [
      ['stdout', 1, 'Content-type: a\r\n\r\nb'],
      ['end', 1, 0, 0],
    ],
  ],
  padding: [
    Buffer.concat([stdout(head, { padding: 4 }), stdout('a', { padding: 255 }), endRequest(0, { padding: 7 })]),
    [
      ['stdout', 1, `${head}a`],
      ['end', 1, 0, 0],
    ],
  ],
  'an empty STDOUT record': [
    Buffer.concat([stdout(head), stdout(''), stderr('', { padding: 3 }), endRequest()]),
    [
      ['stdout', 1, head],
      ['stderr', 1, ''],
      ['end', 1, 0, 0],
    ],
  ],
  'a ping answered in front': [
    Buffer.concat([pingAnswer(), stdout(head), endRequest()]),
    [
      ['values', values],
      ['stdout', 1, head],
      ['end', 1, 0, 0],
    ],
  ],
  'an empty ping answer': [
    Buffer.concat([record(Type.VALUES, '', { id: 0 }), endRequest()]),
    [
      ['values', ''],
      ['end', 1, 0, 0],
    ],
  ],
  'a large ping answer': [record(Type.VALUES, 'v'.repeat(4096), { id: 0 }), [['values', 'v'.repeat(4096)]]],
  'two answers in a row': [
    Buffer.concat([stdout('1'), endRequest(), pingAnswer(), stdout('2'), endRequest()]),
    [
      ['stdout', 1, '1'],
      ['end', 1, 0, 0],
      ['values', values],
      ['stdout', 1, '2'],
      ['end', 1, 0, 0],
    ],
  ],
  'many small records': [
    Buffer.concat([...Array.from({ length: 200 }, (_, i) => stdout(String(i % 10))), endRequest()]),
    [
      ['stdout', 1, '0123456789'.repeat(20)],
      ['end', 1, 0, 0],
    ],
  ],
};

describe.each(Object.entries(answers))('%s', (_name, [bytes, events]) => {
  test('in one chunk', () => expect(eventsOf([bytes])).toEqual(events));

  test('cut at every offset', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(eventsOf([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(events);
    }
  });

  test('byte by byte', () => expect(eventsOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(events));
});

test('the largest records, with and without padding, cut near every border', () => {
  const content = 'x'.repeat(65_535);
  const bytes = Buffer.concat([stdout(content, { padding: 255 }), stdout(content), endRequest()]);
  const events: Event[] = [
    ['stdout', 1, content + content],
    ['end', 1, 0, 0],
  ];
  const borders = [8, 65_543, 65_798, 65_806, 131_341, 131_349];
  for (const border of borders) {
    for (let cut = border - 2; cut <= border + 2; cut += 1) {
      expect(eventsOf([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(events);
    }
  }
});

describe('a broken protocol is refused', () => {
  test.each([
    ['version 0', record(Type.STDOUT, 'x', { version: 0 }), 'version 0 instead of 1'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'version 72 instead of 1'],
    ['a record only clients send', record(Type.BEGIN, Buffer.alloc(8)), 'a record of type 1 where an answer'],
    ['a type nobody knows', record(99), 'a record of type 99'],
    ['UNKNOWN_TYPE', record(11, Buffer.alloc(8), { id: 0 }), 'a record of type 11'],
    ['a short END_REQUEST', record(Type.END, Buffer.alloc(7)), 'END_REQUEST has 7 bytes instead of 8'],
    ['an empty END_REQUEST', record(Type.END), 'END_REQUEST has 0 bytes instead of 8'],
    ['a long END_REQUEST', record(Type.END, Buffer.alloc(9)), 'END_REQUEST has 9 bytes instead of 8'],
    ['a huge END_REQUEST', record(Type.END, Buffer.alloc(4097)), 'has 4097 bytes; at most 4096'],
    ['a huge ping answer', record(Type.VALUES, Buffer.alloc(4097), { id: 0 }), 'has 4097 bytes; at most 4096'],
  ])('%s', (_name, bytes, message) => {
    expect(() => eventsOf([bytes])).toThrow(message);
    expect(() => eventsOf([...bytes].map((byte) => Buffer.from([byte])))).toThrow(message);
  });
});

describe('bytes that fit no due answer end the connection', () => {
  const sink = { stdout: () => {}, stderr: () => {} };
  const due = (ping: boolean): Answers => {
    const waiting = new Answers('the peer');
    waiting.expectRequest(sink, ping).done.catch(() => {});
    return waiting;
  };

  test.each([
    ['output while nothing is due', () => new Answers('the peer'), stdout('x'), 'output without a request'],
    ['an empty record while nothing is due', () => new Answers('the peer'), stdout(''), 'output without a request'],
    [
      'half a header while nothing is due',
      () => new Answers('the peer'),
      Buffer.from([1, 6, 0]),
      'bytes after the last answer',
    ],
    [
      'a whole header while nothing is due',
      () => new Answers('the peer'),
      stdout('x').subarray(0, 8),
      'bytes after the last answer',
    ],
    [
      'a second END_REQUEST',
      () => due(false),
      Buffer.concat([endRequest(), endRequest()]),
      'END_REQUEST without a request',
    ],
    [
      'half a header after END_REQUEST',
      () => due(false),
      Buffer.concat([endRequest(), Buffer.from([1])]),
      'bytes after the last answer',
    ],
    ['a ping answer nobody asked for', () => due(false), pingAnswer(), 'an answer to a ping nobody sent'],
    [
      'a ping answered twice',
      () => due(true),
      Buffer.concat([pingAnswer(), pingAnswer()]),
      'an answer to a ping nobody sent',
    ],
    [
      'a ping answer while nothing is due',
      () => new Answers('the peer'),
      pingAnswer(),
      'an answer to a ping nobody sent',
    ],
    ['another request id', () => due(false), stdout('x', { id: 2 }), 'output for the request id 2'],
    ['the null request id', () => due(false), endRequest(0, { id: 0 }), 'END_REQUEST for the request id 0'],
    ['output before the ping is answered', () => due(true), stdout('x'), 'output before the answer to the ping'],
    ['an end before the ping is answered', () => due(true), endRequest(), 'END_REQUEST before the answer to the ping'],
    ['an unknown protocol status', () => due(false), endRequest(4), 'the unknown protocol status 4'],
    [
      'output and then a refusal',
      () => due(false),
      Buffer.concat([stdout('x'), endRequest(2)]),
      'output of a request that was refused',
    ],
  ])('%s', (_name, make, bytes, message) => {
    const failure = make().push(bytes);
    expect(failure).toMatchObject({ code: 'bad-function-response' });
    expect(failure?.detail).toContain(message);
  });

  test('padding behind the last answer is no such byte, in whatever chunk it comes', () => {
    const bytes = endRequest(0, { padding: 3 });
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const waiting = due(false);
      expect(waiting.push(bytes.subarray(0, cut))).toBeUndefined();
      expect(waiting.push(bytes.subarray(cut))).toBeUndefined();
      expect(waiting.settled).toBe(true);
    }
  });

  test('a cut pair in the answer to a ping', () => {
    for (const content of ['05', '8000', '0105', '80000001', '01800000', 'ffffffffffffffff']) {
      const waiting = new Answers('the peer');
      void waiting.expectPing();
      const failure = waiting.push(record(Type.VALUES, Buffer.from(content, 'hex'), { id: 0 }));
      expect(failure).toMatchObject({
        code: 'bad-function-response',
        detail: 'The FastCGI peer sent a cut name-value pair.',
      });
    }
  });
});

describe('what a sink throws', () => {
  test('fails its own request alone; those behind it fail as if the worker had gone', async () => {
    const waiting = new Answers('the peer');
    const thrower = {
      stdout: () => {
        throw new RangeError('a bug in a sink');
      },
      stderr: () => {},
    };
    const first = waiting.expectRequest(thrower, false);
    const second = waiting.expectRequest({ stdout: () => {}, stderr: () => {} }, true);
    for (const { progress } of [first, second]) progress.sent = 'complete';
    const failure = waiting.push(stdout('x'));
    if (failure === undefined) throw new Error('it was taken');
    waiting.end(failure, false);
    await expect(first.done).rejects.toMatchObject({ code: 'internal-error', executed: 'yes' });
    await expect(second.done).rejects.toMatchObject({ code: 'worker-crashed', executed: 'unknown' });
    await expect(second.done).rejects.toSatisfy(isGatewayError);
  });
});
