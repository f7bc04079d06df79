/** JSON, forms, queries and raw bodies over real sockets: what becomes the input of a call. */
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Contract, file } from '../../gateway/contract.ts';
import { type InputServer, inputServer, type Told } from '../support/input-server.ts';
import { wholeFile } from '../support/lifetime.ts';
import { PNG } from '../support/multipart.ts';
import { openRaw, type RawAnswer, rawPost, rawRequest } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

const FORM = 'application/x-www-form-urlencoded';
const config = {
  limits: { bodyMaxBytes: 1000, uploadMaxBytes: 1_000_000, spoolAfterBytes: 1000, fieldsMax: 20, jsonDepth: 5 },
  http: { requestTimeoutMs: 300, uploadTimeoutMs: 600, allowedOrigins: ['https://friend.example'] },
};

const person = z.object({ name: z.string(), age: z.int(), tags: z.array(z.string()), admin: z.boolean() }).partial();
const contracts = {
  form: { input: person, output: z.any(), script: 'x.php', methods: ['GET', 'POST', 'PUT', 'DELETE'] },
  handler: { input: person, output: z.any() },
  anything: { input: z.any(), output: z.any() },
  raw: { input: file({ maxBytes: 500_000, mediaTypes: ['*/*'] }), output: z.any() },
  rawMember: {
    input: z.object({ picture: file({ maxBytes: 500_000, mediaTypes: ['*/*'] }), width: z.int() }),
    output: z.any(),
    contents: ['raw'],
  },
} as const satisfies Record<string, Contract>;

const lifetime = wholeFile();
const servers = new Map<string, InputServer>();

beforeAll(async () => {
  for (const [name, contract] of Object.entries(contracts))
    servers.set(name, await inputServer(contract, config, lifetime));
});

type Name = keyof typeof contracts;
type Headers = Readonly<Record<string, string | undefined>>;

const serverOf = (name: Name): InputServer => {
  const server = servers.get(name);
  if (server === undefined) throw new Error(name);
  return server;
};

const send = async (name: Name, path: string, body: string | Uint8Array, headers: Headers): Promise<RawAnswer> =>
  await rawRequest(serverOf(name).url, rawPost(path, body, headers));

const read = async (name: Name, path: string, body: string | Uint8Array, headers: Headers): Promise<Told> => {
  const answer = await send(name, path, body, headers);
  expect(answer.status, answer.body).toBe(200);
  return JSON.parse(answer.body) as Told;
};

const get = async (name: Name, request: string): Promise<Told> =>
  JSON.parse((await rawRequest(serverOf(name).url, `${request} HTTP/1.1\r\nhost: localhost\r\n\r\n`)).body) as Told;

const refused = (answer: RawAnswer, status: number, code: string, detail: RegExp): void => {
  const problem = JSON.parse(answer.body) as { code: string; detail: string };
  expect([answer.status, problem.code]).toEqual([status, code]);
  expect(problem.detail).toMatch(detail);
};

describe('a query', () => {
  test('is the input where there is no body', async () => {
    const { value, written, bodyBytes } = await get('form', 'GET /?name=a+b&age=4&tags=x&admin=on');
    expect(value).toEqual({ name: 'a b', age: 4, tags: ['x'], admin: true });
    expect([written.content, written.body, bodyBytes]).toEqual(['none', {}, 0]);
    expect(written.query).toEqual({
      name: [['name', 'a b']],
      age: [['age', '4']],
      tags: [['tags', 'x']],
      admin: [['admin', 'on']],
    });
  });

  test('is nothing where there is none', async () => {
    for (const target of ['/', '/?', '/?&&', '/#a=1', '/?#a=1'])
      expect((await get('form', `GET ${target}`)).value).toEqual({});
    expect((await get('form', 'DELETE /?age=1')).value).toEqual({ age: 1 });
  });

  test('in UTF-8', async () => {
    expect((await get('form', 'GET /?name=%C3%BC')).value).toEqual({ name: 'ü' });
  });

  test('joins JSON that is an object, whose own members are never changed', async () => {
    const { value, written } = await read('handler', '/?age=4&other=1', '{"name":"7","admin":"on"}', {});
    expect(value).toEqual({ name: '7', admin: 'on', age: 4, other: '1' });
    expect(written).toEqual({ content: 'json', query: { age: [['age', '4']], other: [['other', '1']] }, body: {} });
  });

  test.each(['[1]', '"x"', '1', 'null', 'true'])('beside the JSON %s is refused', async (body) => {
    refused(await send('anything', '/?a=1', body, {}), 400, 'invalid-form', /no object they could join/);
    expect((await read('anything', '/', body, {})).value).toEqual(JSON.parse(body));
  });

  test('with a member of the body is refused', async () => {
    refused(await send('handler', '/?name=a', '{"name":"b"}', {}), 400, 'duplicate-key', /"name" came twice/);
    refused(await send('form', '/?n.m=a', 'n_m=b', { 'content-type': FORM }), 400, 'duplicate-key', /"n_m" came twice/);
    refused(await send('form', '/?a[x]=1', 'a[y]=2', { 'content-type': FORM }), 400, 'duplicate-key', /"a" came twice/);
  });

  test('that cannot be read is refused before the body', async () => {
    refused(await send('handler', '/?a[=1', '', { 'content-length': '900' }), 400, 'invalid-form', /brackets/);
  });
});

