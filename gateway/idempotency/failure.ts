/** What goes wrong with the file of keys, as it travels from its thread. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

export interface KeyFailure {
  /** `busy`: another process holds it. `full`: no room. `broken`: somebody has to mend it. */
  readonly kind: 'busy' | 'full' | 'broken';
  /** For callers. */
  readonly detail: string;
  /** With the path and how to mend it, for operators. */
  readonly cause: string;
}

const DETAILS: Readonly<Record<KeyFailure['kind'], string>> = {
  busy: 'The store of Idempotency-Keys is locked.',
  full: 'There is no room on disk for another Idempotency-Key.',
  broken: 'The store of Idempotency-Keys cannot be used.',
};

const failure = (kind: KeyFailure['kind'], cause: string): KeyFailure => ({ kind, detail: DETAILS[kind], cause });

export class KeyFileError extends Error {
  readonly failure: KeyFailure;

  constructor(kind: KeyFailure['kind'], cause: string, detail: string = DETAILS[kind]) {
    super(cause);
    this.failure = { kind, detail, cause };
  }
}

const ADVICE: Readonly<Record<number, string>> = {
  3: 'Give the user of the gateway the right to read and write it.',
  8: 'Give the user of the gateway the right to write it, and its folder.',
  11: 'It is damaged: stop the gateway, move it away (with its -wal and -shm), restore a backup or go on without, knowing that its keys are forgotten.',
  14: 'Give the user of the gateway the right to read and write it, and its folder.',
  26: 'It is no file of ours: move it away, or set another stateDir.',
};

const BUSY = 5;
const LOCKED = 6;
const IOERR = 10;
const FULL = 13;
/** Some failures for want of room are told as others by SQLite. */
const ROOM_MIN_BYTES = 65_536;

const hasRoom = (path: string): boolean => {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize >= ROOM_MIN_BYTES;
  } catch {
    return true;
  }
};

export const failureOf = (error: unknown, path: string): KeyFailure => {
  if (error instanceof KeyFileError) return error.failure;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string };
  const primary = (errcode ?? 0) & 0xff;
  if (primary === BUSY || primary === LOCKED)
    return failure('busy', `${path} is locked by another process for too long.`);
  const isFull = primary === FULL || code === 'ENOSPC' || code === 'EDQUOT' || (primary === IOERR && !hasRoom(path));
  if (isFull) return failure('full', `There is no room for ${path}: free some.`);
  const advice = ADVICE[primary] ?? 'Mend what it says, or set another stateDir (FPMG_STATE_DIR).';
  return failure('broken', `${path} cannot be used: ${message ?? String(error)}. ${advice}`);
};
