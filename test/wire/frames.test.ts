/** Frames of a handler that streams: the same pieces under every cut of the bytes, and nothing but frames is taken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GatewayError, isGatewayError } from '../../gateway/errors.ts';
import { FrameParser } from '../../gateway/pool/frames.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_121);
const ITEM_MAX_BYTES = 1024;

/** Written as the runtime does, without a line of the gateway's. */
const frame = (type: string, payload: string | Uint8Array, length = Buffer.from(payload as string).length): Buffer =>
  Buffer.concat([
    Buffer.from(type, 'latin1'),
    Buffer.from([length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255]),
    Buffer.from(payload as string),
  ]);

type Event = readonly [kind: 'item' | 'bytes' | 'end', text: string];

/** Neighbouring pieces of bytes are joined: how they were cut is no matter. */
const eventsOf = (chunks: readonly Buffer[]): Event[] => {
  const events: Event[] = [];
  const parser = new FrameParser(ITEM_MAX_BYTES, {
    item: (json) => events.push(['item', json.toString('latin1')]),
    bytes: (piece) => {
      expect(piece.length).toBeGreaterThan(0);
      const last = events.at(-1);
      const text = piece.toString('latin1');
      if (last?.[0] === 'bytes') events[events.length - 1] = ['bytes', last[1] + text];
      else events.push(['bytes', text]);
    },
    end: (envelope) => events.push(['end', envelope.toString('latin1')]),
  });
  for (const chunk of chunks) {
    const view = Buffer.from(chunk);
    parser.push(view);
    // Items are views that are valid only during the call.
    view.fill('!');
  }
  return events;
};

const refusalOf = (chunks: readonly Buffer[]): GatewayError => {
  try {
    eventsOf(chunks);
  } catch (error) {
    if (isGatewayError(error)) return error;
    throw error;
  }
  throw new Error('it was taken');
};

const singly = (bytes: Buffer): Buffer[] => [...bytes].map((byte) => Buffer.from([byte]));

const taken: Record<string, readonly [bytes: Buffer, events: Event[]]> = {
  'an end alone': [frame('E', 'over'), [['end', 'over']]],
  'an empty end': [frame('E', ''), [['end', '']]],
  items: [
    Buffer.concat([frame('I', '{"n":1}'), frame('I', '2'), frame('E', 'over')]),
    [
      ['item', '{"n":1}'],
      ['item', '2'],
      ['end', 'over'],
    ],
  ],
  bytes: [
    Buffer.concat([frame('B', 'a\0b'), frame('B', 'c'), frame('E', 'over')]),
    [
      ['bytes', 'a\0bc'],
      ['end', 'over'],
    ],
  ],
  'empty pieces of bytes, which are none': [
    Buffer.concat([frame('B', ''), frame('B', 'a'), frame('B', ''), frame('E', '')]),
    [
      ['bytes', 'a'],
      ['end', ''],
    ],
  ],
  'an empty item': [frame('I', ''), [['item', '']]],
  'an item of just the limit': [frame('I', 'x'.repeat(ITEM_MAX_BYTES)), [['item', 'x'.repeat(ITEM_MAX_BYTES)]]],
  'bytes beyond the limit of items': [frame('B', 'x'.repeat(3000)), [['bytes', 'x'.repeat(3000)]]],
  'half a stream': [Buffer.concat([frame('I', '1'), frame('I', '2').subarray(0, 3)]), [['item', '1']]],
};

describe.each(Object.entries(taken))('%s', (_name, [bytes, events]) => {
  test('in one chunk', () => expect(eventsOf([bytes])).toEqual(events));
  test('byte by byte', () => expect(eventsOf(singly(bytes))).toEqual(events));
  test('cut at every offset', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(eventsOf([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(events);
  });
});

describe('refused', () => {
  test.each([
    ['an item above the limit, before it has come', frame('I', '', ITEM_MAX_BYTES + 1), 'response-too-large'],
    ['an item of four gigabytes', frame('I', '', 0xffffffff), 'response-too-large'],
    ['an end above 16 MiB', frame('E', '', 16 * 1_048_576 + 1), 'bad-function-response'],
    ['a type nobody knows', frame('X', 'x'), 'bad-function-response'],
    ['what a handler printed', Buffer.from('Warning: something'), 'bad-function-response'],
    ['a byte behind the end', Buffer.concat([frame('E', 'over'), Buffer.from('x')]), 'bad-function-response'],
    ['a frame behind the end', Buffer.concat([frame('E', ''), frame('I', '1')]), 'bad-function-response'],
  ])('%s', (_name, bytes, code) => {
    for (const chunks of [[bytes], singly(bytes)]) expect(refusalOf(chunks)).toMatchObject({ code, executed: 'yes' });
  });

  test('the end is given before what lies behind it is refused', () => {
    const ends: string[] = [];
    const sink = { item: () => {}, bytes: () => {}, end: (envelope: Buffer) => void ends.push(envelope.toString()) };
    const parser = new FrameParser(ITEM_MAX_BYTES, sink);
    expect(() => parser.push(Buffer.concat([frame('E', 'over'), Buffer.from('x')]))).toThrow(/behind the end/);
    expect(ends).toEqual(['over']);
  });
});

test('at random: how the bytes are cut changes nothing', () => {
  const payload = fc.uint8Array({ maxLength: 60 });
  const part = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constantFrom('I', 'B', 'E'), payload).map(([type, bytes]) => frame(type, bytes)),
    },
    { weight: 1, arbitrary: payload.map((bytes) => Buffer.from(bytes)) },
  );
  const outcome = (chunks: readonly Buffer[]): unknown => {
    try {
      return eventsOf(chunks);
    } catch (error) {
      if (isGatewayError(error)) return error.code;
      throw error;
    }
  };
  const property = fc.property(
    fc.array(part, { maxLength: 8 }),
    fc.array(fc.nat(), { maxLength: 10 }),
    (parts, cuts) => {
      const whole = Buffer.concat(parts);
      const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
      const chunks = [...places, whole.length].map((end, at) => whole.subarray(places[at - 1] ?? 0, end));
      expect(outcome(chunks)).toEqual(outcome([whole]));
      expect(outcome(singly(whole))).toEqual(outcome([whole]));
    },
  );
  fc.assert(property, { seed, numRuns: 5000 });
});
