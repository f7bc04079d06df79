/** Headers that scripts send in error or in malice: what passes is well formed, and nothing else on the connection is touched. */
import { beforeAll, describe, expect, test } from 'vitest';
import { exchange, valuesOf } from '../support/exchange.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { openRaw } from '../support/raw-http.ts';
import { scriptProject } from '../support/sites.ts';

const send = (...lines: string[]): string => `${lines.map((line) => `header(${line}, false);`).join(' ')} echo 'text';`;

/** PHP → the headers of these names that reach the caller. */
const PASSING: Readonly<
  Record<string, readonly [source: string, headers: Readonly<Record<string, readonly string[]>>]>
> = {
  'a coding of the transfer': [send("'Transfer-Encoding: chunked'"), { 'transfer-encoding': [] }],
  'a length that is too small': ["header('Content-Length: 2'); echo 'text';", { 'content-length': ['4'] }],
  'a length that is too large': ["header('Content-Length: 99'); echo 'text';", { 'content-length': ['4'] }],
  'two lengths': [send("'Content-Length: 2'", "'Content-Length: 4'"), { 'content-length': ['4'] }],
  'the end of the connection': [send("'Connection: close'"), { connection: ['keep-alive'] }],
  'a header named as one of the connection': [send("'Connection: etag'", '\'ETag: "a"\''), { etag: ['"a"'] }],
  'what is between two hops': [
    send("'Keep-Alive: timeout=1'", "'Upgrade: h2c'", "'Trailer: X-A'", "'TE: gzip'", "'Proxy-Authenticate: Basic'"),
    { upgrade: [], trailer: [], te: [], 'proxy-authenticate': [] },
  ],
  'ids and times of its own making': [
    send(
      "'trace-id: forged'",
      "'Request-Id: forged'",
      "'Server-Timing: forged'",
      "'traceparent: forged'",
      "'Date: forged'",
      "'Server: forged'",
    ),
    {
      'trace-id': [expect.stringMatching(/^[0-9a-f]{32}$/)],
      'request-id': [expect.stringMatching(/^[0-9a-f-]{36}$/)],
      'server-timing': [expect.stringMatching(/^validate;dur=/)],
      date: [expect.stringMatching(/GMT$/)],
      traceparent: [],
      server: [],
    },
  ],
  'orders to a web server': [
    send("'X-Accel-Redirect: /etc/passwd'", "'X-Sendfile: /etc/passwd'", "'X-LiteSpeed-Location: /etc/passwd'"),
    { 'x-accel-redirect': [], 'x-sendfile': [], 'x-litespeed-location': [] },
  ],
  'what its contract names, and nothing like it': [
    send("'X-Total: 1'", "'x-total: 2'", "'X-Totals: 3'", "'X_Total: 4'"),
    { 'x-total': ['1, 2'], 'x-totals': [], x_total: [] },
  ],
  'line ends': [
    'header("ETag: a\\r\\nSet-Cookie: b=c"); header("Link: a\\nSet-Cookie: b=c"); header("Vary: a\\r\\n\\r\\n<script>"); header("ETag: good"); echo "text";',
    { etag: ['good'], 'set-cookie': [], link: [], vary: [] },
  ],
  'line ends in cookies': [
    'try { setcookie("a", "b", ["path" => "/\\r\\nX: y"]); } catch (ValueError) {} setcookie("c", "d\\r\\ne"); echo "text";',
    { 'set-cookie': ['c=d%0D%0Ae'] },
  ],
  'text beyond ASCII': [
    send('\'Content-Disposition: inline; filename="ü.txt"\''),
    { 'content-disposition': [Buffer.from('inline; filename="ü.txt"').toString('latin1')] },
  ],
  'a header without a text': [send("'ETag:'"), { etag: [''] }],
  'a header in odd case': [send("'cOnTeNt-LaNgUaGe:   de  '"), { 'content-language': ['de'] }],
  '500 headers': ['for ($i = 0; $i < 500; $i++) { header("X-$i: $i"); } echo \'text\';', { 'x-7': [] }],
  '40 cookies': [
    "for ($i = 0; $i < 40; $i++) { setcookie(\"c$i\", '1'); } echo 'text';",
    { 'set-cookie': Array.from({ length: 40 }, (_, at) => `c${at}=1`) },
  ],
};

