/** What contracts promise of a script's output: a good answer keeps it, a refusal is the script's own to word. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { scriptProject } from '../support/sites.ts';

interface Script {
  readonly source: string;
  readonly output?: string;
  /** Of the problem, where the promise is broken. */
  readonly reason?: string;
  readonly status: number;
  /** Where it is not broken. */
  readonly text?: string;
}

const HTML = "binary('text/html')";
const IMAGE = "binary('image/*')";
const NUMBER = 'z.strictObject({ n: z.number() })';

const kept = (output: string, source: string, text: string, status = 200): Script => ({ output, source, text, status });
const broken = (output: string, source: string, reason?: string): Script => ({
  output,
  source,
  status: 502,
  ...(reason === undefined ? {} : { reason }),
});

const SCRIPTS: Readonly<Record<string, Script>> = {
  'the promised type': kept(HTML, "echo 'text';", 'text'),
  'the promised type in odd case': kept(HTML, "header('Content-Type: Text/HTML;charset=utf-8'); echo 'text';", 'text'),
  'a type of the promised family': kept(IMAGE, "header('Content-Type: image/png'); echo 'png';", 'png'),
  'another type': broken(HTML, "header('Content-Type: text/plain'); echo 'SECRET';", 'kind'),
  'a type of another family': broken(IMAGE, "echo 'SECRET';", 'kind'),
  'no type': broken(HTML, "header('Content-Type:'); echo 'SECRET';", 'kind'),
  'a refusal of another type': kept(IMAGE, "http_response_code(404); echo 'none';", 'none', 404),
  'a redirect of another type': kept(IMAGE, "header('Location: /a');", '', 302),
  'no content of another type': kept(IMAGE, 'http_response_code(204);', '', 204),
  'JSON that matches': kept(NUMBER, 'echo \' {"n": 1.0 }\';', '{"n":1}'),
  'JSON with a wrong value': broken(NUMBER, 'echo \'{"n": "SECRET"}\';'),
  'JSON with more than promised': broken(NUMBER, 'echo \'{"n": 1, "more": 1}\';'),
  'no JSON': broken(NUMBER, "echo '<p>SECRET';", 'not-json'),
  'a part of JSON': broken(NUMBER, 'echo \'{"n": 1, "SECRET\';', 'not-json'),
  'JSON with something behind it': broken(NUMBER, 'echo \'{"n": 1} SECRET\';', 'not-json'),
  'a byte order mark': broken(NUMBER, 'echo "\\xef\\xbb\\xbf{}";', 'not-json'),
  'nothing at all': broken(NUMBER, '', 'not-json'),
  'JSON in Latin-1': broken('z.string()', 'echo "\\"SECRET \\xfc\\"";', 'not-json'),
  'numbers that would change': broken(NUMBER, 'echo \'{"n": 9007199254740993}\';', 'not-json'),
  'a refusal in HTML': kept(NUMBER, "http_response_code(404); echo '<p>none';", '<p>none', 404),
  'a failure in HTML': kept(NUMBER, "http_response_code(503); echo '<p>later';", '<p>later', 503),
  'no content': kept(NUMBER, "http_response_code(204); echo 'SECRET';", '', 204),
  'reset content': kept(NUMBER, "http_response_code(205); echo 'SECRET';", '', 205),
  'a redirect': kept(NUMBER, "header('Location: /a');", '', 302),
};

const nameOf = (title: string): string => title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  const tagged: Script = kept(NUMBER, `header('ETag: "a"'); echo '{"n": 1}';`, '');
  const compressed = kept(NUMBER, `ini_set('zlib.output_compression', '1'); echo '{"n": 1}';`, '');
  const scripts = Object.entries({ ...SCRIPTS, tagged, compressed }).map(([title, { source, output }]) => [
    nameOf(title),
    [source, `output: ${output}, methods: ['GET']`],
  ]);
  const project = scriptProject(Object.fromEntries(scripts), file);
  gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project }, file);
});

const send = async (title: string, method = 'GET', headers: Record<string, string> = {}): Promise<Response> =>
  await gateway.fetch(new Request(`http://localhost/functions/${nameOf(title)}`, { method, headers }));

test.each(Object.entries(SCRIPTS))('%s', async (title, { status, text, reason }) => {
  const response = await send(title);
  const body = await response.text();
  expect([response.status, body.includes('SECRET')]).toEqual([status, false]);
  if (text === undefined) {
    const { code, reason: told, executed } = JSON.parse(body);
    expect({ code, reason: told, executed }).toEqual({ code: 'invalid-function-output', reason, executed: 'yes' });
  } else {
    expect(body).toBe(text);
  }
});

describe('JSON is written anew', () => {
  test('so that nothing the script says of its own bytes passes', async () => {
    const { headers } = await send('tagged');
    expect([headers.get('content-type'), headers.get('etag')]).toEqual(['application/json', null]);
  });

  test('HEAD has the same headers, and no body that could be checked', async () => {
    const response = await send('tagged', 'HEAD');
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(await response.text()).toBe('');
  });

  test('so that a script is not told that its caller takes compressed answers', async () => {
    const response = await send('compressed', 'GET', { 'accept-encoding': 'gzip' });
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual([null, '{"n":1}']);
  });
});
