/**
 * Space that is set aside while there is some: on a full disk SQLite cannot even mark what runs as done, and it would
 * run twice.
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';

const RESERVE_BYTES = 262_144;

export class Reserve {
  readonly #path: string;

  /** Beside that file. */
  constructor(path: string) {
    this.#path = `${path}.reserve`;
    this.make();
  }

  /** Where there is no room now there may be later: false. */
  make(): boolean {
    if (existsSync(this.#path)) return true;
    try {
      const file = openSync(this.#path, 'wx', 0o600);
      try {
        // Bytes, not a length: a file with holes takes no room.
        writeSync(file, Buffer.alloc(RESERVE_BYTES, 1));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  /** False: there was none. */
  release(): boolean {
    if (!existsSync(this.#path)) return false;
    rmSync(this.#path, { force: true });
    return true;
  }
}