describe('a form', () => {
  const form = { 'content-type': FORM };

  test('becomes what the contract asks for', async () => {
    const { value, written, bodyBytes } = await read('form', '/', 'name=%41&age=4&tags=x&tags=y&admin=', form);
    expect(value).toEqual({ name: 'A', age: 4, tags: ['x', 'y'] });
    expect(written.content).toBe('form');
    expect(written.body.tags).toEqual([
      ['tags', 'x'],
      ['tags', 'y'],
    ]);
    expect(bodyBytes).toBe(35);
  });

  test('may be empty', async () => {
    expect((await read('form', '/', '', form)).written.content).toBe('form');
    expect((await read('form', '/', '', { 'content-type': undefined })).written.content).toBe('none');
    expect((await read('form', '/', '', { 'content-type': undefined, 'content-length': undefined })).value).toEqual({});
  });

  test('in chunks', async () => {
    const connection = await openRaw(serverOf('form').url);
    connection.send(rawPost('/', '', { ...form, 'content-length': undefined, 'transfer-encoding': 'chunked' }));
    for (const chunk of ['na', 'me=', 'x&a', 'ge=1']) connection.send(`${chunk.length}\r\n${chunk}\r\n`);
    connection.send('0\r\n\r\n');
    expect((JSON.parse((await connection.answer()).body) as Told).value).toEqual({ name: 'x', age: 1 });
  });

  test('beyond a limit is refused', async () => {
    refused(await send('form', '/', `name=${'x'.repeat(1000)}`, form), 413, 'body-too-large', /1000/);
    refused(await send('form', '/', 'tags[]=&'.repeat(21), form), 413, 'too-many-fields', /more than 20/);
    refused(
      await send('form', `/?${'x[]=&'.repeat(11)}`, 'tags[]=&'.repeat(10), form),
      413,
      'too-many-fields',
      /more than 20/,
    );
    refused(await send('form', '/', 'a[b][c][d][e][f]=1', form), 400, 'json-too-deep', /5 levels/);
    refused(await send('form', '/', 'name=%ff', form), 400, 'invalid-form', /not UTF-8/);
  });

  test('of a page of another origin is refused, of an allowed one taken', async () => {
    const evil = { ...form, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    refused(await send('form', '/', 'name=x', evil), 403, 'forbidden-origin', /"https:\/\/evil.example"/);
    refused(await send('form', '/', '', { ...evil, 'content-type': undefined }), 403, 'forbidden-origin', /evil/);
    expect((await read('form', '/', 'name=x', { ...evil, origin: 'https://friend.example' })).value).toEqual({
      name: 'x',
    });
    expect((await read('handler', '/', '{}', { ...evil, 'content-type': 'application/json' })).value).toEqual({});
  });

  test('in process', async () => {
    const body = new URLSearchParams({ name: 'ü', age: '1' });
    const answer = await serverOf('form').fetch(new Request('http://localhost/?admin=yes', { method: 'POST', body }));
    expect(((await answer.json()) as Told).value).toEqual({ name: 'ü', age: 1, admin: true });
    const none = await serverOf('form').fetch(new Request('http://localhost/', { method: 'POST' }));
    expect(((await none.json()) as Told).written.content).toBe('none');
    const late = new Request('http://localhost/', {
      method: 'POST',
      headers: form,
      body: new ReadableStream({ pull: () => new Promise(() => {}) }),
      duplex: 'half',
    });
    expect((await serverOf('form').fetch(late)).status).toBe(408);
  });
});

describe('a raw body', () => {
  test('is the input itself', async () => {
    const { value, written, bodyBytes } = await read('raw', '/', PNG, { 'content-type': 'Image/PNG; x="1"' });
    expect(value).toMatchObject({ name: 'body', mediaType: 'image/png', size: PNG.length, kept: 'memory' });
    expect(written).toEqual({ content: 'raw', contentType: 'Image/PNG; x="1"', query: {}, body: {} });
    expect(bodyBytes).toBe(PNG.length);
  });

  test('or the one file among its members, the others in the query', async () => {
    const { value } = await read('rawMember', '/?width=7', PNG, { 'content-type': 'image/png' });
    expect(value).toMatchObject({ picture: { mediaType: 'image/png' }, width: 7 });
    refused(await send('rawMember', '/?picture=x', PNG, {}), 400, 'duplicate-key', /"picture" came twice/);
    refused(await send('raw', '/?width=7', PNG, {}), 400, 'invalid-form', /no object they could join/);
  });

  test('whatever its type says, JSON and forms included', async () => {
    for (const type of ['application/json', FORM, 'multipart/form-data', 'text/csv']) {
      const { value } = await read('raw', '/', 'a,b', { 'content-type': type });
      expect(value).toMatchObject({ mediaType: type, text: 'a,b' });
    }
  });

  test('in disguise is told so', async () => {
    const { value } = await read('raw', '/', '<script>', { 'content-type': 'image/png' });
    expect(value.mediaType).toBe('application/octet-stream');
  });

  test('of no bytes and no type is an empty file', async () => {
    const { value, written } = await read('raw', '/', '', { 'content-type': undefined });
    expect(value).toMatchObject({ size: 0, mediaType: 'application/octet-stream' });
    expect(written.contentType).toBeUndefined();
  });

  test('larger than its file may be is refused, announced or not', async () => {
    const announced = await openRaw(serverOf('raw').url);
    announced.send(rawPost('/', '', { 'content-length': '500001' }));
    refused(await announced.answer(), 413, 'file-too-large', /The body is larger than 500000 bytes/);
    const chunked = await openRaw(serverOf('raw').url);
    chunked.send(rawPost('/', '', { 'content-length': undefined, 'transfer-encoding': 'chunked' }));
    chunked.send(`${(500_001).toString(16)}\r\n`);
    chunked.send(Buffer.alloc(500_001));
    refused(await chunked.answer(), 413, 'file-too-large', /500000/);
    await until('nothing is left', () => serverOf('raw').waitingFiles().length === 0);
  });

  test('that is never complete is gone with its caller', async () => {
    const connection = await openRaw(serverOf('raw').url);
    connection.send(rawPost('/', Buffer.alloc(100_000), { 'content-length': '400000' }));
    await until('it waits on disk', () => serverOf('raw').waitingFiles().length === 1);
    connection.socket.resetAndDestroy();
    await until(
      'it is gone',
      () => serverOf('raw').waitingFiles().length === 0 && serverOf('raw').spool.usedBytes === 0,
    );
  });

  test('with a type that is none is refused', async () => {
    refused(
      await send('raw', '/', 'x', { 'content-type': 'image/png; x' }),
      415,
      'unsupported-media-type',
      /is needed/,
    );
  });
});

describe('time', () => {
  test.each<[string, Name, Headers, RegExp]>([
    ['JSON', 'handler', {}, /300 ms/],
    ['a form', 'form', { 'content-type': FORM }, /300 ms/],
    ['a file', 'raw', {}, /600 ms/],
  ])('%s that does not arrive in its time: 408, and the connection ends', async (_what, name, headers, detail) => {
    const connection = await openRaw(serverOf(name).url);
    connection.send(rawPost('/', 'x', { ...headers, 'content-length': '100' }));
    const answer = await connection.answer();
    refused(answer, 408, 'request-timeout', detail);
    expect(answer.headers.connection).toBe('close');
    await connection.ended;
  });

  test('a drop now and then does not buy more of it', async () => {
    const connection = await openRaw(serverOf('form').url);
    connection.send(rawPost('/', 'name=', { 'content-type': FORM, 'content-length': '900' }));
    const timer = setInterval(() => connection.send('x'), 20);
    refused(await connection.answer(), 408, 'request-timeout', /300 ms/);
    clearInterval(timer);
  });
});

test('GET with a body is refused', async () => {
  const request = rawPost('/', '{}').toString().replace('POST', 'GET');
  refused(await rawRequest(serverOf('form').url, request), 400, 'bad-request', /no body/);
});
