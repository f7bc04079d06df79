/** What a concurrent worker leaves behind that tells which calls it had begun. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { begunIds } from '../../gateway/pool/begun.ts';
import { temporaryFolder } from '../support/lifetime.ts';

const left = (bytes: Uint8Array) => {
  const path = join(temporaryFolder(), '1');
  writeFileSync(`${path}.begun`, bytes);
  return { kind: 'unix', path } as const;
};

const idsOf = (ids: readonly number[]): Buffer => Buffer.concat(ids.map((id) => Buffer.from([id >> 8, id & 255])));

test('the ids it wrote down, once', () => {
  const address = left(idsOf([1, 2, 65_535]));
  expect(begunIds(address)?.ids).toEqual(new Set([1, 2, 65_535]));
  expect(existsSync(`${address.path}.begun`)).toBe(false);
  expect(begunIds(address)).toBeUndefined();
});

test('nothing was begun: an empty file says so', () => {
  expect(begunIds(left(Buffer.alloc(0)))?.ids).toEqual(new Set());
});

test('the last ones alone count: ids come round again', () => {
  const first = idsOf(Array.from({ length: 65_535 }, (_, at) => at + 1));
  const ids = begunIds(left(Buffer.concat([first, idsOf([1, 2])])))?.ids;
  expect([1, 2, 65_535].map((id) => ids?.has(id))).toEqual([true, true, true]);
  expect(ids?.has(3)).toBe(false);
});

test('half of an id is none', () => {
  expect(begunIds(left(Buffer.concat([idsOf([7]), Buffer.from([1])])))?.ids).toEqual(new Set([7]));
});

test('what is no file of the worker proves nothing: no file, a folder, a link', () => {
  const path = join(temporaryFolder(), '1');
  expect(begunIds({ kind: 'unix', path })).toBeUndefined();
  mkdirSync(`${path}.begun`);
  expect(begunIds({ kind: 'unix', path })).toBeUndefined();
  const linked = join(temporaryFolder(), '2');
  symlinkSync('/etc/passwd', `${linked}.begun`);
  expect(begunIds({ kind: 'unix', path: linked })).toBeUndefined();
  expect(begunIds({ kind: 'tcp', host: '127.0.0.1', port: 1 })).toBeUndefined();
});
