/** `--pid-file`: for those who send signals and did not start the process that serves now. */
import { accessSync, constants, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';

export interface PidFile {
  /** Throws StartupError where it could not be written. */
  check(): void;
  /** Replaces that of the process before in one step. */
  write(): void;
  /** If it still tells this process: one that never served has none. */
  remove(): void;
}

const told = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
};

const NONE: PidFile = { check: () => {}, write: () => {}, remove: () => {} };

export const pidFile = (path: string | undefined, log: Log): PidFile =>
  path === undefined
    ? NONE
    : {
        check: () => {
          try {
            accessSync(dirname(path), constants.W_OK);
          } catch (error) {
            const why = (error as NodeJS.ErrnoException).code ?? String(error);
            const detail = `${path} cannot be written (${why}): give a file in a folder that exists and may be written.`;
            throw new StartupError([{ file: '--pid-file', detail }], { cause: error });
          }
        },
        write: () => {
          const fresh = `${path}.${process.pid}`;
          try {
            writeFileSync(fresh, `${process.pid}\n`);
            renameSync(fresh, path);
          } catch (error) {
            // It serves already.
            log.error({ err: error, path }, 'the pid file cannot be written');
          }
        },
        remove: () => {
          if (told(path) === String(process.pid)) rmSync(path, { force: true });
        },
      };
