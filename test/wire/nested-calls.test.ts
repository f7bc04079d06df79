/** Calls that a concurrent worker makes over its own connection: gathered from pieces, bounded, and left in time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NestedCall } from '../../gateway/fastcgi/index.ts';
import { MultiplexedAnswers } from '../../gateway/fastcgi/multiplexed.ts';
import { encodeAnswer, NestedCalls, OPEN_MAX, UNREAD_MAX_BYTES } from '../../gateway/fastcgi/nested-calls.ts';
import { cancelCall, decodeAnswers, decodeRecords, endRequest, nestedCall, piece, Type } from './codec.ts';

interface Peer {
  readonly answers: MultiplexedAnswers;
  readonly nested: NestedCalls;
  readonly calls: NestedCall[];
  readonly written: Buffer[];
  readonly writer: { unsentBytes: number };
  readonly ids: readonly number[];
}

/** With two requests under way. */
const start = (messageMaxBytes = 100_000): Peer => {
  const calls: NestedCall[] = [];
  const written: Buffer[] = [];
  const writer = { unsentBytes: 0, write: (bytes: Buffer) => void written.push(bytes), giveUp: () => {} };
  const nested = new NestedCalls({ messageMaxBytes, onCall: (call) => void calls.push(call) }, writer);
  const answers = new MultiplexedAnswers('unix:/worker', nested);
  const sink = { stdout: () => {}, stderr: () => {} };
  const ids = [1, 2].map(() => answers.expectRequest(sink).requestId);
  return { answers, nested, calls, written, writer, ids };
};

const messages = (calls: readonly NestedCall[]): string[] => calls.map((call) => call.takeMessage().toString());

const answersIn = (written: readonly Buffer[]): ReturnType<typeof decodeAnswers> => {
  const { records, rest } = decodeRecords(Buffer.concat(written));
  expect(rest).toHaveLength(0);
  return decodeAnswers(records);
};

describe('a message', () => {
  test('comes whole, however it is cut into records and reads', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(20_000), { maxLength: 8 }),
        fc.nat(255),
        (pieces, cuts, padding) => {
          const { answers, calls } = start();
          const wire = Buffer.concat(
            pieces.map((bytes, at) => piece(Type.CALL, 7, bytes, at === pieces.length - 1, { padding })),
          );
          const ends = [...cuts.map((cut) => cut % wire.length), wire.length].sort((a, b) => a - b);
          let from = 0;
          for (const end of ends) {
            // Memory of a read is used again.
            const read = Buffer.from(wire.subarray(from, end));
            expect(answers.push(read)).toBeUndefined();
            read.fill(0);
            from = end;
          }
          expect(calls).toHaveLength(1);
          expect(calls[0]?.takeMessage().equals(Buffer.concat(pieces))).toBe(true);
        },
      ),
    );
  });

  test('of several calls at once comes apart', () => {
    const { answers, calls } = start();
    answers.push(piece(Type.CALL, 1, 'a', false));
    answers.push(piece(Type.CALL, 2, 'x', false, { id: 2 }));
    answers.push(Buffer.concat([nestedCall(3, 'whole'), piece(Type.CALL, 2, 'y', true, { id: 2 })]));
    answers.push(piece(Type.CALL, 1, 'b'));
    expect(messages(calls)).toEqual(['whole', 'xy', 'ab']);
    expect(calls.map(({ number, requestId }) => [number, requestId])).toEqual([
      [3, 1],
      [2, 2],
      [1, 1],
    ]);
  });

  test('of a full record is taken', () => {
    const { answers, calls } = start();
    answers.push(nestedCall(1, Buffer.alloc(65_530, 'm')));
    expect(calls[0]?.messageBytes).toBe(65_530);
  });
});

