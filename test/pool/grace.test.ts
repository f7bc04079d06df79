/** The marks of handlers that want to clean up: what lies in the workers' folder may be anything. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GraceDir } from '../../gateway/pool/grace.ts';
import { temporaryFolder } from '../support/lifetime.ts';

const ID = '0190b3c8-7b8e-7000-8000-000000000000.1';

const open = () => {
  const base = temporaryFolder();
  const grace = new GraceDir(base, 'default', undefined);
  return { base, grace, mark: (pid: number): string => join(grace.path, String(pid)) };
};

test('the attempt that asks is known; an earlier one of the same process, a longer text and nothing are not', () => {
  const { grace, mark } = open();
  writeFileSync(mark(7), ID);
  expect([grace.asks(7, ID), grace.asks(7, ID.replace('.1', '.2')), grace.asks(8, ID)]).toEqual([true, false, false]);
  writeFileSync(mark(7), `${ID}${'x'.repeat(1_000_000)}`);
  expect(grace.asks(7, ID)).toBe(false);
});

test('PHP is told why by the name of its mark, once; what is left of an ended process is cleared', () => {
  const { grace, mark } = open();
  writeFileSync(mark(7), ID);
  expect(grace.tell(7, 'timeout')).toBe(true);
  expect(readdirSync(grace.path)).toEqual(['7.timeout']);
  expect([grace.asks(7, ID), grace.tell(7, 'timeout')]).toEqual([false, false]);
  grace.clear(7);
  expect(readdirSync(grace.path)).toEqual([]);
});

test('a link is not followed, a pipe not waited for, a folder no mark', () => {
  const { base, grace, mark } = open();
  const elsewhere = join(base, 'elsewhere');
  writeFileSync(elsewhere, ID);
  symlinkSync(elsewhere, mark(1));
  execFileSync('sh', ['-c', 'mkfifo "$0"', mark(2)]);
  mkdirSync(mark(3));
  expect([1, 2, 3].map((pid) => grace.asks(pid, ID))).toEqual([false, false, false]);
  for (const pid of [1, 2, 3]) {
    grace.tell(pid, 'cancelled');
    grace.clear(pid);
  }
  expect(readFileSync(elsewhere, 'utf8')).toBe(ID);
});
