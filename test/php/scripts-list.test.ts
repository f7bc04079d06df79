/** Which scripts answer: those that a contract lists, by their exact paths, and nothing else that lies beside them. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { formatProblem, StartupError } from '../../gateway/startup.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { thisTest, wholeFile } from '../support/lifetime.ts';
import { functionsProject, writeProject } from '../support/project.ts';
import { rawRequest } from '../support/raw-http.ts';
import { scriptContract } from '../support/sites.ts';
import { Runs } from '../support/told-handlers.ts';

const file = wholeFile();
let url: string;
let runs: Runs;
let before: number;

beforeAll(async () => {
  runs = new Runs(file);
  const says = (text: string): readonly [string, string] => [`<?php ${runs.marking(`echo '${text}';`)}`, ''];
  const many = [1, 2, 3, 4, 5, 6, 7].map((name) => `${name}.php`);
  const listed = JSON.stringify(['a.php', 'sub/b.php', 'index.php']);
  const project = functionsProject(
    {
      'functions/site/a.php': says('a'),
      'functions/site/index.php': says('index'),
      'functions/site/sub/b.php': says('b'),
      'functions/site/sub/index.php': says('unlisted'),
      'functions/site/secret.php': says('unlisted'),
      'functions/site/_part.php': says('unlisted'),
      'functions/one/form.php': says('form'),
      'functions/one/other.php': says('unlisted'),
      'schemas/site.ts': [scriptContract(`methods: ['GET'], scripts: { folder: 'site', files: ${listed} }`), ''],
      ...Object.fromEntries(many.map((name) => [`functions/many/${name}`, says('many')])),
      'schemas/many.ts': [scriptContract(`scripts: { folder: 'many', files: ${JSON.stringify(many)} }`), ''],
      'schemas/form.ts': [scriptContract(`methods: ['GET'], script: 'one/form.php'`), ''],
      handler: [runs.marking('return 1;'), `methods: ['GET']`],
    },
    file,
  );
  ({ url } = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } }, file));
});

beforeEach(() => {
  before = runs.count;
});

/** As written: a URL would be tidied up on the way. */
const get = async (path: string) => await rawRequest(url, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);

test.each([
  ['/functions/site/a.php', 'a'],
  ['/functions/site/a.php?b=/sub/b.php', 'a'],
  ['/functions/site/sub/b.php', 'b'],
  ['/functions/form', 'form'],
  // The same path, by the rules of URLs (RFC 3986, 6.2.2).
  ['/functions/site/%61.php', 'a'],
])('%s is %s', async (path, text) => {
  const answer = await get(path);
  expect([answer.status, answer.body]).toEqual([200, text]);
});

describe('nothing runs at', () => {
  test.each([
    '/functions/site',
    '/functions/site/',
    '/functions/site/sub',
    '/functions/site/sub/',
    '/functions/site/sub/index.php',
    '/functions/site/secret.php',
    '/functions/site/_part.php',
    '/functions/site/a',
    '/functions/site/a.php/',
    '/functions/site/a.php/info',
    '/functions/site/A.php',
    '/functions/Site/a.php',
    '/functions/site/a.PHP',
    '/functions/site//a.php',
    '/functions//site/a.php',
    '/functions/site/sub%2Fb.php',
    '/functions/site%2Fa.php',
    '/functions/site/sub%5Cb.php',
    '/functions/site/..%2Fsecret.php',
    '/functions/site/%2E%2E%2Fone%2Fother.php',
    '/functions/site/sub/..%2F..%2Fone/other.php',
    '/functions/site/%252e%252e/secret.php',
    '/functions/site/a.php%00',
    '/functions/site/a.php%0A',
    '/functions/site/a.php%20',
    '/functions/site/a.php.',
    '/functions/site/a.php;b',
    '/functions/site/a.php%3Fb=1',
    '/functions/site/a.php%23',
    '/functions/site/%FF.php',
    '/functions/site/a%C0%AEphp',
    '/functions/one/form.php',
    '/functions/form/form.php',
    '/functions/form/',
    '/functions/handler/a.php',
    '/functions/handler/',
    '/functions/constructor',
    '/functions/site/constructor',
    '/site/a.php',
  ])('%s', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body).code).toBe('not-found');
    expect(runs.count).toBe(before);
  });
});

describe('nothing runs at a path with dot segments, wherever it leads', () => {
  test.each([
    '/functions/site/./a.php',
    '/functions/site/sub/../a.php',
    '/functions/other/../site/a.php',
    '/functions/site/%2E%2e/site/a.php',
    '/functions/site/a.php/../secret.php',
    '/functions/site/../one/other.php',
    '/functions/../functions/site/site/a.php',
  ])('%s', async (path) => {
    const answer = await get(path);
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'bad-request']);
    expect(runs.count).toBe(before);
  });
});

