/** Plain calls over a socket go past the router: what they are answered must not show it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { plainCallPath } from '../../gateway/http/call-path.ts';
import type { Server } from '../../gateway/server.ts';
import { startTestServer } from '../support/gateway.ts';
import { gatewayFunction } from '../support/input-server.ts';
import { wholeFile } from '../support/lifetime.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';
import { openRaw, type RawAnswer, rawPost, rawRequest } from '../support/raw-http.ts';

const SCRIPT = `<?php
header('Content-Type: text/plain');
header('Vary: a'); header('Vary: b', false); header('Set-Cookie: a=1'); header('Set-Cookie: b=2', false);
http_response_code((int) ($_GET['status'] ?? 200));
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['HTTP_ACCEPT'] ?? '-', ' ', json_encode($_POST);
`;

const script = (more: string): string => `
import { z } from 'zod';
import { binary, defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: binary('text/plain'), methods: ['GET', 'POST'], ${more} });
`;

const file = wholeFile();
let server: Server;

beforeAll(async () => {
  const project = writeProject(
    {
      'functions/echo.php': handler('return $input;'),
      'schemas/echo.ts': anyContract(),
      'functions/fails.php': handler("throw new Failure('no', ['a' => 1]);"),
      'schemas/fails.ts': anyContract('errors: { no: { status: 409, data: z.any() } }'),
      'functions/page.php': SCRIPT,
      'schemas/page.ts': script("script: 'page.php'"),
      'functions/untyped.php': "<?php ini_set('default_mimetype', ''); http_response_code(404); echo 'x';",
      'schemas/untyped.ts': script("script: 'untyped.php'"),
      'functions/shop/cart.php': SCRIPT,
      'functions/shop/admin/list.php': SCRIPT,
      'schemas/shop.ts': script("scripts: { folder: 'shop', files: ['cart.php', 'admin/list.php'] }"),
    },
    file,
  );
  const env = { FPMG_LIMITS__BODY_MAX_BYTES: '1000', FPMG_HTTP__ALLOWED_HOSTS: '["localhost"]' };
  server = await startTestServer(project, { env }, file);
});

/** Without what is another one in every answer. */
const told = ({ status, headers, body }: RawAnswer): object => {
  const { date, 'trace-id': traceId, 'request-id': requestId, 'server-timing': timing, ...rest } = headers;
  const timed = timing?.replaceAll(/=[\d.]+/g, '');
  const text = body
    .replace(traceId ?? '', '')
    .replaceAll(/urn:uuid:[\w-]+/g, '')
    // Where the time of a call that was late went.
    .replaceAll(/ Of \d+ ms: [^"]+|"\w+Ms":[\d.]+/g, '')
    .replaceAll(/%[0-9a-f]{2}/g, '');
  return { status, ids: [traceId?.length, requestId?.length, date?.length], timed, rest, text };
};

/** An escaped letter changes nothing about the name, but the router has to see it. */
const bothWays = async (bytes: (escaped: (letter: string) => string) => string | Uint8Array): Promise<object[]> => {
  const plain = await rawRequest(
    server.url,
    bytes((letter) => letter),
  );
  const routed = await rawRequest(
    server.url,
    bytes((letter) => `%${letter.charCodeAt(0).toString(16)}`),
  );
  return [told(plain), told(routed)];
};

const same = async (bytes: (escaped: (letter: string) => string) => string | Uint8Array): Promise<void> => {
  const [plain, routed] = await bothWays(bytes);
  // The length of a problem tells how its path was written.
  const { rest: { 'content-length': _length, ...headers } = {}, ...answer } = plain as {
    rest?: Record<string, string>;
  };
  expect(routed).toMatchObject({ ...answer, rest: headers });
};

describe('a handler', () => {
  test.each<[string, string, Record<string, string | undefined>]>([
    ['JSON', '{"a":[1,"ü",null]}', {}],
    ['text beyond Latin-1', '"π€"', {}],
    ['text of Latin-1', '"é"', {}],
    ['an empty body', '', {}],
    ['broken JSON', '{', {}],
    ['a body that is too large', `"${'x'.repeat(1000)}"`, {}],
    ['no type', '1', { 'content-type': undefined }],
    ['two types', '1', { 'content-type': 'application/json\r\ncontent-type: text/plain' }],
    ['a type with parameters', '1', { 'content-type': 'Application/JSON; charset="UTF-8"' }],
    ['a coding', '1', { 'content-encoding': 'gzip' }],
    ['another Accept', '1', { accept: 'text/html' }],
    ['two Accepts', '1', { accept: 'text/html\r\naccept: application/json' }],
    ['a request id', '1', { 'x-request-id': 'mine-1' }],
    ['a bad request id', '1', { 'x-request-id': 'a b' }],
    ['a traceparent', '1', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }],
    ['garbage as a time limit', '1', { 'x-request-timeout-ms': 'soon' }],
    ['no time', '1', { 'x-request-timeout-ms': '0' }],
    ['another host', '1', { host: 'evil' }],
    ['two hosts', '1', { host: 'localhost\r\nhost: localhost' }],
    ['a host with a port', '1', { host: 'localhost:80' }],
    ['no host', '1', { host: undefined }],
    ['a header with _', '1', { a_b: '1' }],
    ['Proxy', '1', { proxy: 'evil' }],
  ])('with %s', async (_what, body, headers) => {
    await same((escaped) => rawPost(`/functions/${escaped('e')}cho`, body, headers));
  });

  test.each(['GET', 'PUT', 'DELETE', 'TRACE', 'PROPFIND', 'OPTIONS'])('asked with %s', async (method) => {
    await same((escaped) => `${method} /functions/${escaped('e')}cho HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  });

  test.each(['?a=1&b=2', '?', '?a=%zz', '?a=ü', '#a', '?a=1#b', '?a=/../b', '?a=\\'])('at %s', async (rest) => {
    await same((escaped) => rawPost(`/functions/${escaped('e')}cho${rest}`, '{"c":3}'));
  });

  test('whose call fails', async () => {
    await same((escaped) => rawPost(`/functions/${escaped('f')}ails`, '1'));
  });
});

describe('a script', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };

  test.each(['page', 'page?status=404', 'page?status=204', 'page?a=1&b[]=2', 'page?status=301'])(
    'at %s',
    async (at) => {
      await same((escaped) =>
        rawPost(`/functions/${escaped('p')}${at.slice(1)}`, 'c=3&d=%C3%BC', { ...form, accept: 'text/*' }),
      );
      await same((escaped) => `GET /functions/${escaped('p')}${at.slice(1)} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    },
  );

  test.each(['/cart.php', '/admin/list.php', '', '/', '/none.php', '//cart.php', '/cart.php/', '/admin%2flist.php'])(
    'of several, at %s',
    async (at) => {
      await same((escaped) => rawPost(`/functions/${escaped('s')}hop${at}`, 'a=1', form));
    },
  );

  test('that says no type', async () => {
    await same((escaped) => rawPost(`/functions/${escaped('u')}ntyped`, '', form));
  });

  test('each line of a header is its own', async () => {
    const connection = await openRaw(server.url);
    const head = new Promise<string>((resolve) => connection.socket.once('data', (bytes) => resolve(String(bytes))));
    connection.send('GET /functions/page HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect((await head).match(/^set-cookie: .*$/gim)).toEqual(['set-cookie: a=1', 'set-cookie: b=2']);
  });
});

test('head and body of an answer arrive together', async () => {
  const connection = await openRaw(server.url);
  for (const body of ['1', '"ü"', `"${'x'.repeat(900)}"`]) {
    const first = new Promise<string>((resolve) => connection.socket.once('data', (bytes) => resolve(String(bytes))));
    connection.send(rawPost('/functions/echo', body));
    expect((await first).endsWith(`\r\n\r\n${body}`)).toBe(true);
    await connection.answer();
  }
});

test('a body that comes apart from its head, and in pieces', async () => {
  const connection = await openRaw(server.url);
  const request = rawPost('/functions/echo', '[1,2,3]').toString();
  const head = request.indexOf('[');
  for (const cuts of [[head], [head + 1], [10, head + 2, head + 5], [head - 2, head + 7]]) {
    let from = 0;
    for (const at of [...cuts, request.length]) {
      connection.send(request.slice(from, at));
      await new Promise((resolve) => setTimeout(resolve, 5));
      from = at;
    }
    expect((await connection.answer()).body).toBe('[1,2,3]');
  }
});

describe('the short way', () => {
  const echo = gatewayFunction({ input: z.any(), output: z.any() });
  const shop = {
    ...echo,
    code: {
      kind: 'script',
      files: new Map([
        ['cart.php', ''],
        ['a%20b.php', ''],
        ['a b.php', ''],
      ]),
    },
  };
  const functions = new Map([
    ['echo', echo],
    ['shop', shop as typeof echo],
  ]);

  test.each([
    ['/functions/echo', '', '/functions/echo'],
    ['/functions/echo?a=/../%2f#b', '', '/functions/echo'],
    ['/functions/shop/cart.php?x', 'cart.php', '/functions/shop/cart.php'],
  ])('is for %s', (target, name, path) => {
    expect(plainCallPath(target, functions)).toMatchObject({ script: name, path });
  });

  test.each([
    '/functions',
    '/functions/',
    '/functions/echo/',
    '/functions/echo#a',
    '/functions/%65cho',
    '/functions/echo/..',
    '/functions//echo',
    '//functions/echo',
    '/functions/ECHO',
    '/functions/none',
    '/functions/shop',
    '/functions/shop/',
    '/functions/shop/a%20b.php',
    '/functions/shop/a b.php',
    '/functions/shop/x/../cart.php',
    'http://localhost/functions/echo',
    '*',
    '',
  ])('is not for %s', (target) => {
    expect(plainCallPath(target, functions)).toBeUndefined();
  });
});
