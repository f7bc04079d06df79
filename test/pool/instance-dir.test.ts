import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { fpmProcesses, lookUpUser, openInstanceDir, startTicks } from '../../gateway/pool/instance-dir.ts';
import { temporaryFolder } from '../support/lifetime.ts';

test('a folder of its own, with one for sockets that nobody else enters, gone when removed', () => {
  const base = join(temporaryFolder(), 'deep', 'base');
  const instance = openInstanceDir(base, base, silentLog);
  expect(instance.path).toBe(join(base, instance.id));
  expect(statSync(instance.sockets).mode & 0o777).toBe(0o700);
  instance.remove();
  instance.remove();
  expect(readdirSync(base)).toEqual([]);
});

test('two of the same process do not meet, and leave each other alone', () => {
  const base = temporaryFolder();
  const first = openInstanceDir(base, base, silentLog);
  const second = openInstanceDir(base, base, silentLog);
  expect(readdirSync(base).sort()).toEqual([first.id, second.id].sort());
});

test('what a process left that is gone is removed, also when its pid is another’s now', () => {
  const base = temporaryFolder();
  const left = ['999999999-1-abcdef', `${process.pid}-1-abcdef`];
  for (const name of left) {
    mkdirSync(join(base, name, 's'), { recursive: true });
    writeFileSync(join(base, name, 'default.1.conf'), '');
  }
  const { id } = openInstanceDir(base, base, silentLog);
  expect(readdirSync(base)).toEqual([id]);
});

test('what is not a gateway’s stays', () => {
  const base = temporaryFolder();
  const others = ['notes.txt', '1-2', '1-2-ABCDEF', '1-2-abcdef.bak', 'x-1-2-abcdef'];
  for (const name of others) writeFileSync(join(base, name), '');
  openInstanceDir(base, base, silentLog);
  for (const name of others) expect(existsSync(join(base, name))).toBe(true);
});

test('a link instead of the folder is refused: somebody else might have made it', () => {
  const folder = temporaryFolder();
  symlinkSync(folder, join(folder, 'link'));
  expect(() => openInstanceDir(join(folder, 'link'), undefined, silentLog)).toThrow(/Set runtimeDir/);
});

test('processes are told apart by when they started', () => {
  expect(startTicks(process.pid)).toMatch(/^\d+$/);
  expect(startTicks(2 ** 30)).toBeUndefined();
});

test('only php-fpm’s own titles are looked at', () => {
  // This process has the word in its command line, perhaps, but is no php-fpm.
  expect(fpmProcesses((title) => title.includes(basename(process.execPath)))).toEqual([]);
});

test('users are looked up as the system does', () => {
  expect(lookUpUser('root')).toEqual({ uid: 0, gid: 0 });
  expect(lookUpUser('nobody-knows')).toBeUndefined();
});
