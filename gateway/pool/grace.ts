/**
 * SIGTERM ends PHP without its `finally` blocks. A handler that has something to clean up asks for a moment
 * (`$call->onCancel()`): PHP leaves a mark here, named as its process, that says which attempt asks. Before it is ended,
 * its process gets a signal that it takes for its time limit, and runs what the handler gave.
 *
 * The folder is the workers': what lies there may be anything. It is never followed, waited for, or written to.
 */
import { chownSync, closeSync, constants, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { UserIds } from './instance-dir.ts';

/** How long PHP may clean up. */
export const GRACE_MS = 500;

/** Told to the handler. */
export type EndedFor = 'timeout' | 'cancelled';

/** `<call id>.<number of the attempt>`, and a little more, so that longer ones differ. */
const MARK_MAX_BYTES = 128;

export class GraceDir {
  readonly path: string;

  constructor(base: string, pool: string, user: UserIds | undefined) {
    this.path = join(base, `grace-${pool}`);
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    if (user !== undefined) chownSync(this.path, user.uid, user.gid);
  }

  /** This attempt, on this process, wants to clean up. */
  asks(pid: number, attemptId: string): boolean {
    try {
      const file = openSync(this.#of(pid), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const bytes = Buffer.alloc(MARK_MAX_BYTES);
        return bytes.toString('latin1', 0, readSync(file, bytes)) === attemptId;
      } finally {
        closeSync(file);
      }
    } catch {
      return false;
    }
  }

  /** PHP finds the reason in the mark's new name. False: the mark is gone. */
  tell(pid: number, why: EndedFor): boolean {
    try {
      renameSync(this.#of(pid), `${this.#of(pid)}.${why}`);
      return true;
    } catch {
      return false;
    }
  }

  /** Its process has ended. */
  clear(pid: number): void {
    for (const end of ['', '.timeout', '.cancelled']) {
      try {
        rmSync(`${this.#of(pid)}${end}`, { force: true });
      } catch {
        // PHP has put something else there: a folder.
      }
    }
  }

  #of(pid: number): string {
    return join(this.path, String(pid));
  }
}
