import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UploadDir, uploadNeeds, uploadProblems } from '../../gateway/pool/uploads.ts';
import { resolveSettings } from '../../gateway/settings.ts';
import { temporaryFolder } from '../support/lifetime.ts';

const { limits } = resolveSettings({}, {}, 'deploy/gateway.config.ts');

const takes = (...files: { maxBytes: number; maxCount: number }[]) => ({
  files: new Map(files.map((file, index) => [`file${index}`, file])),
});

test('PHP must take the largest file, the most files and the largest request of any function of the pool', () => {
  const avatar = takes({ maxBytes: 5_000_000, maxCount: 1 });
  const album = takes({ maxBytes: 1_000_000, maxCount: 20 }, { maxBytes: 100, maxCount: 1 });
  const needs = uploadNeeds([avatar, album], limits);
  expect(needs).toMatchObject({ uploadMaxBytes: 5_000_000, uploadsMax: 21, inputVarsMax: limits.fieldsMax });
  expect(needs.postMaxBytes).toBeGreaterThan(20_000_100 + limits.bodyMaxBytes);
});

test('no request is larger than the gateway lets through', () => {
  const all = takes({ maxBytes: limits.uploadMaxBytes, maxCount: 100 });
  expect(uploadNeeds([all], limits).postMaxBytes).toBeLessThan(limits.uploadMaxBytes + 4 * limits.bodyMaxBytes);
});

test('a pool without files takes none', () => {
  expect(uploadNeeds([takes()], limits)).toMatchObject({ uploadMaxBytes: 0, uploadsMax: 0 });
});

test('what an attached PHP would refuse is told setting by setting; no limit there is enough', () => {
  const needs = { postMaxBytes: 100, uploadMaxBytes: 50, uploadsMax: 3, inputVarsMax: 10, nestingMax: 64 };
  const small = { postMaxBytes: 99, uploadMaxBytes: 49, uploadsMax: 2, inputVarsMax: 9 };
  expect(uploadProblems(needs, small).join(' ')).toMatch(
    /post_max_size = 99.* 100.*upload_max_filesize = 49.* 50.*max_file_uploads = 2.* 3.*max_input_vars = 9.* 10/,
  );
  expect(uploadProblems(needs, { postMaxBytes: 0, uploadMaxBytes: 0, uploadsMax: 3, inputVarsMax: 10 })).toEqual([]);
});

const anHourAgo = new Date(Date.now() - 3_600_000);

test('files that a killed worker left are cleared away when the last call with files ends', () => {
  const uploads = new UploadDir(temporaryFolder(), 'default', undefined);
  const end = uploads.begin();
  writeFileSync(join(uploads.path, 'phpLeft'), 'x');
  end(true);
  expect(readdirSync(uploads.path)).toEqual([]);
});

test('files of calls that still run stay', () => {
  const uploads = new UploadDir(temporaryFolder(), 'default', undefined);
  const endFirst = uploads.begin();
  const endSecond = uploads.begin();
  const file = join(uploads.path, 'phpOfTheSecond');
  writeFileSync(file, 'x');
  // The time of its last change counts, which nobody can set: a file may be given any modification time.
  utimesSync(file, anHourAgo, anHourAgo);
  endFirst(true);
  expect(existsSync(file)).toBe(true);
  endSecond(false);
  expect(existsSync(file)).toBe(false);
});

test('a call that ended well looks for nothing, unless a worker has died whose files may be left', () => {
  const uploads = new UploadDir(temporaryFolder(), 'default', undefined);
  const file = join(uploads.path, 'phpOfSomebody');
  const runOne = (isGone: boolean): boolean => {
    writeFileSync(file, 'x');
    uploads.begin()(isGone);
    return existsSync(file);
  };
  expect([runOne(false), runOne(true), runOne(false)]).toEqual([true, false, true]);
});

test('nobody else enters the folder', () => {
  const { path } = new UploadDir(temporaryFolder(), 'default', undefined);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});
