/** Bad requests over real sockets: each is told what is wrong, and PHP provably never runs. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, type RawAnswer, rawPost, rawRequest } from '../support/raw-http.ts';
import { Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const runs = new Runs(file);
let server: Server;

beforeAll(async () => {
  const project = functionsProject({ echo: runs.marking('return $input;') }, file);
  const env = {
    FPMG_POOLS__DEFAULT__WORKERS: '2',
    FPMG_LIMITS__BODY_MAX_BYTES: '1000',
    FPMG_HTTP__HEADERS_TIMEOUT_MS: '200',
    FPMG_HTTP__REQUEST_TIMEOUT_MS: '300',
    FPMG_HTTP__ALLOWED_HOSTS: '["localhost","127.0.0.1","::1"]',
  };
  server = await startTestServer(project, { env }, file);
});

interface Problem {
  readonly code: string;
  readonly status: number;
  readonly executed: string;
  readonly detail: string;
}

const problemOf = (answer: RawAnswer): Problem => {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  const problem = JSON.parse(answer.body) as Problem;
  expect(problem.status).toBe(answer.status);
  expect(problem.executed).toBe('no');
  expect(problem.detail).not.toBe('');
  return problem;
};

/** Sends the bytes and expects this problem, from a gateway that still works and has not run the function. */
const refused = async (bytes: string | Uint8Array, status: number, code: string): Promise<RawAnswer> => {
  const before = runs.count;
  const answer = await rawRequest(server.url, bytes);
  expect([answer.status, problemOf(answer).code]).toEqual([status, code]);
  expect(runs.count).toBe(before);
  return answer;
};

test('a good call runs once and is answered', async () => {
  const before = runs.count;
  const answer = await rawRequest(server.url, rawPost('/functions/echo', '{"a":[1,2.5,"ü"]}'));
  expect([answer.status, answer.body]).toEqual([200, '{"a":[1,2.5,"ü"]}']);
  expect(runs.count).toBe(before + 1);
});

describe('function names', () => {
  test.each([
    ['unknown', '/functions/unknown'],
    ['climbing out', '/functions/..%2f..%2fetc%2fpasswd'],
    ['climbing out, encoded twice', '/functions/..%252f..%252fetc%252fpasswd'],
    ['with NUL', '/functions/echo%00'],
    ['with NUL and a suffix', '/functions/echo%00.png'],
    ['with an encoded slash', '/functions/%2fecho'],
    ['with a slash', '/functions/echo/'],
    ['with a folder', '/functions/x/echo'],
    ['in upper case', '/functions/ECHO'],
    ['with the file type', '/functions/echo.php'],
    ['with half an escape', '/functions/echo%'],
    ['with broken UTF-8', '/functions/%ff%fe'],
    ['of a property', '/functions/__proto__'],
    ['of 10 kB', `/functions/${'a'.repeat(10_000)}`],
    ['none', '/functions/'],
    ['elsewhere', '/nowhere'],
  ])('%s: 404', async (_what, path) => {
    const answer = await refused(rawPost(path, '{}'), 404, 'not-found');
    expect(answer.body.length).toBeLessThan(2000);
  });

  test('a name is found however its letters are escaped, because it is the same name', async () => {
    expect((await rawRequest(server.url, rawPost('/functions/%65cho', '1'))).body).toBe('1');
  });
});

