/** Files that reach handlers, as UploadedFile objects where their input names them; none of them outlives its call. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { kill } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { scriptContract } from '../support/sites.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const LARGE = Buffer.alloc(3_000_000, 'large ');
const SMALL = Buffer.from('small');

const INPUT = `input: z.looseObject({
  one: file({ maxBytes: 4_000_000, mediaTypes: ['*/*'] }).optional(),
  many: z.array(file({ maxBytes: 4_000_000, mediaTypes: ['*/*'] })).max(3).optional(),
}), output: z.any()`;

const HANDLERS: Readonly<Record<string, string>> = {
  tells: `$tell = fn ($file) => [get_debug_type($file), $file->name, $file->mediaType, $file->size, md5($file->contents()), decoct(fileperms($file->path) & 0777)];
    return ['one' => $tell($input['one']), 'many' => array_map($tell, $input['many'] ?? []), 'count' => $input['count'] ?? null, 'was' => is_uploaded_file($input['one']->path)];`,
  moves: `$input['one']->moveTo($input['to']); return [is_file($input['one']->path), filesize($input['to'])];`,
  'moves-nowhere': `$input['one']->moveTo('/nowhere/file'); return 1;`,
  throws: `throw new Exception('no');`,
  exits: 'exit;',
  dies: 'posix_kill(getmypid(), 9); sleep(1);',
  hangs: 'while (true) { sleep(1); }',
  'no-memory': "return strlen(str_repeat('x', 1 << 40));",
  holds: `$input = $input['at']; ${WAIT}`,
};
const SETTINGS: Readonly<Record<string, string>> = { hangs: ', timeoutMs: 300' };

type Sent = Readonly<Record<string, string | readonly [name: string, bytes: Uint8Array<ArrayBuffer>]>>;

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

eachEngine(({ startTestServer, marksUploads }) => {
  const file = wholeFile();
  const folder = openFolder(file);
  const spoolDir = openFolder(file);
  let server: Server;

  /** Whatever lies on disk for calls: the gateway's own waiting files and those of PHP. */
  const waiting = (): string[] =>
    readdirSync(spoolDir, { recursive: true, encoding: 'utf8' }).filter(
      (path) => statSync(join(spoolDir, path), { throwIfNoEntry: false })?.isFile() === true,
    );
  const gone = async (): Promise<void> => await until('no file is left', () => waiting().length === 0);

  beforeAll(async () => {
    const handlers = Object.entries(HANDLERS).flatMap(([name, body]) => [
      [name, [body, '']],
      [`schemas/${name}.ts`, [scriptContract(`${INPUT}${SETTINGS[name] ?? ''}`), '']],
    ]);
    const project = functionsProject(Object.fromEntries(handlers), file);
    const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_SPOOL_DIR: spoolDir };
    server = await startTestServer(project, { env }, file);
  });

  const post = async (path: string, fields: Sent, signal: AbortSignal | null = null): Promise<Response> => {
    const form = new FormData();
    for (const [field, value] of Object.entries(fields)) {
      const name = field.replace(/\d$/, '');
      if (typeof value === 'string') form.append(name, value);
      else form.append(name, new Blob([value[1]], { type: 'text/plain' }), value[0]);
    }
    return await fetch(`${server.url}/functions/${path}`, { method: 'POST', body: form, signal });
  };

  test('a handler has them as UploadedFile where its input names them', async () => {
    const sent = { count: '2', one: ['ü.txt', LARGE], many1: ['1', SMALL], many2: ['2', SMALL] } as const;
    const tell = (name: string, bytes: Uint8Array) => {
      return ['FpmGateway\\UploadedFile', name, 'text/plain', bytes.length, md5(bytes), '600'];
    };
    expect(await (await post('tells', sent)).json()).toEqual({
      one: tell('ü.txt', LARGE),
      many: [tell('1', SMALL), tell('2', SMALL)],
      count: '2',
      was: marksUploads,
    });
    await gone();
  });

  test('moveTo() keeps a file', async () => {
    const to = join(folder, 'moved');
    expect(await (await post('moves', { to, one: ['a', LARGE] })).json()).toEqual([false, LARGE.length]);
    expect(readFileSync(to).equals(LARGE)).toBe(true);
    await gone();
  });

  describe('nothing is left on disk', () => {
    test.each([
      ['throws', 500],
      ['moves-nowhere', 500],
      ['exits', 502],
      ['dies', 502],
      ['hangs', 504],
      ['no-memory', 500],
    ])('after %s', async (name, status) => {
      const response = await post(name, { one: ['a', LARGE], 'many[]': ['b', SMALL] });
      expect(response.status).toBe(status);
      await response.text();
      await gone();
    });

    test('after a call that is killed while it has its files', async () => {
      const held = new Held(folder, 'killed');
      const call = post('holds', { at: held.file, one: ['a', LARGE], 'many[]': ['b', SMALL] });
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
      const call = post('holds', { at: held.file, one: ['a', LARGE] }, leaving.signal);
      await held.started();
      leaving.abort();
      await expect(call).rejects.toThrow(/abort/);
      expect(waiting().length).toBeGreaterThan(0);
      held.go();
      await gone();
    });
  });

  test('a new worker takes files as the one before', async () => {
    await post('exits', { one: ['a', LARGE] });
    expect(await (await post('tells', { one: ['a', SMALL] })).json()).toMatchObject({ many: [], was: marksUploads });
    await gone();
  });
});
