/** Files that reach scripts, which can use them as they are used to; none of them outlives its call. */
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import type { Server } from '../../gateway/server.ts';
import { StartupError } from '../../gateway/startup.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { kill } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { scriptContract } from '../support/sites.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const LARGE = Buffer.alloc(3_000_000, 'large ');
const SMALL = Buffer.from('small');

const INPUT = `input: z.looseObject({
  one: file({ maxBytes: 4_000_000, mediaTypes: ['*/*'] }).optional(),
  many: z.array(file({ maxBytes: 4_000_000, mediaTypes: ['*/*'] })).max(3).optional(),
}), output: z.any()`;

const SCRIPTS: Readonly<Record<string, string>> = {
  tells: `echo json_encode(['post' => $_POST, 'files' => array_map(fn ($file) => ['tmp_name' => array_map('md5_file', (array) $file['tmp_name'])] + $file, $_FILES),
    'uploaded' => is_uploaded_file($_FILES['one']['tmp_name']), 'other' => is_uploaded_file(__FILE__), 'mode' => decoct(fileperms($_FILES['one']['tmp_name']) & 0777)]);`,
  moves: `$moved = move_uploaded_file($_FILES['one']['tmp_name'], $_GET['to']); echo json_encode([$moved, is_file($_FILES['one']['tmp_name'])]);`,
  holds: `file_put_contents($_GET['at'], getmypid() . "\\n", FILE_APPEND); while (!is_file($_GET['at'] . '.go')) { usleep(1000); clearstatcache(); } echo '1';`,
  throws: `throw new Exception('no');`,
  dies: 'posix_kill(getmypid(), 9); sleep(1);',
  hangs: 'while (true) { sleep(1); }',
  exits: "echo '1'; exit;",
  'works-on': "echo '1'; fastcgi_finish_request(); usleep(20000);",
};
const SETTINGS: Readonly<Record<string, string>> = { hangs: ', timeoutMs: 100' };

const file = wholeFile();
const folder = openFolder(file);
const spoolDir = openFolder(file);
let server: Server;

/** Whatever lies on disk for calls: the gateway's own waiting files and those of PHP. */
const waiting = (): string[] =>
  readdirSync(spoolDir, { recursive: true, encoding: 'utf8' }).filter(
    (path) => statSync(join(spoolDir, path), { throwIfNoEntry: false })?.isFile() === true,
  );

beforeAll(async () => {
  const scripts = Object.entries(SCRIPTS).flatMap(([name, source]) => [
    [`functions/${name}.php`, [`<?php ${source}`, '']],
    [`schemas/${name}.ts`, [scriptContract(`script: '${name}.php', ${INPUT}${SETTINGS[name] ?? ''}`), '']],
  ]);
  const project = functionsProject(Object.fromEntries(scripts), file);
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_SPOOL_DIR: spoolDir };
  server = await startTestServer(project, { env }, file);
});

type Sent = Readonly<Record<string, string | readonly [name: string, bytes: Uint8Array<ArrayBuffer>]>>;

const post = async (path: string, fields: Sent, signal: AbortSignal | null = null): Promise<Response> => {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) {
    const name = field.replace(/\d$/, '');
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([value[1]], { type: 'text/plain' }), value[0]);
  }
  return await fetch(`${server.url}/functions/${path}`, { method: 'POST', body: form, signal });
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
const jsonOf = async (response: Response): Promise<any> => await response.json();
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
const gone = async (): Promise<void> => await until('no file is left', () => waiting().length === 0);

test('a script has them in $_FILES, as from any web server', async () => {
  const sent = { title: 'a', one: ['ä b.txt', SMALL], 'many[]1': ['1', LARGE], 'many[]2': ['2', SMALL] } as const;
  const { files, ...rest } = await jsonOf(await post('tells', sent));
  expect(rest).toEqual({ post: { title: 'a' }, uploaded: true, other: false, mode: '600' });
  const one = { name: 'ä b.txt', full_path: 'ä b.txt', type: 'text/plain', error: 0 };
  expect(files).toEqual({
    one: { ...one, tmp_name: [md5(SMALL)], size: SMALL.length },
    many: {
      name: ['1', '2'],
      full_path: ['1', '2'],
      type: ['text/plain', 'text/plain'],
      error: [0, 0],
      tmp_name: [md5(LARGE), md5(SMALL)],
      size: [LARGE.length, SMALL.length],
    },
  });
  await gone();
});