describe('dot segments, behind which a proxy in front would not see the path', () => {
  test.each([
    '/functions/x/../echo',
    '/functions/./echo',
    '/./functions/echo',
    '/functions/x/%2e%2e/echo',
    '/functions/x/.%2E/echo',
    '/functions/%2e/echo',
    '/../nowhere',
    '/functions/echo/.',
    '/functions/echo/..',
    '/functions/..?a=1',
    '/functions/x/../echo#b',
    'http://localhost/functions/x/../echo',
  ])('%s: 400', async (path) => {
    const { body } = await refused(rawPost(path, '{}'), 400, 'bad-request');
    expect(JSON.parse(body).detail).toContain('segment');
  });

  test.each(['/functions/x\\..\\echo', 'http://localhost/functions/x\\..\\echo'])(
    '%s: 400, as some take a backslash for a slash',
    async (path) => {
      await refused(rawPost(path, '{}'), 400, 'bad-request');
    },
  );

  test.each(['/functions/echo?a=/../b', '/functions/echo?a=/%2e%2e', '/functions/echo#/../b'])(
    '%s: none of the path, so it runs',
    async (path) => {
      expect((await rawRequest(server.url, rawPost(path, '{}'))).status).toBe(200);
    },
  );

  test('on the pages and the admin listener, too', async () => {
    for (const url of [server.url, server.adminUrl ?? '']) {
      const answer = await rawRequest(url, 'GET /x/../healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
      expect([answer.status, problemOf(answer).code]).toEqual([400, 'bad-request']);
    }
  });
});

describe('methods', () => {
  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'])('%s: 405 and Allow', async (method) => {
    const before = runs.count;
    const request = `${method} /functions/echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`;
    const connection = await openRaw(server.url);
    connection.send(method === 'HEAD' ? request.replace('HEAD', 'HEAD') : request);
    // An answer to HEAD has the length of a body it does not send.
    if (method === 'HEAD') {
      const head = await new Promise<string>((resolve) => connection.socket.once('data', (d) => resolve(String(d))));
      expect(head).toMatch(/^HTTP\/1.1 405 /);
      expect(head.toLowerCase()).toContain('\r\nallow: post\r\n');
    } else {
      const answer = await connection.answer();
      expect([answer.status, problemOf(answer).code]).toEqual([405, 'method-not-allowed']);
      expect(answer.headers.allow).toBe('POST');
    }
    expect(runs.count).toBe(before);
  });

  test('CONNECT: 405 and Allow', async () => {
    const answer = await refused('CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\n\r\n', 405, 'method-not-allowed');
    expect(answer.headers.allow).toContain('POST');
  });

  test('a caller that resets after CONNECT takes nobody with it', async () => {
    for (let at = 0; at < 20; at += 1) {
      const connection = await openRaw(server.url);
      connection.send('CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\n\r\n');
      if (at % 2 === 0) await connection.answer();
      connection.socket.resetAndDestroy();
    }
    expect((await rawRequest(server.url, rawPost('/functions/echo', '1'))).status).toBe(200);
  });

  test('OPTIONS tells the methods and runs nothing', async () => {
    const before = runs.count;
    const answer = await rawRequest(server.url, 'OPTIONS /functions/echo HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect([answer.status, answer.headers.allow]).toEqual([204, 'POST, OPTIONS']);
    expect(answer.headers['accept-post']).toBe('application/json');
    expect(runs.count).toBe(before);
    await refused('OPTIONS /functions/echo HTTP/1.1\r\nhost: evil\r\n\r\n', 421, 'misdirected-request');
    await refused('OPTIONS /functions/none HTTP/1.1\r\nhost: localhost\r\n\r\n', 404, 'not-found');
  });

  test('pages are read only', async () => {
    for (const path of ['/functions', '/openapi.json', '/healthz', '/readyz']) {
      const answer = await refused(rawPost(path, '{}'), 405, 'method-not-allowed');
      expect(answer.headers.allow).toBe('GET, HEAD');
    }
  });
});

describe('content types and codings', () => {
  test.each<[string, Record<string, string | undefined>, string]>([
    ['no type', { 'content-type': undefined }, 'unsupported-media-type'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'unsupported-media-type'],
    ['text', { 'content-type': 'text/plain' }, 'unsupported-media-type'],
    ['something like JSON', { 'content-type': 'application/jsonp' }, 'unsupported-media-type'],
    ['latin1', { 'content-type': 'application/json; charset=iso-8859-1' }, 'unsupported-media-type'],
    ['utf-16', { 'content-type': 'application/json; charset=utf-16' }, 'unsupported-media-type'],
    ['gzip', { 'content-encoding': 'gzip' }, 'unsupported-encoding'],
    ['brotli', { 'content-encoding': 'br' }, 'unsupported-encoding'],
    ['two codings', { 'content-encoding': 'identity, gzip' }, 'unsupported-encoding'],
  ])('%s: 415', async (_what, headers, code) => {
    const answer = await refused(rawPost('/functions/echo', '{}', headers), 415, code);
    if (code === 'unsupported-encoding') expect(answer.headers['accept-encoding']).toBe('identity');
    else expect(answer.headers['accept-post']).toBe('application/json');
  });

  test('a form names the curl option that helps', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await refused(rawPost('/functions/echo', '{}', headers), 415, 'unsupported-media-type')).body).toContain(
      '--json',
    );
  });

  test('two content types: 415', async () => {
    const request = rawPost('/functions/echo', '{}')
      .toString()
      .replace('\r\n\r\n', '\r\ncontent-type: text/plain\r\n\r\n');
    await refused(request, 415, 'unsupported-media-type');
  });

  test.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/vnd.api+json',
    'application/problem+json; profile=x',
  ])('%s is taken', async (type) => {
    const headers = { 'content-type': type, 'content-encoding': 'identity' };
    expect((await rawRequest(server.url, rawPost('/functions/echo', '1', headers))).status).toBe(200);
  });

  test.each([
    ['text/html', 406],
    ['application/json;q=0', 406],
    ['application/json;q=0, */*', 406],
    ['image/*', 406],
    ['', 200],
    ['*/*', 200],
    ['application/*;q=0.1', 200],
    ['text/html, application/json;q=0.5', 200],
    ['*/*;q=0, application/json', 200],
  ])('Accept %s: %i', async (accept, status) => {
    const request = rawPost('/functions/echo', '1', { accept });
    if (status === 406) await refused(request, 406, 'not-acceptable');
    else expect((await rawRequest(server.url, request)).status).toBe(200);
  });
});

