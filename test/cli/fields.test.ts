/** `fpm-gateway call` with forms, files, other verbs, and scripts that answer. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

const file = wholeFile();
const folder = temporaryFolder(file);
let server: Server;

const contract = (members: string): string => `
import { z } from 'zod';
import { binary, defineFunction, file } from 'fpm-gateway/contract';
const text = file({ maxBytes: 100, mediaTypes: ['text/plain', 'text/csv', 'image/gif'] });
export default defineFunction({ ${members} });
`;

const TELL = 'fn ($f) => [$f->name, $f->mediaType, $f->contents()]';

beforeAll(async () => {
  const project = functionsProject(
    {
      'schemas/one.ts': contract('input: z.object({ note: z.any(), one: text }), output: z.any()'),
      'functions/one.php': `<?php return fn (array $input) => [$input['note'], (${TELL})($input['one'])];`,
      'schemas/many.ts': contract('input: z.object({ all: z.array(text).max(3) }), output: z.any()'),
      'functions/many.php': `<?php return fn (array $input) => array_map(${TELL}, $input['all']);`,
      'schemas/body.ts': contract('input: z.object({ id: z.int(), body: text }), output: z.any(), contents: ["raw"]'),
      'functions/body.php': `<?php return fn (array $input) => [$input['id'], (${TELL})($input['body'])];`,
      'schemas/page.ts': contract(`
        input: z.record(z.string(), z.any()), output: binary('text/*'), methods: ['GET', 'POST', 'DELETE'], script: 'page.php'`),
      'functions/page.php': `<?php
        if (isset($_GET['to'])) { header("Location: $_GET[to]", true, 302); exit; }
        http_response_code((int) ($_GET['status'] ?? 200));
        header('Content-Type: text/plain');
        echo json_encode([$_SERVER['REQUEST_METHOD'], $_GET, $_POST]);`,
      'schemas/shop.ts': contract(`
        input: z.any(), output: binary('text/html'), scripts: { folder: 'shop', files: ['a/b.php'] }`),
      'functions/shop/a/b.php': '<?php echo "b";',
    },
    file,
  );
  for (const [name, text] of Object.entries({ 'a.txt': 'A', 'b.csv': 'b,c', 'large.txt': 'x'.repeat(101) }))
    writeFileSync(join(folder, name), text);
  writeFileSync(
    join(folder, 'pixel'),
    Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64'),
  );
  server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '2' } }, file);
});

const call = async (...args: string[]) => {
  const cli = runCommand(['call', '--url', server.url, ...args]);
  return { code: await cli.exit, out: cli.out(), err: cli.err() };
};

const json = async (...args: string[]): Promise<unknown> => {
  const { code, out, err } = await call(...args);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
};

describe('files', () => {
  test('one goes with the members of the input as fields, and is named as on the disk', async () => {
    const input = '{"note":{"deep":["x",true,null]}}';
    expect(await json('one', input, '--file', `one=${join(folder, 'a.txt')}`)).toEqual([
      { deep: ['x', 'true', ''] },
      ['a.txt', 'text/plain', 'A'],
    ]);
  });

  test('several make a list; what their bytes do not tell, their names do', async () => {
    const files = ['a.txt', 'b.csv'].flatMap((name) => ['--file', `all[]=${join(folder, name)}`]);
    expect(await json('many', '{}', ...files)).toEqual([
      ['a.txt', 'text/plain', 'A'],
      ['b.csv', 'text/csv', 'b,c'],
    ]);
  });

  test('a path alone is the whole body, and the input its query', async () => {
    expect(await json('body', '{"id":7}', '--file', join(folder, 'b.csv'))).toEqual([7, ['body', 'text/csv', 'b,c']]);
  });

  test('what the gateway says of a file reaches its sender', async () => {
    const answers = await Promise.all([
      call('one', '{"note":1}', '--file', `one=${join(folder, 'large.txt')}`),
      call('one', '{"note":1}', '--file', `two=${join(folder, 'a.txt')}`),
      call('one', '{"note":1}', '--form'),
    ]);
    expect(answers.map(({ code }) => code)).toEqual([1, 1, 1]);
    expect(answers[0]?.err).toMatch(/413 file-too-large.*"one".*100 bytes/);
    expect(answers[1]?.err).toMatch(/400 invalid-form.*no file named "two"; it takes "one"/);
    expect(answers[2]?.err).toMatch(/415 unsupported-media-type.*→ Send its files with --file field=path/s);
  });
});

describe('scripts', () => {
  test('--form fills $_POST, --method GET fills $_GET', async () => {
    const input = '{"name":"Ada & Co","tags":["a","b"]}';
    expect(await json('page', input, '--form')).toEqual(['POST', [], JSON.parse(input)]);
    expect(await json('page', input, '--method', 'get')).toEqual(['GET', JSON.parse(input), []]);
    expect(await json('page', input, '--method', 'DELETE')).toEqual(['DELETE', JSON.parse(input), []]);
  });

  test('a redirect is told, not followed', async () => {
    const answer = await call('page', '{"to":"/elsewhere"}', '--method', 'GET');
    expect(answer).toEqual({ code: 0, out: '', err: '302 Found → /elsewhere\n' });
  });

  test('a refusal of its own is a failure, and its text is printed', async () => {
    const { code, out, err } = await call('page', '{"status":"418"}', '--method', 'GET');
    expect([code, err]).toEqual([1, "✗ 418 I'm a Teapot  says the script itself\n"]);
    expect(out).toContain('"GET"');
  });

  test('one of several is named behind its function', async () => {
    expect(await call('shop/a/b.php', '{}', '--form')).toEqual({ code: 0, out: 'b', err: '' });
  });

  test('a wrong verb: says which to use', async () => {
    const { err } = await call('one', '{}', '--method', 'GET');
    expect(err).toMatch(/405 method-not-allowed.*→ Add --method POST\./s);
  });
});

test.each<[string, string[], RegExp]>([
  ['no such file', ['one', '{}', '--file', 'one=/no/such.txt'], /file cannot be read.*\/no\/such\.txt/],
  ['no such body', ['one', '{}', '--file', '/no/such.txt'], /file cannot be read.*\/no\/such\.txt/],
  ['a folder', ['one', '{}', '--file', 'one=/tmp'], /file cannot be read.*(directory|\/tmp)/],
  ['no field', ['one', '{}', '--file', 'one=/etc/hosts', '--file', '/etc/hosts'], /Write --file field=\/etc\/hosts/],
  ['no JSON', ['one', '{', '--form'], /input is no JSON/],
  ['no object', ['one', '[1]', '--file', 'one=/etc/hosts'], /must be a JSON object: --file/],
  ['no object in the query', ['page', '7', '--method', 'GET'], /must be a JSON object: --method GET/],
  ['a file without a body', ['page', '{}', '--method', 'GET', '--file', 'a=/etc/hosts'], /leave out --file/],
  ['a form without a body', ['page', '{}', '--method', 'GET', '--form'], /leave out --form/],
  ['no verb', ['page', '{}', '--method', 'BREW'], /Give one of GET/],
])('%s: one sentence with the next step, no stack', async (_what, args, message) => {
  const { code, err } = await call(...args);
  expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  expect(err).not.toMatch(/^ +at /m);
});
