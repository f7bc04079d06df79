/** Files that come with a call are on disk before the handler runs, never in memory, and gone after it. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ResidentProcess, startWorker } from '../support/resident-process.ts';
import type { ResidentWorker } from '../support/resident-worker.ts';
import { until } from '../support/until.ts';

const HANDLERS = {
  store: `return static function (array $input): array {
    $file = $input['doc']['avatar'];
    return [$input['title'], $file->name, $file->mediaType, $file->size, hash_file('sha256', $file->path), decoct(fileperms($file->path) & 0777), $file->path, memory_get_peak_usage(true)];
  };`,
  keep: "return static function (array $input): bool { $input['doc']['avatar']->moveTo($input['title']); return is_file($input['title']); };",
  exits: 'return static function () { exit; };',
  whole: 'return static fn (UploadedFile $file): string => $file->contents();',
  list: 'return static fn (array $input): array => array_map(fn ($file) => $file->contents(), $input["files"]);',
  plain: 'return static fn (array $input): array => $input;',
};
const ATTEMPT = '01900000-0000-7000-8000-000000000009.1';
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

interface Sent {
  readonly path: readonly (string | number)[];
  readonly bytes: Buffer;
}

const body = (input: unknown, files: readonly Sent[], announced?: number): Buffer => {
  const header = Buffer.from(
    JSON.stringify({
      input,
      files: files.map(({ path, bytes }) => ({
        path,
        name: 'a.png',
        mediaType: 'image/png',
        size: announced ?? bytes.length,
      })),
    }),
  );
  return Buffer.concat([Buffer.from(`${header.length}\n`), header, ...files.map(({ bytes }) => bytes)]);
};

const send = (worker: ResidentWorker, functionName: string, bytes: Buffer): number =>
  worker.send(
    [
      ['FPMG_CALL', `${functionName} ${ATTEMPT} 60000.000 ${TRACE}`],
      ['FPMG_FILES', '1'],
      ['CONTENT_LENGTH', String(bytes.length)],
    ],
    bytes,
  );

const left = ({ uploads }: ResidentProcess): string[] => readdirSync(uploads).filter((name) => !name.endsWith('.log'));

test('a file of 50 MB reaches a handler that may use 16 MB', async () => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS, ini: ['memory_limit=16M'] });
  const bytes = Buffer.alloc(50_000_000, 'fpm-gateway');
  const id = send(worker, 'store', body({ title: 'Me', doc: {} }, [{ path: ['doc', 'avatar'], bytes }]));
  const [title, name, mediaType, size, hash, mode, path, peak] = (await worker.answer(id)).output as string[];
  expect([title, name, mediaType, size, mode]).toEqual(['Me', 'a.png', 'image/png', 50_000_000, '600']);
  expect(hash).toBe(createHash('sha256').update(bytes).digest('hex'));
  expect(peak).toBeLessThan(16_000_000);
  expect(path?.startsWith(resident.uploads)).toBe(true);
  expect(left(resident)).toEqual([]);
});

test('a file that is moved stays, and may be read as PHP’s own uploads may', async () => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS });
  const target = join(resident.folder, 'kept.png');
  const id = send(
    worker,
    'keep',
    body({ title: target, doc: {} }, [{ path: ['doc', 'avatar'], bytes: Buffer.from('png') }]),
  );
  expect((await worker.answer(id)).output).toBe(true);
  expect(readFileSync(target, 'utf8')).toBe('png');
  expect(statSync(target).mode & 0o777).toBe(0o666 & ~process.umask());
});

test('files may be in a list, empty, or the whole input', async () => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS });
  const files = ['a', '', 'ccc'].map((text, n) => ({ path: ['files', n], bytes: Buffer.from(text) }));
  expect((await worker.answer(send(worker, 'list', body({ files: [null, null, null] }, files)))).output).toEqual([
    'a',
    '',
    'ccc',
  ]);
  expect(
    (await worker.answer(send(worker, 'whole', body(null, [{ path: [], bytes: Buffer.from('all') }])))).output,
  ).toBe('all');
  expect((await worker.answer(send(worker, 'plain', body({ none: 1 }, [])))).output).toEqual({ none: 1 });
  expect(left(resident)).toEqual([]);
});

test('files of a call that ends PHP, and of calls behind it, are removed', async () => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS });
  const one = body({ title: 'x', doc: {} }, [{ path: ['doc', 'avatar'], bytes: Buffer.alloc(100) }]);
  const ids = [send(worker, 'exits', one), send(worker, 'store', one)];
  expect((await worker.answer(ids[0] ?? 0)).meta.outcome).toBe('exit');
  expect(await worker.raw(ids[1] ?? 0)).toMatchObject({ protocolStatus: 2 });
  await worker.ended();
  await resident.exit(worker.pid);
  expect(left(resident)).toEqual([]);
});

test('a folder that cannot be written to is told, and the next call is clean', async () => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS });
  rmSync(resident.uploads, { recursive: true });
  const id = send(
    worker,
    'store',
    body({ title: 'x', doc: {} }, [{ path: ['doc', 'avatar'], bytes: Buffer.alloc(300_000) }]),
  );
  expect((await worker.answer(id)).meta).toMatchObject({
    outcome: 'exception',
    exception: { message: expect.stringContaining(resident.uploads) },
  });
  expect((await worker.call('plain', { n: 1 })).output).toEqual({ n: 1 });
});

test.each([
  ['fewer bytes than announced', body({}, [{ path: ['a'], bytes: Buffer.from('ab') }], 3), /fewer bytes of files/],
  ['more bytes than announced', body({}, [{ path: ['a'], bytes: Buffer.from('ab') }], 1), /more bytes of files/],
  ['no length', Buffer.from('abc\n{}'), /header has no length/],
  ['no end of its length', Buffer.from('12345678901234567890'), /header has no length/],
  ['no JSON', Buffer.from('3\nabc'), /header is no JSON/],
])('a body with %s ends the worker, and leaves no file', async (_what, bytes, says) => {
  const { resident, worker } = await startWorker({ handlers: HANDLERS });
  send(worker, 'store', bytes);
  await worker.ended();
  expect(await resident.exit(worker.pid)).toMatchObject({ status: 70 });
  await until('a line in the log', () => says.test(resident.log()));
  expect(left(resident)).toEqual([]);
  expect(existsSync(resident.uploads)).toBe(true);
});
