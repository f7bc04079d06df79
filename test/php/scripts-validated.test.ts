/** What a script sees is what its contract let through: no member, and no meaning of a text, that nobody checked. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';

const DUMP = `<?php header('Content-Type: application/json');
$files = array_map(static fn (array $entry): array => ['name' => $entry['name'], 'error' => $entry['error']], $_FILES);
echo json_encode(['get' => $_GET, 'post' => $_POST, 'files' => $files, 'input' => file_get_contents('php://input')]);`;

const contract = (input: string, more = ''): string => `
import { z } from 'zod';
import { binary, defineFunction, file } from 'fpm-gateway/contract';
export default defineFunction({ script: 'dump.php', output: binary('application/json'), input: ${input}, ${more} });`;

const NESTED =
  'z.strictObject({ a: z.int().optional(), b: z.int().optional(), l: z.array(z.int()).max(3).optional() })';
const files = {
  'functions/dump.php': DUMP,
  'functions/dies.php': `<?php echo 'half'; ob_flush(); flush();
register_shutdown_function(static function (): void {
    @file('/nope');
    for ($i = 0; $i < 80; $i++) { error_log(str_repeat('z', 100)); }
});
for ($i = 0; $i < 800; $i++) { error_log(str_repeat('w', 100)); }
undefined_function();`,
  'schemas/dies.ts': `
import { z } from 'zod';
import { binary, defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ script: 'dies.php', output: binary('text/html'), input: z.any() });`,
  'schemas/fields.ts': contract(`z.strictObject({
    i: z.int().max(9).optional(), tags: z.array(z.string().max(9)).max(3).optional(), flag: z.boolean().optional(),
    word: z.string().max(9).optional(), o: ${NESTED}.optional(),
  })`),
  'schemas/raw.ts': contract("file({ maxBytes: 10_000, mediaTypes: ['*/*'] })"),
  'schemas/upload.ts': contract(`z.strictObject({
    document: file({ maxBytes: 1000, mediaTypes: ['*/*'] }),
    pictures: z.array(file({ maxBytes: 1000, mediaTypes: ['*/*'] })).max(2).optional(),
  })`),
};

const file = wholeFile();
let gateway: Gateway;
let project: string;

beforeAll(async () => {
  project = writeProject(files, file);
  gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project }, file);
});

const FORM = 'application/x-www-form-urlencoded';

const send = async (path: string, body: string, type: string) => {
  const headers = { 'content-type': type };
  const response = await gateway.fetch(
    new Request(`http://localhost/functions/${path}`, { method: 'POST', headers, body }),
  );
  return { status: response.status, seen: (await response.json()) as Record<string, unknown> };
};

describe('a text is written anew where PHP would take it for something else:', () => {
  test.each([
    ['flag=off', { flag: '0' }],
    ['flag=false', { flag: '0' }],
    ['flag=on', { flag: 'on' }],
    ['flag=0', { flag: '0' }],
    ['i=1.0', { i: '1' }],
    ['i=0.5e1', { i: '5' }],
    ['i=007', { i: '7' }],
    ['i=7', { i: '7' }],
    ['word=007', { word: '007' }],
    ['tags=a&tags=b', { tags: ['a', 'b'] }],
    ['tags=a', { tags: ['a'] }],
    ['tags[]=a&tags[]=b', { tags: ['a', 'b'] }],
    ['o[a]=1&o[b]=&o[l][]=', { o: { a: '1' } }],
    ['o[a]=1&o[b]=2', { o: { a: '1', b: '2' } }],
    ['i=', []],
  ])('%s', async (body, post) => {
    expect((await send('fields', body, FORM)).seen).toMatchObject({ get: [], post });
  });
});

describe('a member in query and body is refused, also when it was left empty:', () => {
  test.each([
    ['fields?i=', 'i=1', FORM],
    ['fields?i=1', 'i=', FORM],
    ['fields?i=&tags=', '{"i":5}', 'application/json'],
    ['fields?o=', 'o[b]=1', FORM],
  ])('%s with %s', async (path, body, type) => {
    expect(await send(path, body, type)).toMatchObject({
      status: 400,
      seen: { code: 'duplicate-key', executed: 'no' },
    });
  });
});

describe('a raw body is bytes to PHP, never fields:', () => {
  const part = '--x\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1\r\n--x--\r\n';
  test.each([
    ['a form', 'admin=1', FORM],
    ['a form with a parameter', 'admin=1', `${FORM}; charset=utf-8`],
    ['a form behind proof of another type', '%PDF-1.4&admin=1', FORM],
    ['multipart', part, 'multipart/form-data; boundary=x'],
    ['multipart behind proof of another type', `%PDF-1.4\r\n${part}`, 'multipart/form-data; boundary=x'],
  ])('%s', async (_what, body, type) => {
    expect(await send('raw', body, type)).toEqual({ status: 200, seen: { get: [], post: [], files: [], input: body } });
  });
});

describe('a file input that was left empty', () => {
  const empty = '';
  const text = 'a.txt';
  // As browsers write it: an empty input has an empty file name.
  const form = (...names: [field: string, fileName: string][]): string =>
    `${names
      .map(
        ([field, name]) =>
          `--x\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n\r\n${name}\r\n`,
      )
      .join('')}--x--\r\n`;
  const upload = async (...names: [string, string][]) =>
    (await send('upload', form(...names), 'multipart/form-data; boundary=x')).seen;

  test('does not take the place of the file beside it', async () => {
    const { files } = await upload(['document', text], ['document', empty]);
    expect(files).toMatchObject({ document: { name: 'a.txt', error: 0 } });
  });

  test('of a list leaves the list as it is', async () => {
    const { files } = await upload(['document', text], ['pictures[]', text], ['pictures', empty]);
    expect(files).toMatchObject({ pictures: { name: ['a.txt'], error: [0] } });
  });

  test('counts once, however often it comes', async () => {
    const many = Array.from({ length: 50 }, (): [string, string] => ['pictures[]', empty]);
    const { files } = await upload(['document', text], ...many);
    expect(files).toMatchObject({ pictures: { name: [''], error: [4] } });
  });
});

test('a fatal error is known however much was logged around it', async () => {
  const { status, seen } = await send('dies', '{}', 'application/json');
  expect([status, seen.code, seen.reason]).toEqual([500, 'function-error', 'fatal']);
});

test('a script that changes after the start is not run before the next', async () => {
  const own = writeProject({ 'functions/dump.php': DUMP, 'schemas/dump.ts': contract('z.strictObject({})') });
  const started = await startGateway({ pools: { default: { workers: 1 } } }, { project: own });
  writeFileSync(join(own, 'functions/dump.php'), '<?php syntax error');
  const request = new Request('http://localhost/functions/dump', { method: 'POST' });
  expect((await started.fetch(request)).status).toBe(200);
});
