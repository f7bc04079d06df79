/** Existing scripts as streams: what they flush goes out, as items or as the bytes they are. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { BodyReader, rawStream, streamScript } from '../support/streams.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const CSV = { item: "binary('text/csv')" };
const ITEM = { item: 'z.object({ n: z.int() })' };
const csv = (code: string): string => `header('Content-Type: text/csv'); ${code}`;
const BEGIN = `$file = json_decode(file_get_contents('php://input'), true)['file']; file_put_contents($file, getmypid() . "\\n", FILE_APPEND);`;
const waitFor = (name: string): string => `while (!is_file("$file.${name}")) { usleep(1000); clearstatcache(); }`;

const file = wholeFile();
const folder = openFolder(file);
let server: Server;

beforeAll(async () => {
  const project = functionsProject(
    {
      pid: 'return getmypid();',
      ...streamScript(
        'lines',
        `echo '{"n":1}', "\\n"; flush(); echo "\\n \\r\\n"; echo '{"n":', "2}\\r\\n", '{"n":3}';`,
        ITEM,
      ),
      ...streamScript('no-lines', '', ITEM),
      ...streamScript(
        'told-lines',
        `${BEGIN} echo "{\\"n\\":1}\\n"; flush(); ${waitFor('go')} echo "{\\"n\\":2}\\n";`,
        ITEM,
      ),
      ...streamScript('told-bytes', csv(`${BEGIN} echo "one\\n"; flush(); ${waitFor('go')} echo "two\\n";`), CSV),
      ...streamScript(
        'invalid-line',
        `${BEGIN} echo "{\\"n\\":1}\\n{\\"n\\":\\"SECRET\\"}\\n{\\"n\\":3}\\n"; flush(); sleep(30);`,
        ITEM,
      ),
      ...streamScript('no-json-line', 'echo "{\\"n\\":1}\\n<b>SECRET</b>\\n";', ITEM),
      ...streamScript('half-line', 'echo "{\\"n\\":1}\\n{\\"n\\":2";', ITEM),
      ...streamScript('large-line', 'echo "{\\"n\\":1}\\n"; while (true) { echo str_repeat("x", 1000); }', ITEM),
      ...streamScript('dies-in-a-line', 'echo "{\\"n\\":1}\\n{\\"n\\":"; flush(); nobody_knows_this();', ITEM),
      ...streamScript(
        'headers',
        `http_response_code(206); header('Content-Disposition: attachment; filename="a.csv"'); header('X-Own: 1'); header('X-Other: 1'); header('Content-Length: 3'); setcookie('a', 'b'); ${csv("echo 'abcdef';")}`,
        { ...CSV, contract: "responseHeaders: ['x-own']" },
      ),
      ...streamScript(
        'lines-headers',
        `header('ETag: "x"'); header('Cache-Control: max-age=5'); echo '{"n":1}';`,
        ITEM,
      ),
      ...streamScript(
        'refuses',
        `http_response_code(404); header('Content-Type: text/html'); echo '<h1>No</h1>';`,
        ITEM,
      ),
      ...streamScript('redirects', `header('Location: /elsewhere', true, 303);`, CSV),
      ...streamScript('no-content', 'http_response_code(204);', CSV),
      ...streamScript(
        'wrong-type',
        `${BEGIN} header('Content-Type: text/html'); while (true) { echo str_repeat('x', 1000); flush(); }`,
        CSV,
      ),
      ...streamScript('header-twice', csv(`header('ETag: "a"'); header('ETag: "b"', false); echo 'x';`), CSV),
      ...streamScript('finishes-early', csv(`echo 'all'; fastcgi_finish_request(); ${BEGIN} ${waitFor('go')}`), CSV),
    },
    file,
  );
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_LIMITS__ITEM_MAX_BYTES: '2048' };
  server = await startTestServer(project, { env }, file);
});

const inputOf = (held: Held): unknown => ({ file: held.file });

describe('lines', () => {
  test('each is an item; empty ones are none, and the last needs no line end', async () => {
    const response = await callUrl(server.url, 'lines', {});
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    expect(await response.text()).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
  });

  test('none at all is an empty stream', async () => {
    expect(await (await callUrl(server.url, 'no-lines', {}, { accept: 'application/json' })).text()).toBe('[]');
  });

  test.each([
    ['told-lines', '{"n":1}\n', '{"n":1}\n{"n":2}\n'],
    ['told-bytes', 'one\n', 'one\ntwo\n'],
  ])('%s: what is flushed goes out while the script runs', async (name, first, all) => {
    const held = new Held(folder, name);
    const reader = new BodyReader(await callUrl(server.url, name, inputOf(held)));
    await reader.until(first);
    expect(reader.text).toBe(first);
    held.go();
    expect(await reader.rest()).toBe('whole');
    expect(reader.text).toBe(all);
  });

  test.each([
    ['invalid-line', 'invalid-function-output'],
    ['no-json-line', 'bad-function-response'],
    ['half-line', 'bad-function-response'],
    ['large-line', 'response-too-large'],
    ['dies-in-a-line', 'function-error'],
  ])('%s: those before it are delivered, then the error, and the worker is free', async (name, code) => {
    const { status, body, whole } = await rawStream(server.url, name, inputOf(new Held(folder, name)));
    const [first, last, ...more] = body.split('\n').slice(0, -1);
    expect({ status, whole, first, more }).toEqual({ status: 200, whole: true, first: '{"n":1}', more: [] });
    expect(JSON.parse(last ?? '')).toEqual({ error: expect.objectContaining({ code, executed: 'yes' }) });
    expect(body).not.toContain('SECRET');
    expect((await callUrl(server.url, 'pid', null)).status).toBe(200);
  });
});

describe('status and headers', () => {
  test('of bytes are the script’s, but for those that are ours', async () => {
    const response = await callUrl(server.url, 'headers', {});
    expect(response.status).toBe(206);
    const {
      'content-type': type,
      'content-disposition': name,
      'x-own': own,
      'x-other': other,
      'set-cookie': cookie,
      'content-length': length,
    } = Object.fromEntries(response.headers);
    expect({ type, name, own, other, cookie, length }).toEqual({
      type: 'text/csv;charset=UTF-8',
      name: 'attachment; filename="a.csv"',
      own: '1',
      other: undefined,
      cookie: 'a=b',
      length: undefined,
    });
    expect(await response.text()).toBe('abcdef');
  });

  test('of items: what tells of the bytes is ours, since they are written anew', async () => {
    const { headers } = await callUrl(server.url, 'lines-headers', {});
    expect([headers.get('etag'), headers.get('cache-control'), headers.get('content-type')]).toEqual([
      null,
      'max-age=5',
      'application/x-ndjson',
    ]);
  });

  test.each([
    ['refuses', 404, 'text/html;charset=UTF-8', '<h1>No</h1>'],
    ['redirects', 303, null, ''],
    ['no-content', 204, null, ''],
  ])('%s: passes as it is', async (name, status, type, text) => {
    const { status: actual, head, body } = await rawStream(server.url, name, {});
    expect([actual, body]).toEqual([status, text]);
    if (type !== null) expect(head).toContain(`content-type: ${type.toLowerCase()}`);
    if (name === 'redirects') expect(head).toContain('location: /elsewhere');
  });

  test.each([
    [
      'wrong-type',
      'invalid-function-output',
      /answered with the Content-Type "text\/html.*its contract says text\/csv/,
    ],
    ['header-twice', 'bad-function-response', /sent the header etag twice/],
  ])('%s: is refused with a problem, and the script is stopped', async (name, code, detail) => {
    const held = new Held(folder, name);
    const response = await callUrl(server.url, name, inputOf(held));
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code, detail: expect.stringMatching(detail), executed: 'yes' });
    await until('the script has ended', () => !held.pids.some(isAlive));
    expect((await callUrl(server.url, 'pid', null)).status).toBe(200);
  });
});

test('a script that closes its answer and works on: the answer is whole, and its worker is not taken for free', async () => {
  const held = new Held(folder, 'finishes-early');
  const { body, whole } = await rawStream(server.url, 'finishes-early', inputOf(held));
  expect({ body, whole }).toEqual({ body: 'all', whole: true });
  const pid = await held.started();
  const next = callUrl(server.url, 'pid', null);
  expect(server.gateway.pools()[0]?.backends[0]?.taken).toBe(1);
  held.go();
  expect(await (await next).json()).toBe(pid);
});