describe('a path where nothing is names the scripts there are', () => {
  test.each([
    ['/functions/site', 'site itself is no script; it has a.php, sub/b.php, index.php.'],
    ['/functions/site/secret.php', 'site has no script "secret.php"; it has a.php, sub/b.php, index.php.'],
    ['/functions/site/sub%2Fb.php', 'site has no script "sub%2Fb.php"; it has a.php, sub/b.php, index.php.'],
    ['/functions/many/x.php', 'many has no script "x.php"; it has 1.php, 2.php, 3.php, 4.php, 5.php and 2 more.'],
  ])('%s', async (path, detail) => {
    expect(JSON.parse((await get(path)).body)).toMatchObject({ code: 'not-found', detail });
  });
});

test('OPTIONS of a script tells its verbs and types and runs nothing; of any other path it is 404', async () => {
  const options = async (path: string) =>
    await rawRequest(url, `OPTIONS /functions/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  for (const path of ['site/a.php', 'site/sub/b.php', 'form']) {
    const { status, headers } = await options(path);
    expect([path, status, headers.allow]).toEqual([path, 204, 'GET, HEAD, OPTIONS']);
    expect(headers['accept-post']).toBe('application/x-www-form-urlencoded, multipart/form-data, application/json');
  }
  for (const path of ['site', 'site/secret.php', 'site/sub%2Fb.php', 'form/form.php', 'handler/a.php', 'none/a.php'])
    expect([path, (await options(path)).status]).toEqual([path, 404]);
  expect(runs.count).toBe(before);
});

test('a verb the contract does not list runs nothing', async () => {
  for (const verb of ['POST', 'PUT', 'DELETE', 'TRACE', 'get']) {
    const answer = await rawRequest(
      url,
      `${verb} /functions/site/a.php HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`,
    );
    expect([verb, answer.status]).toEqual([verb, verb === 'get' ? 400 : 405]);
  }
  expect(runs.count).toBe(before);
});

test('what the caller says of itself is taken from trusted peers alone', async () => {
  const show =
    '<?php echo json_encode(array_filter($_SERVER, fn ($name) => preg_match("/FORWARDED|REAL_IP|HTTPS|SCHEME|REMOTE_ADDR/", $name), ARRAY_FILTER_USE_KEY));';
  const project = writeProject({
    'functions/show.php': show,
    'schemas/show.ts': scriptContract("script: 'show.php', methods: ['GET'], output: z.any()"),
  });
  const config = { pools: { default: { workers: 1 } }, http: { trustedPeers: ['10.0.0.0/8'] } };
  const gateway = await startGateway(config, { project });
  const headers = { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-real-ip': '1.2.3.4' };
  const seenFrom = async (peer: string): Promise<unknown> => {
    const request = new Request('http://localhost/functions/show', { headers });
    return await (await gateway.fetch(request, { peer })).json();
  };
  expect(await seenFrom('203.0.113.1')).toEqual({ REMOTE_ADDR: '203.0.113.1', REQUEST_SCHEME: 'http' });
  expect(await seenFrom('10.1.2.3')).toEqual({
    REMOTE_ADDR: '10.1.2.3',
    REQUEST_SCHEME: 'https',
    HTTPS: 'on',
    HTTP_X_FORWARDED_FOR: '1.2.3.4',
    HTTP_X_FORWARDED_PROTO: 'https',
    HTTP_X_REAL_IP: '1.2.3.4',
  });
});

test('scripts that are not there, or do not parse, are told at start with file and line; none is run for that', async () => {
  const marks = new Runs(thisTest);
  const project = functionsProject({
    'functions/site/good.php': [`<?php ${marks.marking('exit;')}`, ''],
    'functions/site/broken.php': [`<?php ${marks.marking('')}\n\n$a = ;\n`, ''],
    'functions/one.php': [`<?php ${marks.marking('')}\nif (true) {\n`, ''],
    'schemas/site.ts': [scriptContract("scripts: { folder: 'site', files: ['good.php', 'broken.php'] }"), ''],
    'schemas/missing.ts': [scriptContract("scripts: { folder: 'site', files: ['nowhere.php', 'good.php'] }"), ''],
    'schemas/one.ts': [scriptContract("script: 'one.php'"), ''],
  });
  const problems = async (): Promise<string[]> => {
    const error: unknown = await startGateway({ pools: { default: { workers: 1 } } }, { project }).catch((e) => e);
    if (!(error instanceof StartupError)) throw error;
    return error.problems.map(formatProblem).sort();
  };
  expect(await problems()).toEqual([
    expect.stringMatching(/^functions\/one\.php:3\n.*Unclosed '\{' on line 2/),
    expect.stringMatching(/^functions\/site\/broken\.php:3\n.*syntax error, unexpected token ";"/),
    expect.stringMatching(/^schemas\/missing\.ts.*\n.*There is no functions\/site\/nowhere\.php/),
  ]);
  expect(marks.count).toBe(0);
});
