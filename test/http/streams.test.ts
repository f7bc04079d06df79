/** Streams over HTTP: each form a reader may ask for, and items that come one by one while PHP runs. */
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';
import { openRaw } from '../support/raw-http.ts';
import { BodyReader, rawStream, streamHandler, streamScript } from '../support/streams.ts';
import { Held } from '../support/told-handlers.ts';

const file = wholeFile();
const folder = openFolder(file);
/** Yields 1 to 3, each after the first once told: the number of the file is the item's. */
const TOLD = `
  file_put_contents($input, getmypid() . "\\n", FILE_APPEND);
  foreach ([1, 2, 3] as $n) {
    while ($n > 1 && !is_file("$input.$n")) { usleep(1000); clearstatcache(); }
    yield ['n' => $n];
  }`;
/** Waits before its first item. */
const LATE = `
  file_put_contents($input, getmypid() . "\\n", FILE_APPEND);
  while (!is_file("$input.go")) { usleep(1000); clearstatcache(); }
  yield 'late';`;
const THREE = "foreach (['a', 'b', 'c'] as $x) { yield $x; }";
let server: Server;

beforeAll(async () => {
  const project = writeProject(
    {
      ...streamHandler('objects', "yield ['n' => 1]; yield ['n' => 2]; yield ['n' => 3];"),
      ...streamHandler('strings', THREE, { item: 'z.string()' }),
      ...streamHandler('bytes', THREE, { item: "binary('text/csv')" }),
      ...streamHandler('nothing', 'yield from [];'),
      ...streamHandler('no-bytes', 'yield from [];', { item: "binary('text/csv')" }),
      ...streamHandler('told', TOLD),
      ...streamHandler('told-bytes', TOLD.replace("['n' => $n]", '"n$n\\n"'), { item: "binary('text/csv')" }),
      ...streamHandler('late', LATE),
      ...streamHandler('lines', 'yield "a\\nb\\u{2028}"; yield null; yield "\\r";'),
      ...streamScript('script', `header('Content-Type: text/csv'); echo "a,b\\n"; flush(); echo "1,2\\n";`, {
        item: "binary('text/csv')",
        contract: "methods: ['GET', 'POST']",
      }),
    },
    file,
  );
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '4' };
  server = await startTestServer(project, { env }, file);
});

const NDJSON = '{"n":1}\n{"n":2}\n{"n":3}\n';
const SSE_END = 'event: end\ndata: {}\n\n';