/** PHP → what is wrong with it. */
const BROKEN: Readonly<Record<string, readonly [source: string, detail: RegExp]>> = {
  'a space in a name': [send("'Bad Header: x'"), /a line of its head is not a header/],
  'a name beyond ASCII': [send("'Ü: x'"), /is not a header/],
  'a name with brackets': [send("'A(b): x'"), /is not a header/],
  'no name': [send("': x'"), /is not a header/],
  'no colon': [send("'nonsense'"), /is not a header/],
  'a line that looks like a status line': [send("'HTTP/2 is great'"), /its Status is none of 200 to 599/],
  'a bell': [send('"ETag: a\\x07b"'), /a header holds a control character/],
  'an escape code': [send('"ETag: \\x1b[31m"'), /control character/],
  '70 KB': ["header('ETag: ' . str_repeat('a', 70000)); echo 'text';", /its head is larger than 65536 bytes/],
  'two types': [send("'Content-Type: text/html'", "'Content-Type: text/plain'"), /sent the header content-type twice/],
  'two places': [send("'Location: /a'", "'Location: /b'"), /sent the header location twice/],
  'the status 099': [send("'Status: 099'"), /its Status is none of 200 to 599/],
  'the status 999': [send("'HTTP/1.1 999 Beyond'"), /none of 200 to 599/],
  'the status 600': ["http_response_code(600); echo 'text';", /none of 200 to 599/],
  'the status 103': ["http_response_code(103); echo 'text';", /none of 200 to 599/],
  'a status that is no number': [send("'Status: fine'"), /none of 200 to 599/],
};

const nameOf = (title: string): string => title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

const file = wholeFile();
let url: string;
let adminUrl: string | undefined;

beforeAll(async () => {
  const settings = "methods: ['GET'], responseHeaders: ['X-Total']";
  const sources = [...Object.entries(PASSING), ...Object.entries(BROKEN)].map(([title, [source]]) => [title, source]);
  const scripts = [...sources, ['pid', 'echo getmypid();']].map(([title = '', source]) => [
    nameOf(title),
    [source, settings],
  ]);
  const project = scriptProject(Object.fromEntries(scripts), file);
  ({ url, adminUrl } = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } }, file));
});

const get = (name: string): string => `GET /functions/${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** Between two others on one connection, to one worker. */
const askBetween = async (title: string) => {
  const connection = await openRaw(url);
  for (const name of ['pid', nameOf(title), 'pid']) connection.send(get(name));
  const before = await connection.answer();
  const answer = await connection.answer();
  const after = await connection.answer();
  expect(after.body).toMatch(/^\d+$/);
  return { answer, sameWorker: before.body === after.body };
};

describe('passes, or is left out:', () => {
  test.each(Object.entries(PASSING))('%s', async (title, [, headers]) => {
    const { answer, sameWorker } = await askBetween(title);
    expect([answer.status, answer.body, sameWorker]).toEqual([200, 'text', true]);
    const agent = [['Connection', 'keep-alive']] as const;
    const whole = await exchange(`${url}/functions/${nameOf(title)}`, { method: 'GET', headers: agent });
    for (const [name, values] of Object.entries(headers)) expect([name, valuesOf(whole, name)]).toEqual([name, values]);
  });
});

describe('is refused as no answer of HTTP:', () => {
  test.each(Object.entries(BROKEN))('%s', async (title, [, detail]) => {
    const { answer } = await askBetween(title);
    expect([answer.status, answer.headers['content-type']]).toEqual([502, 'application/problem+json']);
    const problem = JSON.parse(answer.body);
    expect(problem).toMatchObject({ code: 'bad-function-response', executed: 'yes', retryable: false });
    expect(problem.detail).toMatch(detail);
  });
});

test('the trace names the headers that were left out', async () => {
  const answer = await fetch(`${url}/functions/${nameOf('what its contract names, and nothing like it')}`);
  const trace = await (await fetch(`${adminUrl}/traces/${answer.headers.get('trace-id')}`)).text();
  expect(trace).toMatch(/"fpm_gateway.dropped_headers":"[^"]*x-totals/);
});
