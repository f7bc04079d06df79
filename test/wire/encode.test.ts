/** What the gateway writes, against bytes written by hand and against a second decoder. */
import { describe, expect, test } from 'vitest';
import { encodeParams } from '../../gateway/fastcgi/params.ts';
import { encodeBeginRequest, PING } from '../../gateway/fastcgi/record.ts';
import { encodeRequest, type FastCgiRequest, PREENCODED_REQUEST_ID } from '../../gateway/fastcgi/request.ts';
import { decodePairsOf, decodeRecords, decodeRequests, Type } from './codec.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

const request = (more: Partial<FastCgiRequest> = {}): FastCgiRequest => ({
  params: [],
  body: Buffer.alloc(0),
  ping: false,
  keepConnection: true,
  ...more,
});

const errorOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

const decodeParams = (bytes: Buffer): [string, string][] => {
  const { records, rest } = decodeRecords(bytes);
  expect(rest).toHaveLength(0);
  return records.flatMap(({ content }) => decodePairsOf(content));
};

describe('golden bytes', () => {
  test('BEGIN_REQUEST asks for a responder and keeps the connection', () => {
    expect(encodeBeginRequest(1, true)).toEqual(hex('01 01 0001 0008 00 00   0001 01 0000000000'));
  });

  test('BEGIN_REQUEST without keep has no flag', () => {
    expect(encodeBeginRequest(0x0102, false)).toEqual(hex('01 01 0102 0008 00 00   0001 00 0000000000'));
  });

  test('a ping is GET_VALUES with the id 0 and nothing in it', () => {
    expect(PING).toEqual(hex('01 09 0000 0000 00 00'));
  });

  test('PARAMS with short lengths', () => {
    expect(encodeParams(1, [['A', 'bc']])).toEqual(hex('01 04 0001 0005 00 00   01 02 41 6263'));
  });

  test('PARAMS with a long value: four bytes of length, the top bit set', () => {
    const expected = Buffer.concat([hex('01 04 0001 0086 00 00   01 80000080 41'), Buffer.alloc(128, 'v')]);
    expect(encodeParams(1, [['A', 'v'.repeat(128)]])).toEqual(expected);
  });

  test('a whole request with a ping in front is one buffer', () => {
    const chunks = encodeRequest(
      request({ params: [['A', 'b']], body: Buffer.from('xyz'), ping: true }),
      PREENCODED_REQUEST_ID,
    );
    expect(chunks).toHaveLength(1);
    expect(chunks[0]).toEqual(
      hex(`01 09 0000 0000 00 00
           01 01 0001 0008 00 00   0001 01 0000000000
           01 04 0001 0015 00 00   01 01 41 62   0e 01 434f4e54454e545f4c454e475448 33
           01 04 0001 0000 00 00
           01 05 0001 0003 00 00   78797a
           01 05 0001 0000 00 00`),
    );
  });
});

