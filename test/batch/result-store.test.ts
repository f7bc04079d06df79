/** Results that wait: nothing is lost or mixed up, wherever they lie. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Kept, ResultStore } from '../../gateway/http/result-store.ts';
import { Spool } from '../../gateway/spool.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const MB = 1_048_576;

const make = (maxBytes = 100 * MB) => {
  const dir = join(temporaryFolder(), 'spool');
  const spool = new Spool(dir, { afterBytes: 0, maxBytes });
  return { dir, spool, store: new ResultStore(spool) };
};

const line = (number: number, size: number): Buffer => Buffer.from(`${number} `.padEnd(size, 'x'));

test('few stay in memory, and there is no file', async () => {
  const { dir, store } = make();
  const kept = Array.from({ length: 100 }, (_, at) => store.put(line(at, 1000)));
  expect(store.bytes).toBe(100_000);
  for (const [at, one] of kept.entries()) expect(await store.take(one)).toEqual(line(at, 1000));
  expect(store.bytes).toBe(0);
  expect(existsSync(dir)).toBe(false);
  await store.close();
});

test('more go to disk, come back as they were, and their place is free again', async () => {
  const { dir, spool, store } = make();
  const kept = Array.from({ length: 5000 }, (_, at) => store.put(line(at, 1000)));
  expect(spool.usedBytes).toBeGreaterThan(3 * MB);
  await until('all are written', () => kept.every((one) => one.kind === 'memory' || one.bytes === undefined));
  for (const [at, one] of kept.entries()) expect(await store.take(one)).toEqual(line(at, 1000));
  await store.close();
  expect(store.bytes).toBe(0);
  expect(spool.usedBytes).toBe(0);
  expect(readdirSync(dir)).toEqual([]);
});

test('a reader that always lags behind does not let the files grow: those that are read are gone', async () => {
  const { spool, store } = make();
  const waiting: Kept[] = [];
  for (let at = 0; at < 600; at += 1) {
    waiting.push(store.put(line(at, 100_000)));
    if (waiting.length > 50) await store.take(waiting.shift() as Kept);
    // 5 MB wait, in files of 8 MB.
    if (at % 100 === 99) await until('files that were read are gone', () => spool.usedBytes < 24 * MB);
  }
  await store.close();
});

test('put and taken in any order, any number of rounds: each comes back as it was', async () => {
  const step = fc.record({
    puts: fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 12 }),
    takes: fc.nat(12),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.boolean(), async (steps, lastFirst) => {
      const { spool, store } = make();
      const waiting: { readonly bytes: Buffer; readonly kept: Kept }[] = [];
      let number = 0;
      for (const { puts, takes } of steps) {
        for (const size of puts) {
          const bytes = line(number, size);
          waiting.push({ bytes, kept: store.put(bytes) });
          number += 1;
        }
        for (let taken = 0; taken < takes; taken += 1) {
          const next = lastFirst ? waiting.pop() : waiting.shift();
          if (next === undefined) break;
          expect(next.bytes.equals(await store.take(next.kept))).toBe(true);
        }
      }
      for (const { bytes, kept } of waiting) expect(bytes.equals(await store.take(kept))).toBe(true);
      await store.close();
      expect(store.bytes).toBe(0);
      expect(spool.usedBytes).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('where the disk has no room they stay in memory, and it says that it is full', async () => {
  const { store } = make(0);
  const kept = Array.from({ length: 3000 }, (_, at) => store.put(line(at, 1000)));
  expect(store.isFull(1000 * MB)).toBe(true);
  for (const [at, one] of kept.entries()) expect(await store.take(one)).toEqual(line(at, 1000));
  expect(store.isFull(1000 * MB)).toBe(false);
  await store.close();
});

test('where the disk fails none is lost', async () => {
  const { dir, store } = make();
  // No folder can be made there.
  mkdirSync(join(dir, '..'), { recursive: true });
  writeFileSync(dir, 'a file');
  chmodSync(dir, 0o400);
  const kept = Array.from({ length: 3000 }, (_, at) => store.put(line(at, 1000)));
  for (const [at, one] of kept.entries()) expect(await store.take(one)).toEqual(line(at, 1000));
  await store.close();
});
