/** CGI heads: what is taken, what is refused, and that it does not matter how the bytes are cut. */
import { describe, expect, test } from 'vitest';
import { type GatewayError, isGatewayError } from '../../gateway/errors.ts';
import { type CgiHead, CgiParser } from '../../gateway/fastcgi/response.ts';

interface Parsed {
  readonly head: CgiHead | undefined;
  readonly body: string;
}

const parse = (pieces: readonly (string | Buffer)[], maxHeadBytes = 65_536): Parsed => {
  let head: CgiHead | undefined;
  const body: Buffer[] = [];
  const parser = new CgiParser(maxHeadBytes, {
    head: (parsed) => {
      expect(head).toBeUndefined();
      head = parsed;
    },
    body: (piece) => {
      expect(head).toBeDefined();
      body.push(Buffer.from(piece));
    },
  });
  for (const piece of pieces) {
    // A view that is overwritten afterwards, as the connection's read buffer is.
    const view = Buffer.from(piece as string);
    parser.push(view);
    view.fill('!');
  }
  return { head, body: Buffer.concat(body).toString('latin1') };
};

const refusalOf = (text: string | Buffer, maxHeadBytes?: number): GatewayError => {
  try {
    parse([text], maxHeadBytes);
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    expect(error).toMatchObject({ code: 'bad-function-response', executed: 'yes' });
    return error;
  }
  throw new Error('it was taken');
};

const refusal = (text: string | Buffer, maxHeadBytes?: number): string => refusalOf(text, maxHeadBytes).message;