describe('params', () => {
  test.each([0, 1, 126, 127, 128, 129, 255, 256, 65_519])('a value of %i bytes comes back', (bytes) => {
    const value = 'v'.repeat(bytes);
    expect(decodeParams(encodeParams(1, [['NAME', value]]))).toEqual([['NAME', value]]);
  });

  test.each([127, 128, 65_000])('a name of %i bytes comes back', (bytes) => {
    const name = 'N'.repeat(bytes);
    expect(decodeParams(encodeParams(1, [[name, 'v']]))).toEqual([[name, 'v']]);
  });

  test('lengths count bytes, not characters', () => {
    const value = 'ü'.repeat(64);
    const encoded = encodeParams(1, [['ÄÖ', value]]);
    expect(encoded.subarray(8, 13)).toEqual(hex('04 80000080'));
    expect(decodeParams(encoded)).toEqual([['ÄÖ', value]]);
  });

  test('a pair that fills a record exactly is sent', () => {
    const value = 'v'.repeat(65_535 - 1 - 4 - 4);
    const { records } = decodeRecords(encodeParams(1, [['NAME', value]]));
    expect(records.map(({ content }) => content.length)).toEqual([65_535]);
  });

  test('a pair one byte too long is refused with the limit and the value met', () => {
    const value = 'v'.repeat(65_535 - 1 - 4 - 4 + 1);
    expect(errorOf(() => encodeParams(1, [['NAME', value]]))).toMatchObject({
      code: 'headers-too-large',
      executed: 'no',
      message: 'The FastCGI parameter NAME takes 65536 bytes; one record holds 65535.',
    });
  });

  test.each([
    ['', 'v'],
    ['A\0B', 'v'],
    ['A', 'ok.php\0.png'],
  ])('the pair %j = %j is refused: PHP would cut it at the NUL', (name, value) => {
    expect(errorOf(() => encodeParams(1, [[name, value]]))).toMatchObject({ code: 'bad-request', executed: 'no' });
  });

  test('pairs never span two records, and no record is empty or padded', () => {
    const many = Array.from({ length: 300 }, (_, i) => [`NAME_${i}`, 'v'.repeat((i * 37) % 1500)] as const);
    const { records, rest } = decodeRecords(encodeParams(1, many));
    expect(rest).toHaveLength(0);
    expect(records.length).toBeGreaterThan(3);
    for (const { content, padding, type } of records) {
      expect({ type, padding }).toEqual({ type: Type.PARAMS, padding: 0 });
      expect(content.length).toBeGreaterThan(0);
    }
    // decodePairsOf refuses a cut pair.
    expect(records.flatMap(({ content }) => decodePairsOf(content))).toEqual(many);
  });

  test('two pairs that fill one record exactly stay together, one byte more parts them', () => {
    const half = 32_767 - 1 - 4 - 4;
    const sizes = (secondBytes: number): number[] =>
      decodeRecords(
        encodeParams(1, [
          ['NAME', 'v'.repeat(half)],
          ['NAMF', 'v'.repeat(secondBytes)],
        ]),
      ).records.map(({ content }) => content.length);
    expect(sizes(half + 1)).toEqual([65_535]);
    expect(sizes(half + 2)).toEqual([32_767, 32_769]);
  });

  test('no params are no record: the stream is ended by the request', () => {
    expect(encodeParams(1, [])).toHaveLength(0);
  });
});

describe('requests', () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 131_070, 1_048_576])('a body of %i bytes comes back', (bytes) => {
    const body = Buffer.alloc(bytes, 'body');
    const encoded = Buffer.concat(encodeRequest(request({ params: [['A', 'b']], body }), PREENCODED_REQUEST_ID));
    const { records, rest } = decodeRecords(encoded);
    expect(rest).toHaveLength(0);
    const stdin = records.filter(({ type }) => type === Type.STDIN);
    expect(stdin.at(-1)?.content).toHaveLength(0);
    expect(stdin.slice(0, -1).every(({ content }) => content.length > 0)).toBe(true);
    expect(records.every(({ padding, id }) => padding === 0 && id === 1)).toBe(true);

    const [decoded, ...more] = decodeRequests(records);
    expect(more).toHaveLength(0);
    expect(decoded?.body.equals(body)).toBe(true);
    expect(decoded?.keepConnection).toBe(true);
    // php-fpm mixes up answers when the two differ.
    expect(decoded?.params).toEqual([
      ['A', 'b'],
      ['CONTENT_LENGTH', String(bytes)],
    ]);
  });

  test('params encoded ahead come first, and there is one end of the stream', () => {
    const encodedParams = encodeParams(1, [['AHEAD', '1']]);
    const { records } = decodeRecords(
      Buffer.concat(encodeRequest(request({ encodedParams, params: [['B', '2']] }), PREENCODED_REQUEST_ID)),
    );
    expect(decodeRequests(records)[0]?.params.map(([name]) => name)).toEqual(['AHEAD', 'B', 'CONTENT_LENGTH']);
    const empty = records.filter(({ type, content }) => type === Type.PARAMS && content.length === 0);
    expect(empty).toHaveLength(1);
  });

  test('a large body is written as it lies in memory, not copied', () => {
    const body = Buffer.alloc(200_000);
    const chunks = encodeRequest(request({ body }), PREENCODED_REQUEST_ID);
    const shared = chunks.filter((chunk) => chunk.buffer === body.buffer);
    expect(shared.reduce((sum, { length }) => sum + length, 0)).toBe(200_000);
  });
});
