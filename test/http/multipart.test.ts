/** Forms with files over real sockets: what arrives, what is refused while it arrives, and that nothing stays behind. */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { file as fileField } from '../../gateway/contract.ts';
import { type InputServer, inputServer, type Told } from '../support/input-server.ts';
import { wholeFile } from '../support/lifetime.ts';
import { BOUNDARY, MULTIPART, multipart, PNG, type TestPart } from '../support/multipart.ts';
import { openRaw, type RawAnswer, rawPost, rawRequest } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

const MB = 1_048_576;
const any = ['*/*'];

const contract = {
  input: z.object({
    photo: fileField({ maxBytes: 2 * MB, mediaTypes: any }).optional(),
    docs: z
      .array(fileField({ maxBytes: 2 * MB, mediaTypes: any }))
      .max(3)
      .optional(),
    age: z.int().optional(),
    tags: z.array(z.string()).optional(),
  }),
  output: z.any(),
};

const config = {
  limits: {
    bodyMaxBytes: 20_000,
    uploadMaxBytes: 4 * MB,
    spoolAfterBytes: 100_000,
    spoolMaxBytes: 8 * MB,
    fieldsMax: 50,
  },
  http: { requestTimeoutMs: 300, uploadTimeoutMs: 600 },
};

const lifetime = wholeFile();
let server: InputServer;
/** For requests that are long at work, however fast the machine is. */
let patient: InputServer;

beforeAll(async () => {
  server = await inputServer(contract, config, lifetime);
  patient = await inputServer(contract, { limits: config.limits }, lifetime);
});

const send = async (body: Uint8Array, headers: Record<string, string | undefined> = {}): Promise<RawAnswer> =>
  await rawRequest(server.url, rawPost('/', body, { 'content-type': MULTIPART, ...headers }));

const told = async (...parts: readonly TestPart[]): Promise<Told> => {
  const answer = await send(multipart(...parts));
  expect(answer.status, answer.body).toBe(200);
  return JSON.parse(answer.body) as Told;
};

const openFiles = (): number => readdirSync('/proc/self/fd').length;

const nothingLeft = async (): Promise<void> => {
  await until('no file is left', () => server.waitingFiles().length === 0 && server.spool.usedBytes === 0);
};

/** Refused with this code, and nothing is left of it. */
const refused = async (answer: RawAnswer, status: number, code: string, detail: RegExp): Promise<void> => {
  const problem = JSON.parse(answer.body) as { code: string; executed: string; detail: string };
  expect([answer.status, problem.code, problem.executed]).toEqual([status, code, 'no']);
  expect(problem.detail).toMatch(detail);
  await nothingLeft();
};