describe('bodies beyond the limit', () => {
  const exactly = JSON.stringify('x'.repeat(998));

  test('a body of exactly the limit is taken', async () => {
    expect((await rawRequest(server.url, rawPost('/functions/echo', exactly))).body).toBe(exactly);
  });

  test('one byte more, announced: 413 before it is read, and the connection ends', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/echo', '', { 'content-length': '1001' }));
    const answer = await connection.answer();
    expect([answer.status, problemOf(answer).code]).toEqual([413, 'body-too-large']);
    expect(answer.headers.connection).toBe('close');
    await connection.ended;
  });

  test('one byte more, in chunks, slowly: 413 as soon as it is known, and the connection ends', async () => {
    const before = runs.count;
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/echo', '', { 'content-length': undefined, 'transfer-encoding': 'chunked' }));
    for (let sent = 0; sent < 1001; sent += 77) {
      connection.send(`4d\r\n${'x'.repeat(77)}\r\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await connection.answer();
    expect([answer.status, problemOf(answer).code]).toEqual([413, 'body-too-large']);
    await connection.ended;
    expect(runs.count).toBe(before);
  });

  test('a client that sends all of 20 MB before it reads still gets its 413', async () => {
    for (const announced of [true, false]) {
      const body = Buffer.alloc(20_000_000, 'x');
      const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
      const connection = await openRaw(server.url);
      connection.socket.pause();
      connection.send(rawPost('/functions/echo', '', announced ? { 'content-length': String(body.length) } : chunked));
      if (!announced) connection.send(`${body.length.toString(16)}\r\n`);
      connection.send(body);
      await until(
        'the client has sent it all or cannot any more',
        () => connection.socket.writableLength < 19_000_000 || connection.socket.destroyed,
      );
      connection.socket.resume();
      expect((await connection.answer()).status).toBe(413);
    }
  });

  test('so does one that takes its time to send, and reads only then', async () => {
    const connection = await openRaw(server.url);
    connection.socket.pause();
    connection.send(rawPost('/functions/echo', '', { 'content-length': '20000' }));
    for (let sent = 0; sent < 15; sent += 1) {
      connection.send('x'.repeat(1000));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    connection.socket.resume();
    expect((await connection.answer()).status).toBe(413);
    await connection.ended;
  });
});

describe('headers', () => {
  const withHeader = (line: string): string =>
    rawPost('/functions/echo', '{}').toString('latin1').replace('\r\n\r\n', `\r\n${line}\r\n\r\n`);

  test.each([
    ['Proxy', 'Proxy: http://evil', 'bad-request'],
    ['an underscore', 'X_Foo: 1', 'bad-request'],
    ['PHP_VALUE', 'PHP_VALUE: auto_prepend_file=/etc/passwd', 'bad-request'],
    ['PHP_ADMIN_VALUE', 'PHP_ADMIN_VALUE: open_basedir=/', 'bad-request'],
    ['a dot', 'X.Foo: 1', 'bad-request'],
    ['a space before the colon', 'X-Foo : 1', 'bad-request'],
    ['a control character in its value', 'X-Foo: a\u0001b', 'bad-request'],
    ['NUL in its value', 'X-Foo: a\0b', 'bad-request'],
    ['no colon', 'nonsense', 'bad-request'],
    ['a folded value', 'X-Foo: a\r\n b', 'bad-request'],
    ['a second Host', 'Host: localhost', 'bad-host'],
  ])('%s: 400', async (_what, line, code) => {
    await refused(withHeader(line), 400, code);
  });

  test('PHP settings do not change by headers whose names PHP would read alike', async () => {
    await refused(withHeader('PHP-VALUE_: precision=5'), 400, 'bad-request');
    const answer = await rawRequest(
      server.url,
      withHeader('PHP-VALUE: precision=5').replace('{}', '1.23456789').replace('length: 2', 'length: 10'),
    );
    expect(answer.body).toBe('1.23456789');
  });

  test.each([
    ['another host', 'evil.example'],
    ['a host with this one inside', 'localhost.evil.example'],
    ['another with the port', 'evil:8080'],
  ])('%s: 421', async (_what, host) => {
    await refused(rawPost('/functions/echo', '{}', { host }), 421, 'misdirected-request');
    await refused(`GET /functions HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 421, 'misdirected-request');
  });

  test.each(['localhost', 'LOCALHOST:1234', '127.0.0.1:80'])('the allowed host %s is served', async (host) => {
    expect((await rawRequest(server.url, rawPost('/functions/echo', '1', { host }))).status).toBe(200);
  });

  test.each(['user@localhost', 'local host', 'localhost/x', '[::1'])('the malformed host %s: 4xx', async (host) => {
    const answer = await rawRequest(server.url, rawPost('/functions/echo', '1', { host }));
    expect([400, 421]).toContain(answer.status);
    problemOf(answer);
  });

  test('no Host: 400', async () => {
    await refused(rawPost('/functions/echo', '{}', { host: undefined }), 400, 'bad-host');
    await refused(rawPost('/functions/echo', '{}', { host: '' }), 400, 'bad-host');
  });

  test('a target that names another host than the Host header: 400', async () => {
    await refused(rawPost('http://evil/functions/echo', '{}'), 400, 'bad-host');
    await refused(rawPost('http://evil/functions/echo', '{}', { host: 'evil' }), 421, 'misdirected-request');
    const same = await rawRequest(server.url, rawPost('http://localhost/functions/echo', '1'));
    expect(same.status).toBe(200);
  });

  test.each(['*', 'functions/echo', 'ftp://localhost/functions/echo', '//', '/functions\\echo'])(
    'the target %s: 4xx',
    async (target) => {
      const answer = await rawRequest(server.url, rawPost(target, '{}'));
      expect([400, 404]).toContain(answer.status);
      problemOf(answer);
    },
  );

  test('thousands of headers: 431, and the connection ends', async () => {
    const lines = Array.from({ length: 3000 }, (_, at) => `x-${at}: ${at}`).join('\r\n');
    const connection = await openRaw(server.url);
    connection.send(withHeader(lines));
    const answer = await connection.answer();
    expect([answer.status, problemOf(answer).code]).toEqual([431, 'headers-too-large']);
    await connection.ended;
  });

  test('Expect: anything but 100-continue: 417', async () => {
    await refused(withHeader('Expect: foo'), 417, 'expectation-failed');
  });

  test('Expect: 100-continue is answered, then the call', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/echo', '', { 'content-length': '1', expect: '100-continue' }));
    expect((await connection.answer()).status).toBe(100);
    connection.send('1');
    expect((await connection.answer()).body).toBe('1');
  });

  test('a request id is taken only if it is safe to write into logs', async () => {
    const idFor = async (id: string): Promise<string | undefined> =>
      (await rawRequest(server.url, rawPost('/functions/echo', '1', { 'x-request-id': id }))).headers['request-id'];
    expect(await idFor('order-17_a.B')).toBe('order-17_a.B');
    for (const unsafe of ['a b', 'a"b', 'a;b', 'ü', '<x>', 'a'.repeat(65), ''])
      expect(await idFor(unsafe)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });
});

