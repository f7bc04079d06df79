/** Real file systems that are small, full, or read-only: takes root, as mounting does. */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../gateway/disk.ts';
import { type Lifetime, temporaryFolder, thisTest } from './lifetime.ts';

const mount = (...args: string[]): boolean => spawnSync('mount', args, { stdio: 'ignore' }).status === 0;
const unmount = (folder: string): void => {
  // Lazily: what still has a file open there keeps it until it closes it.
  spawnSync('umount', ['-l', folder], { stdio: 'ignore' });
};

/** Whether this machine lets us. */
export const canMount = ((): boolean => {
  if (process.getuid?.() !== 0) return false;
  const ends: (() => void | Promise<void>)[] = [];
  const folder = temporaryFolder((end) => void ends.push(end));
  const can = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder);
  if (can) unmount(folder);
  for (const end of ends) void end();
  return can;
})();

export class Tmpfs {
  readonly folder: string;
  #covers = 0;

  /** `size`: `2m`; `inodes`: of all files and folders, its own included. */
  constructor(size: string, inodes: number | undefined = undefined, lifetime: Lifetime = thisTest) {
    // What lives there ends first: that was told its lifetime later.
    this.folder = temporaryFolder(lifetime);
    const options = `size=${size}${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`;
    if (!mount('-t', 'tmpfs', '-o', options, 'tmpfs', this.folder)) throw new Error('no tmpfs can be mounted');
    lifetime(() => {
      this.writable();
      unmount(this.folder);
    });
    chmodSync(this.folder, 0o777);
  }

  get #ballast(): string {
    return join(this.folder, 'ballast');
  }

  /** Not a byte is left. */
  fill(): void {
    const file = openSync(this.#ballast, 'a');
    try {
      for (const bytes of [4096, 1]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(bytes));
        } catch (error) {
          if (errnoOf(error) !== 'ENOSPC') throw error;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** For whoever opens something from now on: a file system with open files refuses to become read-only itself. */
  readOnly(): void {
    if (this.#covers > 0) return;
    const isCovered = mount('--bind', this.folder, this.folder) && mount('-o', 'remount,bind,ro', this.folder);
    if (!isCovered) throw new Error('it cannot be covered by a read-only mount');
    this.#covers += 1;
  }

  writable(): void {
    for (; this.#covers > 0; this.#covers -= 1) unmount(this.folder);
  }
}
