/** Streams that fail: before the first item as any call does; later so that no reader takes the rest for the whole. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { rawStream, streamHandler, streamScript } from '../support/streams.ts';
import { until } from '../support/until.ts';

interface Ending {
  /** PHP that ends a stream badly. */
  readonly code: string;
  readonly status: number;
  readonly problem: string;
  readonly reason?: string;
}

const endings: Record<string, Ending> = {
  failure: { code: "throw new Failure('sold-out', ['left' => 0], 'No more.');", status: 410, problem: 'sold-out' },
  undeclared: {
    code: "throw new Failure('nobody-knows');",
    status: 500,
    problem: 'function-error',
    reason: 'undeclared-failure',
  },
  exception: { code: "throw new \\Exception('SECRET');", status: 500, problem: 'function-error', reason: 'exception' },
  fatal: { code: 'nobody_knows_this();', status: 500, problem: 'function-error', reason: 'exception' },
  'worse-fatal': {
    code: "trigger_error('SECRET', E_USER_ERROR);",
    status: 500,
    problem: 'function-error',
    reason: 'fatal',
  },
  exit: { code: "exit('SECRET');", status: 502, problem: 'function-no-result', reason: 'exit' },
  memory: {
    code: "str_repeat('x', 1 << 30);",
    status: 500,
    problem: 'function-out-of-memory',
  },
  killed: { code: 'posix_kill(posix_getpid(), 9); sleep(9);', status: 502, problem: 'worker-crashed' },
  late: { code: 'sleep(30);', status: 504, problem: 'function-timeout' },
  'wrong-item': { code: "yield ['n' => 'SECRET'];", status: 502, problem: 'invalid-function-output' },
  nan: { code: "yield ['n' => NAN];", status: 502, problem: 'invalid-function-output', reason: 'not-json' },
  'broken-utf8': { code: 'yield "\\xff";', status: 502, problem: 'invalid-function-output', reason: 'not-json' },
  'too-large': { code: "yield str_repeat('x', 5000);", status: 502, problem: 'response-too-large' },
  stray: { code: "echo 'SECRET';", status: 502, problem: 'function-stray-output' },
  'finished-early': {
    code: 'fastcgi_finish_request();',
    status: 502,
    problem: 'function-no-result',
    reason: 'ended-early',
  },
};

const ITEM = 'z.object({ n: z.int() })';
const LATE = 'timeoutMs: 700';
const DECLARED = "errors: { 'sold-out': { status: 410, data: z.object({ left: z.int() }) } }";
const sources = Object.entries(endings).map(([name, { code }]) => {
  const contract = name === 'late' ? LATE : DECLARED;
  return {
    ...streamHandler(`first-${name}`, `${code} yield ['n' => 1];`, { item: ITEM, contract }),
    ...streamHandler(`then-${name}`, `yield ['n' => 1]; yield ['n' => 2]; ${code}`, { item: ITEM, contract }),
    ...streamHandler(`bytes-${name}`, `yield 'one'; yield 'two'; ${code}`, { item: "binary('text/csv')", contract }),
  };
});

const file = wholeFile();
let server: Server;

beforeAll(async () => {
  const script = (code: string): string => `header('Content-Type: text/csv'); echo "a,b\\n"; flush(); ${code}`;
  const item = "binary('text/csv')";
  const project = writeProject(
    {
      ...Object.assign({}, ...sources),
      ...streamHandler('much-later', "yield ['n' => 1]; sleep(30);", { item: ITEM, contract: 'timeoutMs: 20_000' }),
      ...streamScript('script-fatal', script('nobody_knows_this();'), { item }),
      ...streamScript('script-killed', script('posix_kill(posix_getpid(), 9); sleep(9);'), { item }),
      ...streamScript('script-late', script('sleep(30);'), { item, contract: LATE }),
    },
    file,
  );
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '2', FPMG_LIMITS__ITEM_MAX_BYTES: '4096' };
  server = await startTestServer(project, { env }, file);
});

const cases = Object.entries(endings).map(([name, ending]) => ({ name, ...ending }));
/** Endings of the items, not of PHP, which are none where all is bytes. */
const OF_ITEMS = ['wrong-item', 'nan', 'broken-utf8', 'too-large'];

/** What its trace says, once it has one: it ends with the stream. */
const traceOf = async (head: string): Promise<string | undefined> => {
  const id = /trace-id: ([0-9a-f]{32})/.exec(head)?.[1];
  const get = async () => await fetch(`${server.adminUrl}/traces/${id}`);
  await until('its trace is there', async () => (await get()).ok);
  const { calls } = (await (await get()).json()) as { calls: { error?: string }[] };
  return calls[0]?.error;
};