describe('what a reader asks for', () => {
  test.each([
    ['objects', undefined, 'application/x-ndjson', NDJSON],
    ['objects', '*/*', 'application/x-ndjson', NDJSON],
    ['objects', 'application/*', 'application/x-ndjson', NDJSON],
    ['objects', 'application/ndjson', 'application/ndjson', NDJSON],
    ['objects', 'application/jsonl', 'application/jsonl', NDJSON],
    ['objects', 'application/x-ndjson;q=0, */*', 'application/ndjson', NDJSON],
    [
      'objects',
      'text/event-stream',
      'text/event-stream',
      `data: {"n":1}\n\ndata: {"n":2}\n\ndata: {"n":3}\n\n${SSE_END}`,
    ],
    ['objects', 'text/*', 'text/event-stream', `data: {"n":1}\n\ndata: {"n":2}\n\ndata: {"n":3}\n\n${SSE_END}`],
    ['objects', 'application/json', 'application/json', '[{"n":1},{"n":2},{"n":3}]'],
    ['objects', 'application/json, */*;q=0.1', 'application/json', '[{"n":1},{"n":2},{"n":3}]'],
    ['strings', 'text/plain', 'text/plain; charset=utf-8', 'abc'],
    ['strings', undefined, 'application/x-ndjson', '"a"\n"b"\n"c"\n'],
    ['bytes', undefined, 'text/csv', 'abc'],
    ['bytes', 'text/csv', 'text/csv', 'abc'],
    ['nothing', undefined, 'application/x-ndjson', ''],
    ['nothing', 'text/event-stream', 'text/event-stream', SSE_END],
    ['nothing', 'application/json', 'application/json', '[]'],
    ['no-bytes', undefined, 'text/csv', ''],
    ['lines', undefined, 'application/x-ndjson', '"a\\nb\u2028"\nnull\n"\\r"\n'],
    [
      'lines',
      'text/event-stream',
      'text/event-stream',
      `data: "a\\nb\u2028"\n\ndata: null\n\ndata: "\\r"\n\n${SSE_END}`,
    ],
    ['script', 'text/csv', 'text/csv;charset=UTF-8', 'a,b\n1,2\n'],
  ])('%s for Accept %s is %s', async (name, accept, type, text) => {
    const response = await callUrl(server.url, name, {}, accept === undefined ? {} : { accept });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe(text);
  });

  test.each([
    [
      'objects',
      'text/plain',
      'application/x-ndjson or application/ndjson or application/jsonl or text/event-stream or application/json',
    ],
    ['strings', 'image/png', 'application/json or text/plain'],
    ['bytes', 'application/json', 'text/csv'],
    ['script', 'application/json', 'text/csv'],
  ])('%s for Accept %s is refused, and told what there is', async (name, accept, offered) => {
    const response = await callUrl(server.url, name, {}, { accept });
    expect(response.status).toBe(406);
    const problem = (await response.json()) as { detail: string };
    expect(problem).toMatchObject({ code: 'not-acceptable', executed: 'no' });
    expect(problem.detail).toContain(offered);
  });

  test('a whole stream ends with its last chunk, which says that it is whole', async () => {
    expect(await rawStream(server.url, 'objects', {})).toMatchObject({ status: 200, body: NDJSON, whole: true });
  });

  test('HTTP/1.0 gets it without chunks', async () => {
    const { socket, send, ended } = await openRaw(server.url);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    send('POST /functions/strings HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    await ended;
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]+\r\n\r\n"a"\n"b"\n"c"\n$/);
    expect(text).not.toMatch(/transfer-encoding/i);
  });
});

describe('one by one, while PHP runs', () => {
  test.each([
    ['NDJSON', 'told', 'application/x-ndjson', ['{"n":1}\n', '{"n":2}\n', '{"n":3}\n']],
    ['SSE', 'told', 'text/event-stream', ['data: {"n":1}\n\n', 'data: {"n":2}\n\n', 'data: {"n":3}\n\n']],
    ['a JSON array', 'told', 'application/json', ['[{"n":1}', ',{"n":2}', ',{"n":3}']],
    ['bytes', 'told-bytes', 'text/csv', ['n1\n', 'n2\n', 'n3\n']],
  ])('%s', async (what, name, accept, pieces) => {
    const held = new Held(folder, `told ${what}`);
    const reader = new BodyReader(await callUrl(server.url, name, held.file, { accept }));
    for (const [at, piece] of pieces.entries()) {
      if (at > 0) writeFileSync(`${held.file}.${at + 1}`, '');
      await reader.until(piece);
    }
    expect(await reader.rest()).toBe('whole');
  });

  test('the head is there though the first item is not', async () => {
    const held = new Held(folder, 'late');
    const response = await callUrl(server.url, 'late', held.file);
    expect(response.status).toBe(200);
    held.go();
    expect(await response.text()).toBe('"late"\n');
  });

  test('while there is nothing to say, SSE says so, and goes on', async () => {
    const held = new Held(folder, 'heartbeat');
    const env = { FPMG_HTTP__HEARTBEAT_MS: '100' };
    const { url } = await startTestServer(writeProject(streamHandler('late', LATE)), { env });
    const reader = new BodyReader(await callUrl(url, 'late', held.file, { accept: 'text/event-stream' }));
    await reader.until(': still there\n\n: still there\n\n');
    held.go();
    expect(await reader.rest()).toBe('whole');
    expect(reader.text.replaceAll(': still there\n\n', '')).toBe(`data: "late"\n\n${SSE_END}`);
  });
});

test('server-timing and the ids are in the head of a stream', async () => {
  const response = await callUrl(server.url, 'objects', {}, { 'x-request-id': 'mine' });
  expect(response.headers.get('request-id')).toBe('mine');
  expect(response.headers.get('trace-id')).toMatch(/^[0-9a-f]{32}$/);
  expect(response.headers.get('server-timing')).toMatch(/^validate;dur=[\d.]+, queue;dur=/);
  await response.text();
});
