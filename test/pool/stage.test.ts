import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { canRead, stage } from '../../gateway/pool/stage.ts';
import { writeProject } from '../support/project.ts';

const WWW_DATA = { uid: 33, gid: 33 };

describe.runIf(process.getuid?.() === 0)('a staged copy', () => {
  test('holds files, folders and links, owned by root and readable by the group alone', () => {
    const from = writeProject({
      'functions/a.php': 'A',
      'lib/deep/b.php': 'B',
      'node_modules/big/index.js': 'x',
      '.git/HEAD': 'x',
      '.env': 'SECRET=1',
    });
    chmodSync(join(from, 'functions/a.php'), 0o600);
    symlinkSync(join(from, 'lib/deep/b.php'), join(from, 'functions/absolute.php'));
    symlinkSync('../lib', join(from, 'functions/relative'));
    symlinkSync('/etc/hostname', join(from, 'outside'));
    symlinkSync('nowhere', join(from, 'dangling'));
    const to = join(writeProject({}), 'copy');
    stage(from, to, WWW_DATA.gid);
    expect(readFileSync(join(to, 'functions/a.php'), 'utf8')).toBe('A');
    expect(statSync(join(to, 'functions/a.php'))).toMatchObject({ uid: 0, gid: 33, mode: 0o100640 });
    expect(statSync(join(to, 'lib/deep'))).toMatchObject({ uid: 0, gid: 33, mode: 0o40750 });
    expect(readlinkSync(join(to, 'functions/absolute.php'))).toBe('../lib/deep/b.php');
    expect(readFileSync(join(to, 'functions/relative/deep/b.php'), 'utf8')).toBe('B');
    expect(readlinkSync(join(to, 'outside'))).toBe('/etc/hostname');
    expect(readlinkSync(join(to, 'dangling'))).toBe('nowhere');
    for (const name of ['node_modules', '.git']) expect(existsSync(join(to, name))).toBe(false);
  });

  test('follows links to the project’s own root and to names that begin with two dots', () => {
    const from = writeProject({ '..odd/a.php': 'A' });
    symlinkSync(join(from, '..odd/a.php'), join(from, 'odd.php'));
    symlinkSync(from, join(from, 'self'));
    const to = join(writeProject({}), 'copy');
    stage(from, to, WWW_DATA.gid);
    expect(readlinkSync(join(to, 'odd.php'))).toBe('..odd/a.php');
    expect(readFileSync(join(to, 'self', '..odd/a.php'), 'utf8')).toBe('A');
  });
});

describe.runIf(process.getuid?.() === 0)('canRead', () => {
  test('asks as the user, folders above included', () => {
    const open = writeProject({ 'a file.php': '' });
    const file = join(open, 'a file.php');
    chmodSync(open, 0o755);
    expect(canRead(WWW_DATA, [file])).toBe(true);
    chmodSync(file, 0o600);
    expect(canRead(WWW_DATA, [file])).toBe(false);
    chmodSync(file, 0o644);
    chmodSync(open, 0o700);
    expect(canRead(WWW_DATA, [file])).toBe(false);
  });

  test('is not led astray by names', () => {
    const open = writeProject({ '$(touch hacked)': '', '-r': '' });
    chmodSync(open, 0o755);
    expect(canRead(WWW_DATA, [join(open, '$(touch hacked)'), join(open, '-r')])).toBe(true);
    expect(existsSync(join(open, 'hacked'))).toBe(false);
    mkdirSync(join(open, 'x'));
    writeFileSync(join(open, 'x', 'y'), '');
    expect(canRead(WWW_DATA, [join(open, 'x', 'absent')])).toBe(false);
  });
});
