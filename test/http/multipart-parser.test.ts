/** multipart/form-data: read the same however it is cut, and refused where it could be read in two ways. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { parseHeaderValue } from '../../gateway/http/header-value.ts';
import { MultipartParser, type PartHead } from '../../gateway/http/multipart-parser.ts';
import { BOUNDARY, multipart } from '../support/multipart.ts';

type Part = PartHead & { readonly body: string };

/** All parts of a body that comes in these pieces. */
const parse = (pieces: readonly Buffer[]): Part[] => {
  const parser = new MultipartParser(BOUNDARY);
  const parts: Part[] = [];
  let open: { head: PartHead; bytes: Buffer[] } | undefined;
  for (const piece of pieces) {
    for (const event of parser.push(piece)) {
      if (event.kind === 'part') open = { head: event.head, bytes: [] };
      else if (event.kind === 'data') open?.bytes.push(event.bytes);
      else if (open !== undefined) parts.push({ ...open.head, body: Buffer.concat(open.bytes).toString('latin1') });
    }
  }
  parser.end();
  return parts;
};

const refusal = (pieces: readonly Buffer[]): GatewayError => {
  try {
    parse(pieces);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('It was taken.');
};

const text = (name: string, body: string): Part => ({ name, fileName: undefined, contentType: undefined, body });

/** Once whole, byte by byte, and cut in two at every place. */
const everyCut = (bytes: Buffer): Buffer[][] => [
  [bytes],
  Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1)),
  ...Array.from(bytes, (_byte, at) => [bytes.subarray(0, at), bytes.subarray(at)]),
];

const nearly = `\r\n--${BOUNDARY.slice(0, -1)}x\r\n-\r\n--\r\r\n\r`;

describe('taken, however it is cut', () => {
  test.each<[string, Buffer, Part[]]>([
    ['one text', multipart({ name: 'a', body: 'hello' }), [text('a', 'hello')]],
    ['no parts', multipart(), []],
    ['an empty text', multipart({ name: 'a', body: '' }), [text('a', '')]],
    [
      'texts and a file',
      multipart(
        { name: 'a', body: '1' },
        { name: 'f', fileName: 'x.bin', type: 'a/b', body: '\0\r\n' },
        { name: 'b', body: '2' },
      ),
      [text('a', '1'), { name: 'f', fileName: 'x.bin', contentType: 'a/b', body: '\0\r\n' }, text('b', '2')],
    ],
    ['a body that looks like its boundary', multipart({ name: 'a', body: nearly }), [text('a', nearly)]],
    [
      'a body that ends in what could begin a boundary',
      multipart({ name: 'a', body: '\r\n--' }),
      [text('a', '\r\n--')],
    ],
    [
      'a preamble and an epilogue',
      Buffer.concat([
        Buffer.from('before\r\n'),
        multipart({ name: 'a', body: '1' }),
        Buffer.from(`after\r\n--${BOUNDARY}\r\n`),
      ]),
      [text('a', '1')],
    ],
    ['no line end behind the last boundary', multipart({ name: 'a', body: '1' }).subarray(0, -2), [text('a', '1')]],
    [
      'headers in other letters and order',
      multipart({ head: ['content-TYPE:text/plain', 'CONTENT-disposition:FORM-data;NAME=a'], body: '1' }),
      [{ ...text('a', '1'), contentType: 'text/plain' }],
    ],
    [
      'a header nobody needs',
      multipart({ head: ['Content-Disposition: form-data; name="a"', 'X-Other: 1'], body: '1' }),
      [text('a', '1')],
    ],
    [
      'UTF-8 in names',
      multipart({ name: 'ü', fileName: '日本.txt', body: '1' }),
      [{ name: 'ü', fileName: '日本.txt', contentType: undefined, body: '1' }],
    ],
    [
      'escaped quotes',
      multipart({ name: 'a\\"b', fileName: 'c:\\x\\\\y', body: '1' }),
      [{ name: 'a"b', fileName: 'c:\\x\\y', contentType: undefined, body: '1' }],
    ],
    ['a semicolon in quotes', multipart({ name: 'a; filename=x', body: '1' }), [text('a; filename=x', '1')]],
    [
      'an extended file name',
      multipart({
        head: [`Content-Disposition: form-data; name="f"; filename="x"; filename*=UTF-8''na%C3%AFve`],
        body: '1',
      }),
      [{ name: 'f', fileName: 'naïve', contentType: undefined, body: '1' }],
    ],
  ])('%s', (_what, bytes, parts) => {
    for (const pieces of everyCut(bytes)) expect(parse(pieces)).toEqual(parts);
  });
});