describe('an answer', () => {
  test('is written in as many records as it takes, and read as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(200_000), fc.boolean(), (text, length, asBytes) => {
        const body = text.padEnd(length, 'é');
        const answer = encodeAnswer(
          { requestId: 3, number: 4_000_000_000 },
          '{"status":201,"headers":{"a":"ü"}}\n',
          asBytes ? Buffer.from(body) : body,
        );
        const { records } = decodeRecords(answer);
        expect(records.every(({ content, id }) => content.length <= 65_535 && id === 3)).toBe(true);
        const expected = Buffer.from(body).toString();
        expect(decodeAnswers(records)).toEqual([
          { id: 3, number: 4_000_000_000, status: 201, headers: { a: 'ü' }, body: expected },
        ]);
      }),
      { numRuns: 30 },
    );
  });

  test('ends its call: the number may be used again', () => {
    const { answers, calls, written, nested } = start();
    answers.push(nestedCall(1, 'first'));
    calls[0]?.answer('{"status":200,"headers":{}}\n', 'one');
    expect(nested.open).toBe(0);
    answers.push(nestedCall(1, 'second'));
    calls[1]?.answer('{"status":200,"headers":{}}\n', null);
    expect(answersIn(written).map(({ body }) => body)).toEqual(['one', '']);
  });

  test('however long is taken when all before it was read', () => {
    const { answers, calls, written } = start();
    answers.push(nestedCall(1, 'm'));
    expect(calls[0]?.answer('{"status":200,"headers":{}}\n', Buffer.alloc(UNREAD_MAX_BYTES + 1))).toBe(true);
    expect(Buffer.concat(written).length).toBeGreaterThan(UNREAD_MAX_BYTES);
  });

  test('given twice is given once: its number may be another call’s', () => {
    const { answers, calls, written, nested } = start();
    answers.push(nestedCall(1, 'first'));
    calls[0]?.answer('{"status":200,"headers":{}}\n', 'one');
    answers.push(nestedCall(1, 'second'));
    expect(calls[0]?.answer('{"status":200,"headers":{}}\n', 'again')).toBe(true);
    expect([answersIn(written).map(({ body }) => body), nested.open]).toEqual([['one'], 1]);
  });

  test('is not taken while the worker reads none; an error is', () => {
    const { answers, calls, written, writer } = start();
    answers.push(nestedCall(1, 'm'));
    writer.unsentBytes = UNREAD_MAX_BYTES;
    expect(calls[0]?.answer('{"status":200,"headers":{}}\n', Buffer.alloc(100_000))).toBe(false);
    expect(written).toEqual([]);
    expect(calls[0]?.answer('{"status":499,"headers":{}}\n', 'not read')).toBe(true);
    expect(answersIn(written)).toMatchObject([{ status: 499, body: 'not read' }]);
  });
});

describe('its caller leaves', () => {
  const begun = (): Peer & { readonly left: number[] } => {
    const peer = start();
    const left: number[] = [];
    peer.answers.push(Buffer.concat([nestedCall(1, 'a'), nestedCall(2, 'b'), nestedCall(3, 'c', { id: 2 })]));
    for (const call of peer.calls) call.whenLeft({ callerLeft: () => left.push(call.number) });
    return { ...peer, left };
  };

  test('with CANCEL, and is not answered', () => {
    const { answers, calls, left, written } = begun();
    expect(answers.push(cancelCall(2))).toBeUndefined();
    expect([left, calls.map(({ hasLeft }) => hasLeft)]).toEqual([[2], [false, true, false]]);
    expect(calls[1]?.answer('{}\n', 'late')).toBe(true);
    expect(written).toEqual([]);
  });

  test('with the end of the request it was made in', () => {
    const { answers, left, nested } = begun();
    expect(answers.push(endRequest(0, { id: 1 }))).toBeUndefined();
    expect([left, nested.open]).toEqual([[1, 2], 1]);
  });

  test('half sent, with the end of its request', () => {
    const { answers, nested, calls } = start();
    answers.push(Buffer.concat([piece(Type.CALL, 1, 'half', false), endRequest(0, { id: 1 })]));
    expect([nested.open, calls]).toEqual([0, []]);
  });

  test('with the connection', () => {
    const { nested, left } = begun();
    nested.end();
    expect([left, nested.open]).toEqual([[1, 2, 3], 0]);
  });

  test('a CANCEL that crosses the answer, or the end of the request, is nothing', () => {
    const { answers, calls } = begun();
    calls[0]?.answer('{}\n', null);
    answers.push(Buffer.concat([endRequest(0, { id: 1 }), endRequest(0, { id: 2 })]));
    // Cut inside of the record: nothing is due any more.
    const late = cancelCall(1);
    expect([answers.push(late.subarray(0, 5)), answers.push(late.subarray(5))]).toEqual([undefined, undefined]);
  });
});