describe('before the first item', () => {
  // What it prints is known at the end.
  test.each(cases.filter(({ name }) => name !== 'stray'))(
    '$name: its own status, and a problem',
    async ({ name, status, problem, reason }) => {
      const response = await callUrl(server.url, `first-${name}`, null, { accept: 'text/event-stream, */*' });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const body = (await response.json()) as Record<string, unknown>;
      expect(body).toMatchObject({
        code: problem,
        status,
        executed: name === 'late' ? 'unknown' : 'yes',
        retryable: false,
      });
      expect(body.reason).toBe(reason);
      expect(JSON.stringify(body)).not.toContain('SECRET');
    },
  );
});

describe('after some items, each of which is delivered', () => {
  const problemOf = ({ problem, status }: Ending) => ({ code: problem, status, executed: 'yes' });

  test.each(cases)('$name: NDJSON ends with the error as its last record', async ({ name, ...ending }) => {
    const { status, head, body, whole } = await rawStream(server.url, `then-${name}`, null);
    expect([status, whole]).toEqual([200, true]);
    const lines = body.split('\n').slice(0, -1);
    expect(lines.slice(0, 2)).toEqual(['{"n":1}', '{"n":2}']);
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[2] ?? '')).toEqual({ error: expect.objectContaining(problemOf(ending)) });
    expect(body).not.toContain('SECRET');
    expect(await traceOf(head)).toBe(ending.problem);
  });

  test.each(cases)('$name: SSE ends with an event', async ({ name, ...ending }) => {
    const { status, body, whole } = await rawStream(server.url, `then-${name}`, null, { accept: 'text/event-stream' });
    expect([status, whole]).toEqual([200, true]);
    const events = body.split('\n\n').slice(0, -1);
    expect(events.slice(0, 2)).toEqual(['data: {"n":1}', 'data: {"n":2}']);
    expect(events).toHaveLength(3);
    const [, data = ''] = /^event: error\ndata: (.*)$/.exec(events[2] ?? '') ?? [];
    expect(JSON.parse(data)).toMatchObject(problemOf(ending));
  });

  test.each(cases)('$name: a JSON array is cut, and so is its connection', async ({ name, problem }) => {
    const { status, head, body, whole } = await rawStream(server.url, `then-${name}`, null, {
      accept: 'application/json',
    });
    expect({ status, body, whole }).toEqual({ status: 200, body: '[{"n":1},{"n":2}', whole: false });
    expect(await traceOf(head)).toBe(problem);
  });

  test.each(cases.filter(({ name }) => !OF_ITEMS.includes(name)))(
    '$name: bytes are cut, and so is their connection',
    async ({ name, problem }) => {
      const { status, head, body, whole } = await rawStream(server.url, `bytes-${name}`, null);
      expect({ status, body, whole }).toEqual({ status: 200, body: 'onetwo', whole: false });
      expect(await traceOf(head)).toBe(problem);
    },
  );

  test.each([
    ['script-fatal', 'function-error'],
    ['script-killed', 'worker-crashed'],
    ['script-late', 'function-timeout'],
  ])('%s: what it sent is delivered, then its connection breaks', async (name, problem) => {
    const { status, head, body, whole } = await rawStream(server.url, name, null);
    expect({ status, body, whole }).toEqual({ status: 200, body: 'a,b\n', whole: false });
    expect(await traceOf(head)).toBe(problem);
  });

  test('a declared failure brings its data', async () => {
    const { body } = await rawStream(server.url, 'then-failure', null);
    expect(JSON.parse(body.split('\n')[2] ?? '')).toMatchObject({
      error: { code: 'sold-out', detail: 'No more.', data: { left: 0 } },
    });
  });
});

test.each([
  ['bytes-exception', 'onetwo'],
  ['script-killed', 'a,b\n'],
])('%s: a reader of HTTP/1.0, where no chunk is missing, meets a reset', async (name, sent) => {
  const { socket, send, ended } = await openRaw(server.url);
  let received = '';
  let code: string | undefined;
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code;
  });
  send(rawPost(`/functions/${name}`, 'null').toString().replace('HTTP/1.1', 'HTTP/1.0'));
  await ended;
  expect(code).toBe('ECONNRESET');
  expect(received).toMatch(/^HTTP\/1\.1 200 /);
  expect(received.toLowerCase()).not.toContain('transfer-encoding');
  expect(sent.startsWith(received.slice(received.indexOf('\r\n\r\n') + 4))).toBe(true);
});

test('a reader that names a shorter time gets the cut then', async () => {
  const headers = { 'x-request-timeout-ms': '1000', accept: 'text/event-stream' };
  const { body } = await rawStream(server.url, 'much-later', null, headers);
  const [, data = ''] = /event: error\ndata: (.*)\n\n$/.exec(body) ?? [];
  expect(JSON.parse(data)).toMatchObject({ code: 'function-timeout' });
  const [, limitMs] = /within (\d+) ms/.exec(data) ?? [];
  expect(Number(limitMs)).toBeLessThanOrEqual(1000);
});