describe('refused, however it is cut', () => {
  const part = (head: readonly string[], body = '1'): Buffer => multipart({ head, body });
  const disposition = 'Content-Disposition: form-data; name="a"';
  test.each<[string, Buffer, RegExp]>([
    ['nothing', Buffer.alloc(0), /ends before its last boundary/],
    ['text', Buffer.from('hello'), /ends before its last boundary/],
    ['an end that is missing', multipart({ name: 'a', body: '1' }).subarray(0, -4), /ends before its last boundary/],
    ['an end in the headers', Buffer.from(`--${BOUNDARY}\r\nContent-Dis`), /ends before its last boundary/],
    ['another boundary', Buffer.from('--other\r\n\r\n\r\n--other--\r\n'), /ends before its last boundary/],
    ['a part without headers', part([]), /no Content-Disposition/],
    ['a part without Content-Disposition', part(['Content-Type: text/plain']), /no Content-Disposition/],
    ['a part that is no form-data', part(['Content-Disposition: attachment; name="a"']), /no Content-Disposition/],
    ['a part without a name', part(['Content-Disposition: form-data']), /no name/],
    ['a part without a name but a file name', part(['Content-Disposition: form-data; filename="x"']), /no name/],
    ['two names', part(['Content-Disposition: form-data; name="a"; name="b"']), /no Content-Disposition/],
    ['quotes that do not end', part(['Content-Disposition: form-data; name="a']), /no Content-Disposition/],
    ['text behind the parameters', part([`${disposition} x`]), /no Content-Disposition/],
    ['two dispositions', part([disposition, disposition]), /twice/],
    ['a line that is no header', part([disposition, 'nonsense']), /header line "nonsense"/],
    ['a folded header', part([disposition, ' folded: 1']), /header line/],
    ['a space before the colon', part([`Content-Disposition : form-data; name="a"`]), /header line/],
    ['NUL in a header', part([`${disposition}\0`]), /header line/],
    ['a bare line feed in a header', part([`${disposition}\nX: 1`]), /header line/],
    ['a bare carriage return in a header', part([`${disposition}\rX: 1`]), /header line/],
    ['headers of 9 kB', part([disposition, `X: ${'x'.repeat(9000)}`]), /larger than 8192/],
    ['headers that never end', Buffer.from(`--${BOUNDARY}\r\n${'X: 1\r\n'.repeat(2000)}`), /larger than 8192/],
    ['latin1 in a header', Buffer.from(multipart({ name: '\xfc', body: '' }).toString(), 'latin1'), /not UTF-8/],
    [
      'a part that is multipart',
      part([disposition, 'Content-Type: multipart/mixed; boundary=inner']),
      /itself multipart/,
    ],
    ['base64', part([disposition, 'Content-Transfer-Encoding: base64'], 'MQ=='), /transfer encoding "base64"/],
    ['a file name in another charset', part([`${disposition}; filename*=iso-8859-1''na%EFve`]), /filename\*/],
    ['a file name with half an escape', part([`${disposition}; filename*=UTF-8''na%C3`]), /filename\*/],
    ['text behind a boundary', Buffer.from(`--${BOUNDARY}x\r\n\r\n\r\n--${BOUNDARY}--`), /followed by something else/],
    [
      'spaces behind a boundary',
      Buffer.from(`--${BOUNDARY}  \r\n\r\n\r\n--${BOUNDARY}--`),
      /followed by something else/,
    ],
    [
      'a line feed alone behind a boundary',
      Buffer.from(`--${BOUNDARY}\n\n--${BOUNDARY}--`),
      /followed by something else/,
    ],
  ])('%s', (_what, bytes, detail) => {
    // Byte by byte a header of 9 kB is slow, and cut anywhere it is the same.
    for (const pieces of bytes.length > 5000 ? [[bytes]] : everyCut(bytes)) {
      const error = refusal(pieces);
      expect([error.code, error.headers.connection]).toEqual(['invalid-form', 'close']);
      expect(error.message).toMatch(detail);
    }
  });
});

