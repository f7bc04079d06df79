import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { lookUpUser, openInstanceDir, phpProcesses, startTicks } from '../../gateway/pool/instance-dir.ts';
import { temporaryFolder } from '../support/lifetime.ts';

test('a folder of its own, with one for sockets that nobody else enters, gone when removed', () => {
  const base = join(temporaryFolder(), 'deep', 'base');
  const instance = openInstanceDir(base, temporaryFolder(), silentLog);
  expect(instance.path).toBe(join(base, instance.id));
  expect(statSync(instance.sockets).mode & 0o777).toBe(0o700);
  instance.remove();
  instance.remove();
  expect(readdirSync(base)).toEqual([]);
});

test('two of the same process do not meet, and leave each other alone', () => {
  const base = temporaryFolder();
  const first = openInstanceDir(base, temporaryFolder(), silentLog);
  const second = openInstanceDir(base, temporaryFolder(), silentLog);
  expect(readdirSync(base).sort()).toEqual([first.id, second.id].sort());
});

test('what a process left that is gone is removed, also when its pid is another’s now', () => {
  const base = temporaryFolder();
  const left = ['999999999-1-abcdef', `${process.pid}-1-abcdef`];
  for (const name of left) {
    mkdirSync(join(base, name, 's'), { recursive: true });
    writeFileSync(join(base, name, 'default.1.conf'), '');
  }
  const { id } = openInstanceDir(base, temporaryFolder(), silentLog);
  expect(readdirSync(base)).toEqual([id]);
});

test('files that wait have a folder of their own elsewhere, which others may pass through; gone when removed', () => {
  const spoolBase = temporaryFolder();
  const instance = openInstanceDir(temporaryFolder(), spoolBase, silentLog);
  expect(instance.spool).toBe(join(spoolBase, `fpm-gateway-${instance.id}`));
  expect(statSync(instance.spool).mode & 0o777).toBe(0o711);
  instance.remove();
  expect(readdirSync(spoolBase)).toEqual([]);
});

test('files that a crashed gateway left waiting are removed, and nothing else there', () => {
  const spoolBase = temporaryFolder();
  for (const name of ['fpm-gateway-999999999-1-abcdef', 'fpm-gateway-notes', '999999999-1-abcdef'])
    mkdirSync(join(spoolBase, name, 'gateway'), { recursive: true });
  const { id } = openInstanceDir(temporaryFolder(), spoolBase, silentLog);
  const left = ['999999999-1-abcdef', `fpm-gateway-${id}`, 'fpm-gateway-notes'];
  expect(readdirSync(spoolBase).sort()).toEqual(left.sort());
});

test('a folder for files that is not there is told by its setting, and nothing is left behind', () => {
  const base = temporaryFolder();
  expect(() => openInstanceDir(base, join(base, 'missing'), silentLog)).toThrow(/Set spoolDir \(FPMG_SPOOL_DIR\)/);
  expect(readdirSync(base)).toEqual([]);
});

test('what is not a gateway’s stays', () => {
  const base = temporaryFolder();
  const others = ['notes.txt', '1-2', '1-2-ABCDEF', '1-2-abcdef.bak', 'x-1-2-abcdef'];
  for (const name of others) writeFileSync(join(base, name), '');
  openInstanceDir(base, temporaryFolder(), silentLog);
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
  expect(phpProcesses((title) => title.includes(basename(process.execPath)))).toEqual([]);
});

test('users are looked up as the system does', () => {
  expect(lookUpUser('root')).toEqual({ uid: 0, gid: 0 });
  expect(lookUpUser('nobody-knows')).toBeUndefined();
});
