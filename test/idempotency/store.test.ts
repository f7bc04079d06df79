/** The store of keys as gateways use it: its thread, beside other processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { KeyedOperation } from '../../gateway/idempotency/store.ts';
import { silentLog } from '../../gateway/log.ts';
import { openStore } from '../support/keys.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';

const fingerprint = Buffer.alloc(32);
const operation = (key: string, scope = 'f'): KeyedOperation => ({ scope, key, fingerprint });
const ONCE = { mayRunAgain: false, timeoutMs: 5000 };

const newPath = (): string => join(temporaryFolder(), 'state', 'keys.sqlite');

/** Another process that has the file for itself until its input ends. */
const holder = async (path: string): Promise<ChildProcess> => {
  const code = `
    const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(path)});
    db.exec('BEGIN IMMEDIATE');
    console.log('held');
    process.stdin.on('end', () => { db.exec('ROLLBACK'); process.exit(0); }).resume();`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'ignore'] });
  thisTest(() => void child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
};

test('nothing is made before the first key', async () => {
  const path = newPath();
  const store = openStore(path);
  expect(existsSync(join(path, '..'))).toBe(false);
  await store.begin(operation('a'), ONCE);
  expect(existsSync(path)).toBe(true);
});

test('of many at once one begins, in each scope, and all of them know the answer, also of the next store', async () => {
  const path = newPath();
  const store = openStore(path);
  const all = await Promise.all(Array.from({ length: 50 }, async () => (await store.begin(operation('a'), ONCE)).kind));
  expect(all.sort()).toEqual(['begun', ...Array.from({ length: 49 }, () => 'inFlight')]);
  expect(await store.begin(operation('a', 'g'), ONCE)).toEqual({ kind: 'begun' });
  await store.finish(operation('a'), Buffer.from('answer'));
  await store.close();
  const next = openStore(path);
  const found = await next.begin(operation('a'), ONCE);
  expect(found.kind === 'done' && Buffer.from(found.answer).toString()).toBe('answer');
  // The first store ended while it ran.
  expect(await next.begin(operation('a', 'g'), ONCE)).toEqual({ kind: 'unknown' });
  expect(await next.sweep()).toBe(true);
});

test('two stores of one file run each key once', async () => {
  const path = newPath();
  const stores = [openStore(path), openStore(path)];
  const keys = Array.from({ length: 40 }, (_, number) => `k${number}`);
  const begun = await Promise.all(
    keys.flatMap((key) => stores.map(async (store) => (await store.begin(operation(key), ONCE)).kind)),
  );
  expect(begun.filter((kind) => kind === 'begun')).toHaveLength(40);
  expect(begun.filter((kind) => kind === 'inFlight')).toHaveLength(40);
});

test('a file that another process holds is told as unavailable, holds up nobody else, and is good again', async () => {
  const path = newPath();
  const lines: object[] = [];
  const store = openStore(path, {}, { ...silentLog, error: (details) => lines.push(details) });
  await store.begin(operation('a'), ONCE);
  const other = await holder(path);
  const refused = store.begin(operation('b'), ONCE).then(
    () => 'begun',
    (error: unknown) => error,
  );
  let turns = 0;
  let isOver = false;
  void refused.finally(() => (isOver = true));
  while (!isOver) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(100);
  expect(await refused).toMatchObject({ code: 'store-unavailable', executed: 'no', retryAfterMs: 1000 });
  expect(lines).toEqual([{ path, cause: `${path} is locked by another process for too long.` }]);
  // What has run is kept as soon as that can be written.
  await expect(store.finish(operation('a'), Buffer.from('late'))).rejects.toMatchObject({ code: 'store-unavailable' });
  other.stdin?.end();
  await once(other, 'exit');
  expect(await store.begin(operation('a'), ONCE)).toMatchObject({ kind: 'done' });
  expect(await store.begin(operation('b'), ONCE)).toEqual({ kind: 'begun' });
});

test('once closed it takes nothing more', async () => {
  const store = openStore(newPath());
  await store.begin(operation('a'), ONCE);
  await Promise.all([store.close(), store.close()]);
  await expect(store.begin(operation('b'), ONCE)).rejects.toMatchObject({ code: 'store-unavailable' });
});