const cuts = (bytes: Buffer, sizes: readonly number[]): Buffer[] => {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
};

const bodyBytes = fc
  .array(fc.constantFrom('\r', '\n', '-', '--', '\r\n--', BOUNDARY.slice(0, 5), 'x', '\0'), { maxLength: 20 })
  .map((all) => all.join(''));
const somePart = fc.record({
  name: fc.stringMatching(/^[a-zé]{1,8}$/),
  fileName: fc.option(fc.stringMatching(/^[a-z. ]{0,8}$/), { nil: undefined }),
  body: bodyBytes,
});

test('whatever is written is read, whatever the pieces', () => {
  fc.assert(
    fc.property(
      fc.array(somePart, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
      (parts, sizes) => {
        const written = multipart(
          ...parts.map(({ fileName, ...rest }) => (fileName === undefined ? rest : { ...rest, fileName })),
        );
        expect(parse(cuts(written, sizes))).toEqual(parts.map((part) => ({ contentType: undefined, ...part })));
      },
    ),
    { numRuns: 500 },
  );
});

test('other bytes are refused as such, and never loop', () => {
  const noise = fc.array(
    fc.constantFrom(
      '\r\n',
      `--${BOUNDARY}`,
      '--',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="a"',
      'x',
      ':',
      '"',
      ';',
      '\0',
    ),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(noise, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }), (pieces, sizes) => {
      const bytes = Buffer.from(pieces.join(''));
      const outcomes = [[bytes], cuts(bytes, sizes)].map((all) => {
        try {
          return parse(all);
        } catch (error) {
          return (error as GatewayError).message;
        }
      });
      expect(outcomes[1]).toEqual(outcomes[0]);
    }),
    { numRuns: 1000 },
  );
});

test('the platform agrees: what is taken, FormData reads alike', async () => {
  const body = multipart(
    { name: 'a', body: '1' },
    { name: 'ü', fileName: 'x.txt', type: 'text/plain', body: nearly },
    { name: 'b', body: '' },
  );
  const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
  const form = await new Response(new Uint8Array(body), { headers }).formData();
  const theirs = await Promise.all(
    [...form].map(async ([name, value]) => [name, typeof value === 'string' ? value : await value.text()]),
  );
  expect(parse([body]).map((part) => [part.name, part.body])).toEqual(
    theirs.map(([name, value]) => [Buffer.from(name ?? '').toString(), value]),
  );
});

test('a piece of many parts is not read further than somebody asks', () => {
  const parser = new MultipartParser(BOUNDARY);
  const events = parser.push(multipart(...Array.from({ length: 1000 }, () => ({ name: 'a', body: 'x' }))));
  expect(events.next().value).toMatchObject({ kind: 'part' });
});

describe('header values', () => {
  test.each<[string, string, Record<string, string>]>([
    ['text/html', 'text/html', {}],
    [' Text/HTML ; Charset=UTF-8 ', 'text/html', { charset: 'UTF-8' }],
    ['text/html;charset="utf-8";', 'text/html', { charset: 'utf-8' }],
    ['a/b; x=""', 'a/b', { x: '' }],
    ['a/b; x=; y=1', 'a/b', { x: '', y: '1' }],
    ['a/b;;; x=1;', 'a/b', { x: '1' }],
    ['multipart/form-data; boundary="a b"', 'multipart/form-data', { boundary: 'a b' }],
  ])('%s', (header, value, parameters) => {
    expect(parseHeaderValue(header)).toEqual({ value, parameters: new Map(Object.entries(parameters)) });
  });

  test.each(['', ' ', ';', 'a/b, c/d', 'a/b; x', 'a/b; x=1; X=2', 'a/b; x="1', 'a/b x=1', 'a/b; x=1 y', '"a"', 'ü/b'])(
    '%j is refused',
    (header) => {
      expect(parseHeaderValue(header)).toBeUndefined();
    },
  );
});