const taken: Record<string, readonly [text: string, head: CgiHead, body: string]> = {
  'CRLF line ends': [
    'A: 1\r\nB: 2\r\n\r\nbody',
    {
      status: 200,
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    'body',
  ],
  'LF line ends': [
    'A: 1\nB: 2\n\nbody',
    {
      status: 200,
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    'body',
  ],
  'mixed line ends': [
    'A: 1\r\nB: 2\n\r\nbody',
    {
      status: 200,
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    'body',
  ],
  'mixed line ends, the other way': [
    'A: 1\nB: 2\r\n\nbody',
    {
      status: 200,
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    'body',
  ],
  'no headers, the empty line at byte 0': ['\nbody', { status: 200, headers: [] }, 'body'],
  'no headers, the empty line at byte 1': ['\r\nbody', { status: 200, headers: [] }, 'body'],
  'no body': ['A: 1\r\n\r\n', { status: 200, headers: [['a', '1']] }, ''],
  'a body that begins with an empty line': [
    'A: 1\r\n\r\n\r\n\r\nx',
    { status: 200, headers: [['a', '1']] },
    '\r\n\r\nx',
  ],
  'a status with its reason': ['Status: 404 Not Found\r\n\r\n', { status: 404, headers: [] }, ''],
  'a status alone': ['sTaTuS:503\r\n\r\n', { status: 503, headers: [] }, ''],
  'a status between headers': [
    'A: 1\nStatus: 201 Created\nB: 2\n\n',
    {
      status: 201,
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    '',
  ],
  'spaces and tabs around a value': ['A: \t 1 2 \t\r\n\r\n', { status: 200, headers: [['a', '1 2']] }, ''],
  'a tab inside a value': ['A: 1\t2\r\n\r\n', { status: 200, headers: [['a', '1\t2']] }, ''],
  'an empty value': ['A:\r\n\r\n', { status: 200, headers: [['a', '']] }, ''],
  'the same header twice, in order': [
    'Set-Cookie: a\nSet-Cookie: b\n\n',
    {
      status: 200,
      headers: [
        ['set-cookie', 'a'],
        ['set-cookie', 'b'],
      ],
    },
    '',
  ],
  'a value with colons': ['Location: http://a:1/b\n\n', { status: 200, headers: [['location', 'http://a:1/b']] }, ''],
  'bytes past ASCII, as latin1': [
    'A: \u00e4\u00a0\n\n',
    { status: 200, headers: [['a', '\u00c3\u00a4\u00c2\u00a0']] },
    '',
  ],
};

describe('taken', () => {
  test.each(Object.entries(taken))('%s', (_name, [text, head, body]) => {
    expect(parse([text])).toEqual({ head, body });
  });

  test.each(Object.entries(taken))('%s: cut at every offset and byte by byte', (_name, [text, head, body]) => {
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(parse([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual({ head, body });
      for (let second = cut; second <= bytes.length; second += 1) {
        const pieces = [bytes.subarray(0, cut), bytes.subarray(cut, second), bytes.subarray(second)];
        expect(parse(pieces)).toEqual({ head, body });
      }
    }
    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual({ head, body });
  });
});

describe('refused', () => {
  test.each([
    ['a line without a colon', 'nonsense\n\n', 'is not a header'],
    ['HTML instead of headers', '<b>Fatal error</b>: no\n\n', 'is not a header'],
    ['an empty name', ': x\n\n', 'is not a header'],
    ['a space before the colon', 'A : x\n\n', 'is not a header'],
    ['a space in the name', 'A B: x\n\n', 'is not a header'],
    ['an obs-fold', 'A: x\r\n y\r\n\r\n', 'is not a header'],
    ['a folded line that looks like a header', 'A: x\r\n B: y\r\n\r\n', 'is not a header'],
    ['a NUL in a value', 'A: x\0y\n\n', 'a control character'],
    ['a bare CR in a value', 'A: x\ry\n\n', 'a control character'],
    ['a CR at the end of a value', 'A: x\r\r\n\r\n', 'a control character'],
    ['a vertical tab around a value', 'A: \v\n\n', 'a control character'],
    ['a DEL in a value', 'A: \x7f\n\n', 'a control character'],
    ['a NUL in a name', 'A\0: x\n\n', 'is not a header'],
    ['two Status headers', 'Status: 200\nstatus: 500\n\n', 'two Status headers'],
    ['a status that is no number', 'Status: OK\n\n', 'its Status is none of 200 to 599'],
    ['a status with text right behind', 'Status: 404NotFound\n\n', 'its Status is none of 200 to 599'],
    ['a status of two digits', 'Status: 20\n\n', 'its Status is none of 200 to 599'],
    ['a status of four digits', 'Status: 2000\n\n', 'its Status is none of 200 to 599'],
    ['an interim status', 'Status: 103 Early Hints\n\n', 'its Status is none of 200 to 599'],
    ['a status HTTP does not have', 'Status: 600\n\n', 'its Status is none of 200 to 599'],
    ['an empty status', 'Status:\n\n', 'its Status is none of 200 to 599'],
  ])('%s', (_name, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  test('what PHP sent is told to operators, not to callers', () => {
    const error = refusalOf('secret nonsense\n\n');
    expect(error.message).not.toContain('secret');
    expect(error.privateDetail).toContain('secret nonsense');
  });

  test('a value of many spaces takes linear time', () => {
    const spaces = ' '.repeat(60_000);
    expect(parse([`A: x${spaces}y\n\n`]).head?.headers[0]?.[1]).toHaveLength(60_002);
  });
});

describe('the limit of the head', () => {
  const text = 'A: 12345\r\n\r\n';

  test('is met exactly: taken, however the bytes are cut', () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(parse([text.slice(0, cut), `${text.slice(cut)}body`], text.length).body).toBe('body');
    }
  });

  test('is exceeded by one byte: refused with the limit, however the bytes are cut', () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const run = (): Parsed => parse([text.slice(0, cut), text.slice(cut)], text.length - 1);
      expect(run).toThrow('its head is larger than 11 bytes');
    }
  });

  test('is exceeded without an end: refused as soon as it is', () => {
    expect(refusal('x'.repeat(101), 100)).toContain('its head is larger than 100 bytes');
    expect(parse(['x'.repeat(100)], 100).head).toBeUndefined();
  });

  test('says nothing of the body', () => {
    expect(parse([`\n${'b'.repeat(1000)}`, 'c'], 1).body).toHaveLength(1001);
  });
});