describe('taken', () => {
  test('texts become what the contract asks for, files are there with name, type and size', async () => {
    const { value, written, bodyBytes } = await told(
      { name: 'age', body: '42' },
      { name: 'photo', fileName: 'C:\\me\\cat.png', type: 'text/plain', body: PNG },
      { name: 'tags', body: 'a' },
    );
    expect(value).toMatchObject({
      age: 42,
      tags: ['a'],
      photo: { name: 'cat.png', mediaType: 'image/png', size: PNG.length, kept: 'memory' },
    });
    expect(written).toEqual({ content: 'multipart', query: {}, body: { age: [['age', '42']], tags: [['tags', 'a']] } });
    expect(bodyBytes).toBeGreaterThan(PNG.length);
  });

  test('a list of files, with PHP’s brackets and without', async () => {
    const docs = ['docs[]', 'docs', 'docs[]'].map((name, at) => ({ name, fileName: `${at}.txt`, body: `${at}` }));
    const { value } = await told(...docs);
    expect(value.docs.map((doc: { name: string; text: string }) => [doc.name, doc.text])).toEqual([
      ['0.txt', '0'],
      ['1.txt', '1'],
      ['2.txt', '2'],
    ]);
  });

  test('an input that was left empty is absent; an empty file is a file', async () => {
    expect((await told({ name: 'photo', fileName: '', type: 'application/octet-stream', body: '' })).value).toEqual({});
    const { value } = await told({ name: 'photo', fileName: 'empty.txt', type: 'text/plain', body: '' });
    expect(value.photo).toMatchObject({ name: 'empty.txt', mediaType: 'text/plain', size: 0 });
  });

  test('a file without a name but with bytes is a file', async () => {
    expect((await told({ name: 'photo', fileName: '', body: 'x' })).value.photo).toMatchObject({
      name: 'file',
      size: 1,
    });
  });

  test('a larger file waits on disk, and is gone with its call', async () => {
    const { value } = await told({ name: 'photo', fileName: 'x', body: Buffer.alloc(2 * MB, 'x') });
    expect(value.photo).toMatchObject({ size: 2 * MB, kept: 'disk', text: 'x'.repeat(1000) });
    await nothingLeft();
  });

  test('a body each of whose bytes is a chunk of its own: texts and files in memory and on disk, in their order', async () => {
    const large = 'ab'.repeat(60_000);
    const body = multipart(
      { name: 'age', body: '42' },
      { name: 'docs[]', fileName: 'one.txt', body: 'one\r\n--' },
      { name: 'tags', body: 'ü' },
      { name: 'docs[]', fileName: 'empty.txt', body: '' },
      { name: 'photo', fileName: 'large.txt', body: large },
      { name: 'tags', body: 'b' },
    );
    const chunks = [...body].map((byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a]));
    const headers = { 'content-type': MULTIPART, 'content-length': undefined, 'transfer-encoding': 'chunked' };
    const request = [rawPost('/', '', headers), ...chunks, Buffer.from('0\r\n\r\n')];
    const { value, bodyBytes } = JSON.parse((await rawRequest(patient.url, Buffer.concat(request))).body) as Told;
    expect(value).toMatchObject({
      age: 42,
      tags: ['ü', 'b'],
      docs: [
        { name: 'one.txt', text: 'one\r\n--' },
        { name: 'empty.txt', size: 0 },
      ],
      photo: { name: 'large.txt', size: large.length, kept: 'disk', text: large.slice(0, 1000) },
    });
    expect(bodyBytes).toBe(body.length);
  });

  test('a boundary in quotes', async () => {
    const headers = { 'content-type': `Multipart/Form-Data; charset=utf-8; BOUNDARY="${BOUNDARY}"` };
    expect((await send(multipart({ name: 'age', body: '1' }), headers)).status).toBe(200);
  });

  test('the query adds members', async () => {
    const request = rawPost('/?age=7', multipart({ name: 'tags', body: 'a' }), { 'content-type': MULTIPART });
    const answer = JSON.parse((await rawRequest(server.url, request)).body) as Told;
    expect(answer.value).toEqual({ age: 7, tags: ['a'] });
    expect([answer.written.query, answer.written.body]).toEqual([{ age: [['age', '7']] }, { tags: [['tags', 'a']] }]);
  });

  test('in chunks of any size, over a socket', async () => {
    const body = multipart({ name: 'age', body: '1' }, { name: 'photo', fileName: 'x', body: Buffer.alloc(3000, 'y') });
    for (const size of [1, 7, 1000]) {
      const connection = await openRaw(patient.url);
      connection.send(
        rawPost('/', '', { 'content-type': MULTIPART, 'content-length': undefined, 'transfer-encoding': 'chunked' }),
      );
      for (let at = 0; at < body.length; at += size) {
        const chunk = body.subarray(at, at + size);
        connection.send(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
      }
      connection.send('0\r\n\r\n');
      const answer = JSON.parse((await connection.answer()).body) as Told;
      expect(answer.value).toMatchObject({ age: 1, photo: { size: 3000 } });
      expect(answer.bodyBytes).toBe(body.length);
      connection.socket.destroy();
    }
  });

  test('in process, without a socket', async () => {
    const form = new FormData();
    form.append('age', '5');
    form.append('docs[]', new File(['hello'], 'a.txt', { type: 'text/plain' }));
    const response = await server.fetch(new Request('http://localhost/', { method: 'POST', body: form }));
    expect(((await response.json()) as Told).value).toMatchObject({ age: 5, docs: [{ name: 'a.txt', text: 'hello' }] });
  });

  test('uploads one after another on one connection', async () => {
    const connection = await openRaw(server.url);
    for (let at = 0; at < 5; at += 1) {
      connection.send(
        rawPost('/', multipart({ name: 'photo', fileName: 'x', body: Buffer.alloc(300_000) }), {
          'content-type': MULTIPART,
        }),
      );
      expect((await connection.answer()).status).toBe(200);
    }
  });

  test('uploads at the same time leave nothing open', async () => {
    const before = openFiles();
    const body = multipart({ name: 'photo', fileName: 'x', body: Buffer.alloc(250_000) });
    const answers = await Promise.all(Array.from({ length: 8 }, async () => await send(body)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await nothingLeft();
    await until('all descriptors are closed', () => openFiles() <= before);
  });
});

describe('disguises', () => {
  test.each([
    ['HTML as a PNG', '<!doctype html><script>', 'image/png', 'application/octet-stream'],
    ['SVG as a PNG', '<svg onload="x()"/>', 'image/png', 'application/octet-stream'],
    ['text as a PNG', 'hello', 'image/png', 'application/octet-stream'],
    ['a PNG as text', PNG, 'text/plain', 'image/png'],
    ['nothing said', 'hello', undefined, 'application/octet-stream'],
  ])('%s', async (_what, body, type, mediaType) => {
    const part = { name: 'photo', fileName: 'x.png', body };
    expect((await told(type === undefined ? part : { ...part, type })).value.photo.mediaType).toBe(mediaType);
  });

  test.each([
    ['../../etc/cron.d/x', 'x'],
    ['..\\\\..\\\\x.php', 'x.php'],
    ['/', 'file'],
    ['..', 'file'],
    ['\u202Egpj.exe', 'gpj.exe'],
  ])('the file name %j', async (fileName, name) => {
    expect((await told({ name: 'photo', fileName, body: 'x' })).value.photo.name).toBe(name);
  });
});

const photo = (bytes: number): TestPart => ({ name: 'photo', fileName: 'x', body: Buffer.alloc(bytes) });
const many = (count: number, part: TestPart): TestPart[] => Array.from({ length: count }, () => part);
const disposition = 'Content-Disposition: form-data';

// biome-ignore format: a table to skim, not a list to scroll
const refusals: readonly (readonly [what: string, parts: readonly TestPart[], status: number, code: string, detail: RegExp])[] = [
  ['a file nobody asked for', [{ name: 'evil', fileName: 'x', body: '' }], 400, 'invalid-form', /no file named "evil"; it takes "photo", "docs\[\]"/],
  ['a file within a list', [{ name: 'docs[0]', fileName: 'x', body: '' }], 400, 'invalid-form', /no file named "docs\[0\]"/],
  ['a list where one file is asked for', [{ name: 'photo[]', fileName: 'x', body: '' }], 400, 'invalid-form', /no file named "photo\[\]"/],
  ['two files where one is asked for', [photo(1), photo(1)], 413, 'too-many-fields', /more than 1 files named "photo"/],
  ['four files where three are asked for', many(4, { name: 'docs[]', fileName: 'x', body: '1' }), 413, 'too-many-fields', /more than 3 files named "docs"/],
  ['a file larger than its field', [photo(2 * MB + 1)], 413, 'file-too-large', /"photo" is larger than 2097152 bytes/],
  ['files larger than all may be', [photo(2 * MB), ...many(2, { name: 'docs', fileName: 'x', body: Buffer.alloc(MB + 1) })], 413, 'body-too-large', /files of more than 4194304 bytes/],
  ['texts larger than a body', [photo(1), { name: 'tags', body: 'x'.repeat(20_001) }], 413, 'body-too-large', /20000 bytes besides its files/],
  ['many texts larger than a body', many(49, { name: 'tags', body: 'x'.repeat(400) }), 413, 'body-too-large', /20000 bytes besides its files/],
  ['too many fields', many(51, { name: 'tags', body: '' }), 413, 'too-many-fields', /more than 50 fields/],
  ['thousands of fields', many(5000, { name: 'a', body: '' }), 413, 'too-many-fields', /more than 50 fields/],
  ['too many empty file inputs', many(51, { name: 'photo', fileName: '', body: '' }), 413, 'too-many-fields', /more than 50 fields/],
  ['a text that is not UTF-8', [photo(300_000), { name: 'tags', body: Buffer.from([0xff]) }], 400, 'invalid-form', /"tags" is not UTF-8/],
  ['a text in latin1', [{ name: 'tags', type: 'text/plain; charset=iso-8859-1', body: 'x' }], 400, 'invalid-form', /iso-8859-1; send UTF-8/],
  ['a name PHP would bend', [photo(300_000), { name: 'a[b', body: 'x' }], 400, 'invalid-form', /brackets/],
  ['a part without a name', [photo(300_000), { head: [disposition], body: 'x' }], 400, 'invalid-form', /no name/],
  ['a part within a part', [photo(300_000), { head: [`${disposition}; name="a"`, 'Content-Type: multipart/mixed; boundary=x'], body: '--x--' }], 400, 'invalid-form', /itself multipart/],
  ['huge part headers', [photo(300_000), { head: [`${disposition}; name="${'x'.repeat(9000)}"`], body: 'x' }], 400, 'invalid-form', /larger than 8192/],
  ['a text and a file of one name', [{ name: 'photo', body: 'x' }, photo(300_000)], 400, 'duplicate-key', /"photo" came twice/],
];

describe('refused', () => {
  test.each(refusals)('%s', async (_what, parts, status, code, detail) => {
    await refused(await send(multipart(...parts)), status, code, detail);
  });

  test.each([
    ['no boundary', 'multipart/form-data'],
    ['an empty boundary', 'multipart/form-data; boundary='],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'x'.repeat(71)}`],
    ['a boundary with a line end', 'multipart/form-data; boundary="a\\\tb"'],
  ])('%s', async (_what, type) => {
    await refused(await send(multipart(), { 'content-type': type }), 400, 'invalid-form', /no boundary/);
  });

  test('two boundaries', async () => {
    const type = `${MULTIPART}; boundary=other`;
    await refused(await send(multipart(), { 'content-type': type }), 415, 'unsupported-media-type', /is needed/);
  });

  test('other multipart types', async () => {
    const answer = await send(multipart(), { 'content-type': `multipart/mixed; boundary=${BOUNDARY}` });
    await refused(answer, 415, 'unsupported-media-type', /multipart\/form-data or application\/json is needed/);
    expect(answer.headers['accept-post']).toBe('multipart/form-data, application/json');
  });

  test('an end that is missing', async () => {
    const body = multipart(photo(300_000));
    await refused(await send(body.subarray(0, -6)), 400, 'invalid-form', /ends before its last boundary/);
  });

  test('a length that is too short ends the body early', async () => {
    const body = multipart(photo(300_000));
    const answer = await send(body, { 'content-length': String(body.length - 100) });
    await refused(answer, 400, 'invalid-form', /ends before its last boundary/);
  });

  test('a member in body and query', async () => {
    const request = rawPost('/?age=1', multipart(photo(300_000), { name: 'age', body: '1' }), {
      'content-type': MULTIPART,
    });
    await refused(await rawRequest(server.url, request), 400, 'duplicate-key', /"age" came twice/);
  });
});

describe('while it still arrives', () => {
  const begun = Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n`);
  const announce = (bytes: number): Buffer =>
    Buffer.concat([rawPost('/', '', { 'content-type': MULTIPART, 'content-length': String(bytes) }), begun]);

  test('a file that is too large is refused with the byte that is too many, and the connection ends', async () => {
    const connection = await openRaw(server.url);
    connection.send(announce(3 * MB));
    connection.send(Buffer.alloc(2 * MB + 1));
    const answer = await connection.answer();
    await refused(answer, 413, 'file-too-large', /photo/);
    expect(answer.headers.connection).toBe('close');
    await connection.ended;
  });

  test('a body announced as too large is refused before a byte of it', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/', '', { 'content-type': MULTIPART, 'content-length': String(5 * MB) }));
    await refused(await connection.answer(), 413, 'body-too-large', /5242880 bytes/);
  });

  test('a caller that leaves takes its file along', async () => {
    const before = openFiles();
    const connection = await openRaw(server.url);
    connection.send(announce(2 * MB));
    connection.send(Buffer.alloc(MB));
    await until('it waits on disk', () => server.waitingFiles().length === 1);
    connection.socket.resetAndDestroy();
    await nothingLeft();
    expect(server.reads.codes.at(-1)).toBe('client-closed');
    await until('all descriptors are closed', () => openFiles() <= before);
  });

  test('a caller that closes its side before the end is gone, too', async () => {
    const connection = await openRaw(server.url);
    connection.send(announce(2 * MB));
    connection.send(Buffer.alloc(MB));
    await until('it waits on disk', () => server.waitingFiles().length === 1);
    connection.socket.end();
    await nothingLeft();
    await until('it is known why', () => server.reads.codes.at(-1) === 'client-closed');
  });

  test('a caller that is slower than an upload may be gets 408, and its file is gone', async () => {
    const connection = await openRaw(server.url);
    connection.send(announce(2 * MB));
    connection.send(Buffer.alloc(MB));
    await until('it waits on disk', () => server.waitingFiles().length === 1);
    const answer = await connection.answer();
    await refused(answer, 408, 'request-timeout', /600 ms/);
    expect(answer.headers.connection).toBe('close');
    await connection.ended;
  });

  test('one file too many is refused when it begins, not when it has come', async () => {
    const connection = await openRaw(server.url);
    connection.send(announce(2 * MB));
    connection.send(`\r\n--${BOUNDARY}\r\ncontent-disposition: form-data; name="photo"; filename="b"\r\n\r\n`);
    await refused(await connection.answer(), 413, 'too-many-fields', /more than 1 files named "photo"/);
  });

  test('a broken body is refused at once, not at its end', async () => {
    const connection = await openRaw(server.url);
    connection.send(announce(2 * MB));
    connection.send(`\r\n--${BOUNDARY}\r\nnonsense\r\n\r\n`);
    await refused(await connection.answer(), 400, 'invalid-form', /header line/);
  });

  test('in process: a body that breaks or is too slow leaves nothing behind', async () => {
    const request = (pull: (controller: ReadableStreamDefaultController) => void | Promise<void>): Request => {
      const start = (controller: ReadableStreamDefaultController): void => {
        controller.enqueue(new Uint8Array(begun));
        controller.enqueue(new Uint8Array(500_000));
      };
      const body = new ReadableStream({ start, pull });
      return new Request('http://localhost/', {
        method: 'POST',
        headers: { 'content-type': MULTIPART },
        body,
        duplex: 'half',
      });
    };
    const broken = await server.fetch(request((controller) => controller.error(new Error('gone'))));
    expect(((await broken.json()) as { code: string }).code).toBe('client-closed');
    const slow = await server.fetch(request(() => new Promise(() => {})));
    expect(((await slow.json()) as { code: string }).code).toBe('request-timeout');
    await nothingLeft();
  });
});

test('a form without files has the time of other requests', async () => {
  const texts = { input: z.object({ a: z.string() }), output: z.any(), contents: ['multipart' as const] };
  const plain = await inputServer(texts, config);
  const connection = await openRaw(plain.url);
  connection.send(rawPost('/', '', { 'content-type': MULTIPART, 'content-length': '1000' }));
  const answer = await connection.answer();
  expect([answer.status, answer.body]).toEqual([408, expect.stringContaining('300 ms')]);
  const file = await rawRequest(
    plain.url,
    rawPost('/', multipart({ name: 'x', fileName: 'x', body: '' }), { 'content-type': MULTIPART }),
  );
  expect([file.status, file.body]).toEqual([400, expect.stringContaining('it takes no files')]);
});

test('where all files together have no room, 503 says when to come again, and nothing is left', async () => {
  const small = await inputServer(contract, { ...config, limits: { ...config.limits, spoolMaxBytes: MB } });
  const body = multipart({ name: 'photo', fileName: 'x', body: Buffer.alloc(2 * MB) });
  const answer = await rawRequest(small.url, rawPost('/', body, { 'content-type': MULTIPART }));
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'overloaded']);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await until('its place is free', () => small.spool.usedBytes === 0 && small.waitingFiles().length === 0);
});