test('move_uploaded_file() keeps a file', async () => {
  const to = join(folder, 'moved');
  const response = await post(`moves?to=${to}`, { one: ['a', LARGE] });
  expect(await response.json()).toEqual([true, false]);
  expect(readFileSync(to).equals(LARGE)).toBe(true);
  await gone();
});

describe('nothing is left on disk', () => {
  test.each([
    ['throws', 500],
    ['exits', 200],
    ['dies', 502],
    ['hangs', 504],
    ['works-on', 200],
  ])('after %s', async (name, status) => {
    const response = await post(name, { one: ['a', LARGE], 'many[]': ['b', SMALL] });
    expect(response.status).toBe(status);
    await response.text();
    await gone();
  });

  test('after a call that is killed while it has its files', async () => {
    const held = new Held(folder, 'killed');
    const call = post(`holds?at=${held.file}`, { one: ['a', LARGE], 'many[]': ['b', SMALL] });
    const pid = await held.started();
    // The gateway has sent its own.
    expect(waiting().filter((path) => path.includes('php-default'))).toHaveLength(2);
    kill(pid, 'SIGKILL');
    expect((await call).status).toBe(502);
    await gone();
  });

  test('after a call whose caller leaves', async () => {
    const held = new Held(folder, 'left');
    const leaving = new AbortController();
    const call = post(`holds?at=${held.file}`, { one: ['a', LARGE] }, leaving.signal);
    await held.started();
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/);
    expect(waiting().length).toBeGreaterThan(0);
    held.go();
    await gone();
  });

  test.each([
    [
      'input that is refused',
      'tells',
      {
        one: ['a', LARGE],
        'many[]1': ['1', SMALL],
        'many[]2': ['2', SMALL],
        'many[]3': ['3', SMALL],
        'many[]4': ['4', SMALL],
      },
      413,
    ],
    ['a file that is too large', 'tells', { 'many[]': ['1', LARGE], one: ['a', Buffer.alloc(5_000_000)] }, 413],
    ['a file nobody asked for', 'tells', { one: ['a', LARGE], other: ['b', SMALL] }, 400],
  ] as const)('after %s', async (_, name, fields, status) => {
    const response = await post(name, fields);
    expect([response.status, (await jsonOf(response)).executed]).toEqual([status, 'no']);
    await gone();
  });
});

test('PHP in a pool of our own takes all that the gateway lets through', () => {
  const [pool] = server.gateway.pools();
  expect(pool?.phpLimits).toMatchObject({ uploadMaxBytes: 4_000_000, uploadsMax: 4, inputVarsMax: 1000 });
  expect(pool?.phpLimits?.postMaxBytes).toBeGreaterThan(16_000_000);
});

describe('a pool somebody else runs', () => {
  const start = async (ini: Readonly<Record<string, string>>) => {
    const own = openFolder();
    const project = functionsProject({
      takes: ['return $input["one"]->size;', ''],
      'schemas/takes.ts': [scriptContract(INPUT), ''],
    });
    chmodSync(project, 0o755);
    await rawFpm(own, [`${own}/a.sock`], 1, { ini });
    const pools: GatewayConfig['pools'] = {
      default: { address: `unix:${own}/a.sock`, workers: 1, root: project, runtime },
    };
    return await startGateway({ pools }, { project });
  };

  test('is refused at start when its php.ini is too small, with all settings to change', async () => {
    const ini = { post_max_size: '8M', upload_max_filesize: '2M', max_file_uploads: '2', max_input_vars: '1000' };
    const error: unknown = await start(ini).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(StartupError);
    expect(String((error as StartupError).message)).toMatch(
      /post_max_size = 8388608.*upload_max_filesize = 2097152, but its functions take files of up to 4000000.*max_file_uploads = 2,.*up to 4/s,
    );
    expect(String((error as StartupError).message)).not.toContain('max_input_vars');
  });

  test('serves uploads when it is large enough', async () => {
    const gateway = await start({ post_max_size: '64M', upload_max_filesize: '8M', max_file_uploads: '9' });
    const form = new FormData();
    form.append('one', new Blob([LARGE]), 'a.txt');
    const request = new Request('http://localhost/functions/takes', { method: 'POST', body: form });
    expect(await (await gateway.fetch(request)).json()).toBe(LARGE.length);
  });
});
