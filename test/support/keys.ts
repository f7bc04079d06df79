import { join } from 'node:path';
import { KeyFile, type KeyFileOptions } from '../../gateway/idempotency/key-file.ts';
import { KeyTasks } from '../../gateway/idempotency/key-tasks.ts';
import { SqliteStore } from '../../gateway/idempotency/sqlite-store.ts';
import { type Log, silentLog } from '../../gateway/log.ts';
import { temporaryFolder, thisTest } from './lifetime.ts';

const LIMITS = { ttlMs: 60_000, keysMax: 1000, maxBytes: 1_048_576 };

export interface TestKeys {
  readonly tasks: KeyTasks;
  readonly path: string;
  nowMs: number;
}

export const openKeys = (more: Partial<KeyFileOptions> = {}): TestKeys => {
  const path = more.path ?? join(temporaryFolder(thisTest), 'keys.sqlite');
  const keys = { path, nowMs: 1_000_000, tasks: undefined as unknown as KeyTasks };
  const options: KeyFileOptions = {
    ...LIMITS,
    path,
    owner: 'us',
    isGone: (owner) => owner === 'gone',
    now: () => keys.nowMs,
    ...more,
  };
  keys.tasks = new KeyTasks(path, () => KeyFile.open(options));
  thisTest(() => keys.tasks.close());
  return keys;
};

export const openStore = (path: string, more: Partial<typeof LIMITS> = {}, log: Log = silentLog): SqliteStore => {
  const store = new SqliteStore({ ...LIMITS, path, log, ...more });
  thisTest(async () => await store.close());
  return store;
};
