/**
 * The keys of a project in one SQLite file, which several gateways may have open. Everything here blocks: it runs in a
 * thread of its own. A file that is damaged or somebody else's is left as it is.
 */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { KeyFileError } from './failure.ts';
import { Reserve } from './reserve.ts';

/** `FPMG` */
const APPLICATION_ID = 0x46504d47;
const FORMAT = 1;
/** Two processes that write one file could corrupt it before (https://sqlite.org/wal.html#walresetbug). */
const SQLITE_MIN = [3, 51, 3] as const;
/** How long one transaction waits for another process, ms. */
const BUSY_MS = 500;
/** A few ms of deleting at once. */
const SWEPT_AT_ONCE = 500;

const SCHEMA = `
  CREATE TABLE keys (
    id BLOB PRIMARY KEY NOT NULL,
    fingerprint BLOB NOT NULL,
    -- Who runs it; '' when nobody does any more. NULL: it has ended.
    owner TEXT,
    -- Unix time, ms.
    deadline INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    answer BLOB
  ) STRICT;
  CREATE INDEX keys_expires ON keys (expires);
  CREATE INDEX keys_running ON keys (owner) WHERE owner IS NOT NULL;
  -- Counting a million rows for each key would take longer than all else.
  CREATE TABLE totals (keys INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
  INSERT INTO totals VALUES (0, 0);
  CREATE TRIGGER keys_added AFTER INSERT ON keys BEGIN
    UPDATE totals SET keys = keys + 1, bytes = bytes + coalesce(length(new.answer), 0);
  END;
  CREATE TRIGGER keys_removed AFTER DELETE ON keys BEGIN
    UPDATE totals SET keys = keys - 1, bytes = bytes - coalesce(length(old.answer), 0);
  END;
  CREATE TRIGGER keys_answered AFTER UPDATE OF answer ON keys BEGIN
    UPDATE totals SET bytes = bytes - coalesce(length(old.answer), 0) + coalesce(length(new.answer), 0);
  END;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

export interface KeyFileOptions {
  readonly path: string;
  readonly owner: string;
  readonly isGone: (owner: string, lateMs: number) => boolean;
  readonly ttlMs: number;
  readonly keysMax: number;
  readonly maxBytes: number;
  /** Unix time, ms: it has to outlive us. */
  readonly now: () => number;
}

export interface BeginKey {
  readonly id: Uint8Array;
  readonly fingerprint: Uint8Array;
  readonly mayRunAgain: boolean;
  readonly timeoutMs: number;
}

export type KeyAnswer =
  | { readonly kind: 'begun' | 'mismatch' | 'unknown' }
  | { readonly kind: 'inFlight'; readonly remainingMs: number }
  | { readonly kind: 'done'; readonly answer: Uint8Array };

interface Row {
  readonly fingerprint: Uint8Array;
  readonly owner: string | null;
  readonly deadline: number;
  readonly expires: number;
  readonly answer: Uint8Array | null;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export const assertVersion = (version: string): void => {
  const parts = version.split('.').map(Number);
  for (const [at, least] of SQLITE_MIN.entries()) {
    const part = parts[at] ?? 0;
    if (part > least) return;
    if (part < least) {
      const detail = `Node ${process.version} has SQLite ${version}; Idempotency-Keys need ${SQLITE_MIN.join('.')} or later, because earlier ones may damage a file of two processes. Take a newer Node.`;
      throw new KeyFileError('broken', detail);
    }
  }
};

export class KeyFile {
  readonly #options: KeyFileOptions;
  readonly #db: DatabaseSync;
  readonly #reserve: Reserve;
  /** Device and inode: it must stay the file that others open, too. */
  readonly #identity: string;
  readonly #statements = new Map<string, StatementSync>();

  /** Throws what `failureOf` understands. */
  static open(options: KeyFileOptions): KeyFile {
    const { path } = options;
    const folder = dirname(path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // SQLite would make it as the umask says; its other files follow this one.
    closeSync(openSync(path, 'a', 0o600));
    if (statSync(path).uid === process.getuid?.()) chmodSync(path, 0o600);
    const db = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      return new KeyFile(options, db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  private constructor(options: KeyFileOptions, db: DatabaseSync) {
    this.#options = options;
    this.#db = db;
    assertVersion(String(db.prepare('SELECT sqlite_version() AS version').get()?.version));
    this.#identity = identityOf(options.path);
    this.#adopt();
    // Anew for each connection: an answer that is out must not be forgotten when the power fails.
    db.exec('PRAGMA synchronous = FULL');
    const level = this.#pragma('synchronous');
    if (level !== 2) throw new KeyFileError('broken', `SQLite keeps synchronous at ${level}; it must be FULL (2).`);
    this.#reserve = new Reserve(options.path);
  }

  #pragma(name: string): number | string {
    return Object.values(this.#db.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number | string;
  }

  /** Nothing is changed before it is known to be ours, or empty. */
  #adopt(): void {
    const { path } = this.#options;
    const isOurs = (): boolean => this.#pragma('application_id') === APPLICATION_ID;
    if (!isOurs()) {
      const foreign = new KeyFileError(
        'broken',
        `${path} is no file of ours: move it away, or set another stateDir (FPMG_STATE_DIR).`,
      );
      if (statSync(path).size > 0 && this.#pragma('schema_version') !== 0) throw foreign;
      this.#db.exec('PRAGMA journal_mode = WAL');
      // Two gateways may start at once.
      this.transaction(() => {
        if (isOurs()) return;
        if (this.#pragma('schema_version') !== 0) throw foreign;
        this.#db.exec(SCHEMA);
      });
    }
    const format = this.#pragma('user_version');
    if (format !== FORMAT)
      throw new KeyFileError(
        'broken',
        `${path} has format ${format}; this gateway knows ${FORMAT}. Run one that knows it, or set another stateDir.`,
      );
    this.#db.exec('PRAGMA journal_mode = WAL');
  }

  /** Synced to disk when it returns; nothing of it happened when it throws. */
  transaction<T>(run: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = run();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite itself rolls back for want of room.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Keys that are written to a file nobody else can open would be lost. */
  assertInPlace(): void {
    const { path } = this.#options;
    if (identityOf(path) === this.#identity) return;
    const detail = `${path} was removed or replaced while it was in use. Put it back, or restart the gateway to begin with what is there now.`;
    throw new KeyFileError('broken', detail);
  }

  begin({ id, fingerprint, mayRunAgain, timeoutMs }: BeginKey): KeyAnswer {
    const { now, owner, ttlMs } = this.#options;
    const nowMs = now();
    let row = this.#all<Row>('SELECT fingerprint, owner, deadline, expires, answer FROM keys WHERE id = ?', id)[0];
    const runs = row !== undefined && this.#runs(row, nowMs);
    if (row !== undefined && !runs && row.expires <= nowMs) {
      this.#run('DELETE FROM keys WHERE id = ?', id);
      row = undefined;
    }
    const deadline = nowMs + timeoutMs;
    if (row === undefined) {
      this.#assertRoom();
      const insert = 'INSERT INTO keys (id, fingerprint, owner, deadline, expires) VALUES (?, ?, ?, ?, ?)';
      this.#run(insert, id, fingerprint, owner, deadline, deadline + ttlMs);
      return { kind: 'begun' };
    }
    if (!sameBytes(row.fingerprint, fingerprint)) return { kind: 'mismatch' };
    if (row.answer !== null) return { kind: 'done', answer: row.answer };
    if (runs) return { kind: 'inFlight', remainingMs: Math.max(0, row.deadline - nowMs) };
    if (!mayRunAgain) return { kind: 'unknown' };
    this.#run(
      'UPDATE keys SET owner = ?, deadline = ?, expires = ? WHERE id = ?',
      owner,
      deadline,
      deadline + ttlMs,
      id,
    );
    return { kind: 'begun' };
  }

  /** Only of an operation that is ours still. */
  finish(id: Uint8Array, answer: Uint8Array): void {
    const { now, ttlMs, owner } = this.#options;
    const update = 'UPDATE keys SET owner = NULL, answer = ?, expires = ? WHERE id = ? AND owner = ?';
    this.#run(update, answer, now() + ttlMs, id, owner);
  }

  /** Only of an operation that is ours still. */
  abandon(id: Uint8Array): void {
    this.#run('DELETE FROM keys WHERE id = ? AND owner = ?', id, this.#options.owner);
  }

  /** It ran, or may have, and nothing more will ever be known. */
  forget(id: Uint8Array): void {
    this.#run("UPDATE keys SET owner = '' WHERE id = ? AND owner = ?", id, this.#options.owner);
  }

  /** Some of what has expired; false: there is more. */
  sweep(): boolean {
    const { now, isGone } = this.#options;
    const nowMs = now();
    const running =
      "SELECT owner, min(deadline) AS deadline FROM keys WHERE owner IS NOT NULL AND owner <> '' GROUP BY owner";
    for (const { owner, deadline } of this.#all<{ owner: string; deadline: number }>(running))
      if (isGone(owner, nowMs - deadline)) this.#run("UPDATE keys SET owner = '' WHERE owner = ?", owner);
    const expired = "SELECT id FROM keys WHERE expires <= ? AND (owner IS NULL OR owner = '') LIMIT ?";
    const swept = this.#run(`DELETE FROM keys WHERE id IN (${expired})`, nowMs, SWEPT_AT_ONCE);
    return swept < SWEPT_AT_ONCE;
  }

  /** What the reserve frees is for operations that run. False: there is none (left). */
  useReserve(): boolean {
    return this.#reserve.release();
  }

  renewReserve(): void {
    this.#reserve.make();
  }

  close(): void {
    try {
      this.#run("UPDATE keys SET owner = '' WHERE owner = ?", this.#options.owner);
    } finally {
      this.#db.close();
    }
  }

  #runs({ owner, deadline }: Row, nowMs: number): boolean {
    if (owner === null || owner === '') return false;
    return owner === this.#options.owner || !this.#options.isGone(owner, nowMs - deadline);
  }

  #assertRoom(): void {
    // What is free now is for those that run.
    if (!this.#reserve.make())
      throw new KeyFileError('full', `There is no room for the reserve beside ${this.#options.path}: free some.`);
    let full = this.#overLimit();
    if (full === undefined) return;
    this.sweep();
    full = this.#overLimit();
    if (full !== undefined) throw new KeyFileError('full', full, full);
  }

  #overLimit(): string | undefined {
    const { keysMax, maxBytes } = this.#options;
    const { keys = 0, bytes = 0 } =
      this.#all<{ keys: number; bytes: number }>('SELECT keys, bytes FROM totals')[0] ?? {};
    if (keys >= keysMax) return `There are ${keys} keys; idempotency.keysMax is ${keysMax}.`;
    if (bytes >= maxBytes) return `Their answers have ${bytes} bytes; idempotency.maxBytes is ${maxBytes}.`;
    return undefined;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (Uint8Array | string | number)[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  #all<T>(sql: string, ...values: (Uint8Array | string | number)[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }
}

const identityOf = (path: string): string => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'gone' : `${stat.dev}:${stat.ino}`;
};