describe('too much is told to the call, and nobody else meets it', () => {
  const refusal = ({ calls }: Peer): object | undefined => calls.at(-1)?.refused;

  test('more bytes than a message may have', () => {
    const peer = start(10);
    peer.answers.push(nestedCall(1, 'eleven byte'));
    expect(refusal(peer)).toMatchObject({ code: 'body-too-large', message: expect.stringContaining('10 bytes') });
    peer.answers.push(nestedCall(2, '10 bytes .'));
    expect(refusal(peer)).toBeUndefined();
  });

  test('more bytes than a message may have, in pieces: the rest is dropped, the end is answered', () => {
    const peer = start(10);
    for (const isLast of [false, false, false, true]) peer.answers.push(piece(Type.CALL, 1, 'seven..', isLast));
    expect(peer.calls).toHaveLength(1);
    expect(refusal(peer)).toMatchObject({ code: 'body-too-large' });
    expect(peer.calls[0]?.messageBytes).toBe(0);
  });

  test('more calls than may be open', () => {
    const peer = start();
    for (let number = 1; number <= OPEN_MAX; number += 1) peer.answers.push(nestedCall(number, 'm'));
    expect(refusal(peer)).toBeUndefined();
    peer.answers.push(nestedCall(OPEN_MAX + 1, 'm'));
    expect(refusal(peer)).toMatchObject({ code: 'overloaded', executed: 'no' });
    peer.calls[0]?.answer('{}\n', null);
    peer.calls.at(-1)?.answer('{}\n', null);
    peer.answers.push(nestedCall(OPEN_MAX + 2, 'm'));
    expect(refusal(peer)).toBeUndefined();
  });

  test('more bytes half sent than all may have', () => {
    const peer = start(64 * 1_048_576);
    const full = Buffer.alloc(65_000);
    const each = Array.from({ length: 16 }, () => full);
    for (let number = 1; number <= 64; number += 1)
      for (const bytes of each) peer.answers.push(piece(Type.CALL, number, bytes, false));
    expect(peer.calls).toEqual([]);
    for (const bytes of each) peer.answers.push(piece(Type.CALL, 65, bytes, false));
    peer.answers.push(piece(Type.CALL, 65, 'end'));
    expect(refusal(peer)).toMatchObject({ code: 'overloaded', message: expect.stringContaining('67108864 bytes') });
    // What is given back is room for others.
    peer.answers.push(piece(Type.CALL, 1, 'end'));
    expect(refusal(peer)).toBeUndefined();
    for (const bytes of each) peer.answers.push(piece(Type.CALL, 66, bytes, false));
    peer.answers.push(piece(Type.CALL, 66, 'end'));
    expect(refusal(peer)).toBeUndefined();
  });
});

describe('what breaks the protocol ends the connection', () => {
  test.each<[string, Buffer, string]>([
    ['a call of a request that is not due', nestedCall(1, 'm', { id: 9 }), 'a call for the request id 9'],
    ['a record without a number', piece(Type.CALL, 1, '').fill(0, 4, 6).subarray(0, 8), 'has 0 bytes'],
    ['unknown flags', Buffer.from(nestedCall(1, 'm')).fill(2, 12, 13), 'unknown flags 2'],
    ['a CANCEL with bytes', piece(Type.CANCEL, 1, 'why'), 'more than a number'],
    ['a CANCEL that goes on', piece(Type.CANCEL, 1, '', false), 'more than a number'],
    ['a number that is open', Buffer.concat([nestedCall(1, 'm'), nestedCall(1, 'm')]), 'call 1 again'],
    [
      "a piece of another request's call",
      Buffer.concat([piece(Type.CALL, 1, 'm', false), piece(Type.CALL, 1, 'm', true, { id: 2 })]),
      'a piece of call 1',
    ],
    [
      "a CANCEL of another request's call",
      Buffer.concat([nestedCall(1, 'm'), cancelCall(1, { id: 2 })]),
      'a CANCEL of call 1',
    ],
    ['an answer, which is ours to give', piece(Type.ANSWER, 1, 'm'), 'a record of type 14'],
    ['a pause, which is ours to ask for', piece(Type.PAUSE, 1, ''), 'a record of type 15'],
  ])('%s', (_name, wire, detail) => {
    const { answers } = start();
    expect(answers.push(wire)).toMatchObject({
      code: 'bad-function-response',
      detail: expect.stringContaining(detail),
    });
  });

  test('twice as many calls as may be open', () => {
    const { answers } = start();
    let failure: object | undefined;
    let number = 0;
    while (failure === undefined && number < 3 * OPEN_MAX)
      failure = answers.push(piece(Type.CALL, ++number, 'm', false));
    expect([number, failure]).toMatchObject([2 * OPEN_MAX + 1, { detail: expect.stringContaining('at most 10000') }]);
  });

  test.each([Type.CALL, Type.CANCEL])('record %i of a worker that runs one call at a time', (type) => {
    const answers = new MultiplexedAnswers('unix:/worker');
    answers.expectRequest({ stdout: () => {}, stderr: () => {} });
    expect(answers.push(piece(type, 1, ''))).toMatchObject({ detail: expect.stringContaining(`type ${type}`) });
  });
});

test('whatever bytes come: no exception, and nobody is forgotten', () => {
  const honest = fc.constantFrom(
    nestedCall(1, 'm'),
    piece(Type.CALL, 2, 'half', false),
    piece(Type.CALL, 2, 'end'),
    cancelCall(1),
    cancelCall(2),
    endRequest(0, { id: 1 }),
    nestedCall(3, 'm', { id: 2, padding: 3 }),
  );
  const spoiled = fc.tuple(honest, fc.nat(20), fc.nat(255)).map(([wire, at, byte]) => {
    const copy = Buffer.from(wire);
    copy[at % copy.length] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(honest, spoiled), { maxLength: 30 }), (wires) => {
      const { answers, nested, calls } = start();
      for (const wire of wires) if (answers.push(wire) !== undefined) break;
      nested.end();
      expect(nested.open).toBe(0);
      expect(calls.every(({ hasLeft }) => hasLeft)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
