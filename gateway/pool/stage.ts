/**
 * A copy of the project that the pool's user can read, for projects it cannot (below /root, a 0700 home …).
 * PHP never runs as root, and nobody should have to open their home folder for it.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { StartupError } from '../startup.ts';
import type { UserIds } from './instance-dir.ts';

/** What no handler needs and what is large. */
const LEFT_OUT = new Set(['node_modules', '.git']);
const MAX_FILES = 50_000;
const MAX_BYTES = 1024 ** 3;

/** Can this user read every one of these files? Asked of the kernel, as that user: ACLs and mounts count too. */
export const canRead = (user: UserIds, files: readonly string[]): boolean => {
  const script = 'for f in "$@"; do test -r "$f" || exit 1; done';
  const { status } = spawnSync('/bin/sh', ['-c', script, 'sh', ...files], { ...user, cwd: '/', stdio: 'ignore' });
  return status === 0;
};

interface Totals {
  files: number;
  bytes: number;
}

const copyEntry = (from: string, to: string, root: string, gid: number, totals: Totals): void => {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) {
      makeReadableDir(target, gid);
      copyEntry(source, target, root, gid, totals);
    } else if (entry.isSymbolicLink()) {
      const points = readlinkSync(source);
      // A link to another place of the project must point into the copy.
      const inside = isAbsolute(points) && !/^\.\.(\/|$)/.test(relative(root, points));
      symlinkSync(inside ? relative(from, points) || '.' : points, target);
    } else if (entry.isFile()) {
      count(totals, statSync(source).size, root);
      copyFileSync(source, target);
      chownSync(target, 0, gid);
      chmodSync(target, 0o640);
    }
  }
};

const count = (totals: Totals, bytes: number, root: string): void => {
  totals.files += 1;
  totals.bytes += bytes;
  if (totals.files <= MAX_FILES && totals.bytes <= MAX_BYTES) return;
  const detail = `The project ${root} cannot be read by the pool's user and is too large to be copied for it (${MAX_FILES} files, ${MAX_BYTES} bytes at most). Make it readable for that user.`;
  throw new StartupError([{ file: root, detail }]);
};

const makeReadableDir = (path: string, gid: number): void => {
  mkdirSync(path, { recursive: true });
  chownSync(path, 0, gid);
  chmodSync(path, 0o750);
};

/** Copies `from` to `to`, owned by root and readable by the group. Takes root. */
export const stage = (from: string, to: string, gid: number): void => {
  makeReadableDir(to, gid);
  copyEntry(from, to, from, gid, { files: 0, bytes: 0 });
};
