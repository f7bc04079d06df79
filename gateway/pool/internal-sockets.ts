/**
 * Where a release listens for its own PHP: functions that call functions. One socket for each user that pools run as,
 * and the file is that user's alone (0600): group or folder rights would let in others, such as a web server of the
 * group www-data. Root may connect to anything.
 */
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { UNIX_PATH_MAX_BYTES } from '../address.ts';
import { StartupError } from '../startup.ts';
import { isRoot, type UserIds } from './instance-dir.ts';

export interface InternalSocket {
  readonly path: string;
  /** Undefined: workers run as the gateway's own user. */
  readonly user: UserIds | undefined;
}

/** Throws StartupError: a longer path would be cut off by the system, silently in some programs. */
export const assertSocketPath = (path: string): string => {
  const length = Buffer.byteLength(path);
  if (length <= UNIX_PATH_MAX_BYTES) return path;
  const detail = `The socket path ${path} has ${length} bytes; the system allows ${UNIX_PATH_MAX_BYTES}. Set runtimeDir (FPMG_RUNTIME_DIR) to a shorter path.`;
  throw new StartupError([{ file: 'runtimeDir', detail }]);
};

export class InternalSockets {
  readonly #folder: string;
  readonly #sockets = new Map<number | undefined, InternalSocket>();

  /** `instanceFolder`: others may pass through it, and not write. */
  constructor(instanceFolder: string) {
    this.#folder = join(instanceFolder, 'i');
  }

  /** For a pool's workers. Throws StartupError where the path is too long. */
  of(user: UserIds | undefined): InternalSocket {
    let socket = this.#sockets.get(user?.uid);
    if (socket === undefined) {
      const name = user === undefined ? 'internal.sock' : `internal-${user.uid}.sock`;
      socket = { path: assertSocketPath(join(this.#folder, name)), user };
      this.#sockets.set(user?.uid, socket);
    }
    return socket;
  }

  get all(): readonly InternalSocket[] {
    return [...this.#sockets.values()];
  }

  /** Nobody else may pass yet: a socket that was just made has the rights that the umask gives it. */
  makeFolder(): void {
    mkdirSync(this.#folder, { mode: 0o700 });
  }

  /** All listen: from now on the pools' users may connect. */
  admit(): void {
    for (const { path, user } of this.#sockets.values()) {
      chmodSync(path, 0o600);
      if (user !== undefined) chownSync(path, user.uid, user.gid);
    }
    if (isRoot()) chmodSync(this.#folder, 0o711);
  }
}