describe('framing', () => {
  const head = (lines: readonly string[], body: string): string =>
    `POST /functions/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${lines.join('\r\n')}\r\n\r\n${body}`;

  test.each([
    ['a length and chunks', head(['content-length: 2', 'transfer-encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n')],
    ['chunks and a length', head(['transfer-encoding: chunked', 'content-length: 2'], '2\r\n{}\r\n0\r\n\r\n')],
    ['two lengths', head(['content-length: 2', 'content-length: 3'], '{}')],
    ['two equal lengths', head(['content-length: 2', 'content-length: 2'], '{}')],
    ['a list of lengths', head(['content-length: 2, 2'], '{}')],
    ['a negative length', head(['content-length: -2'], '{}')],
    ['a length with a sign', head(['content-length: +2'], '{}')],
    ['a length in hex', head(['content-length: 0x2'], '{}')],
    ['an unknown transfer coding', head(['transfer-encoding: xchunked'], '2\r\n{}\r\n0\r\n\r\n')],
    ['chunked not last', head(['transfer-encoding: chunked, identity'], '2\r\n{}\r\n0\r\n\r\n')],
    ['a bare line feed', 'POST /functions/echo HTTP/1.1\nhost: localhost\n\n'],
    ['HTTP/2 in clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an unknown version', 'GET /functions HTTP/9.9\r\nhost: localhost\r\n\r\n'],
    ['TLS', Buffer.from('16030100c8010000c40303', 'hex')],
    ['noise', 'hello\r\n\r\n'],
    ['a space before the first header', 'GET /functions HTTP/1.1\r\n host: localhost\r\n\r\n'],
    ['a control character in the target', 'GET /func\u0001tions HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ])('%s: 400, and the connection ends', async (_what, bytes) => {
    const before = runs.count;
    const connection = await openRaw(server.url);
    connection.send(bytes);
    const answer = await connection.answer();
    expect([answer.status, problemOf(answer).code]).toEqual([400, 'bad-request']);
    expect(answer.headers.connection).toBe('close');
    await connection.ended;
    expect(runs.count).toBe(before);
  });

  test.each([
    ['a chunk size that is no number', 'zz\r\n'],
    ['a chunk longer than it says', '1\r\n{}\r\n0\r\n\r\n'],
  ])('%s in the middle of a body: 400', async (_what, chunks) => {
    await refused(head(['transfer-encoding: chunked'], chunks), 400, 'bad-request');
  });

  test('a body compressed by its transfer coding: 400', async () => {
    await refused(head(['transfer-encoding: gzip, chunked'], '2\r\n{}\r\n0\r\n\r\n'), 400, 'bad-request');
  });

  test('HTTP/0.9, which has no headers: 400', async () => {
    await refused('GET /functions\r\n\r\n', 400, 'bad-host');
  });

  test('HTTP/1.0 is served, and the connection ends', async () => {
    const connection = await openRaw(server.url);
    connection.send('GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n');
    expect((await connection.answer()).status).toBe(200);
    await connection.ended;
  });

  test('pipelined requests are answered in order', async () => {
    const connection = await openRaw(server.url);
    connection.send(Buffer.concat(Array.from({ length: 20 }, (_, at) => rawPost('/functions/echo', String(at)))));
    for (let at = 0; at < 20; at += 1) expect((await connection.answer()).body).toBe(String(at));
  });

  test('a kept connection gathers nothing over hundreds of calls', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', onWarning);
    const connection = await openRaw(server.url);
    for (let round = 0; round < 20; round += 1) {
      connection.send(Buffer.concat(Array.from({ length: 20 }, () => rawPost('/functions/none', '{}'))));
      for (let at = 0; at < 20; at += 1) expect((await connection.answer()).status).toBe(404);
    }
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('a broken request behind good ones is refused after their answers, and theirs stay theirs', async () => {
    const connection = await openRaw(server.url);
    connection.send(
      Buffer.concat([rawPost('/functions/echo', '1'), rawPost('/functions/echo', '2'), Buffer.from('NOISE\r\n\r\n')]),
    );
    expect([(await connection.answer()).body, (await connection.answer()).body]).toEqual(['1', '2']);
    expect(problemOf(await connection.answer()).code).toBe('bad-request');
    await connection.ended;
  });

  test('a broken request on a kept connection is told so too', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/echo', '1'));
    expect((await connection.answer()).status).toBe(200);
    connection.send('NOISE\r\n\r\n');
    expect(problemOf(await connection.answer()).code).toBe('bad-request');
    await connection.ended;
  });

  test('a refused body is skipped exactly, and the connection serves on', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/none', rawPost('/functions/echo', '"smuggled"').subarray(0, 900)));
    connection.send(rawPost('/functions/echo', '"next"'));
    expect((await connection.answer()).status).toBe(404);
    expect((await connection.answer()).body).toBe('"next"');
  });
});

describe('slow clients', () => {
  test.each([
    ['that send nothing', ''],
    ['that send half a header', 'POST /functions/echo HTTP/1.1\r\nhost: loc'],
    ['that send half a body', rawPost('/functions/echo', '{"a":', { 'content-length': '100' })],
  ])('%s: 408, and the connection ends', async (_what, bytes) => {
    const before = runs.count;
    const connection = await openRaw(server.url);
    connection.send(bytes);
    const answer = await connection.answer();
    expect([answer.status, problemOf(answer).code]).toEqual([408, 'request-timeout']);
    await connection.ended;
    expect(runs.count).toBe(before);
  });

  test('who is slow on a kept connection is told so too', async () => {
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/echo', '1'));
    expect((await connection.answer()).status).toBe(200);
    connection.send('POST /functions/echo HTTP/1.1\r\nhost: loc');
    expect((await connection.answer()).status).toBe(408);
    await connection.ended;
  });
});
