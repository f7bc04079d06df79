/** The store by itself: what it keeps, for how long, and what goes first. Time is given, so nothing here waits. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entryBytes } from '../../gateway/cache/entry.ts';
import { type CacheLimits, Store } from '../../gateway/cache/store.ts';
import { counterOf, counterValue, keepValue, type Value } from '../../gateway/cache/value.ts';

const NEVER = Number.POSITIVE_INFINITY;
const LIMITS: CacheLimits = { maxBytes: 65_536, entriesMax: 1000, valueMaxBytes: 10_000 };
const storeOf = (limits: Partial<CacheLimits> = {}): Store => new Store({ ...LIMITS, ...limits });
const counter = (count: bigint): Value => counterValue(count) ?? '';

test('what is stored is found until it is deleted', () => {
  const store = storeOf();
  store.set('a', 's1', NEVER, 0);
  expect([store.get('a', 0), store.get('b', 0)]).toEqual(['s1', undefined]);
  expect([store.delete('a', 0), store.delete('a', 0)]).toEqual([true, false]);
  expect(store.get('a', 0)).toBeUndefined();
  expect(store.figures).toMatchObject({ entries: 0, bytes: 0, hits: 1, misses: 2 });
});

test('a time limit ends an entry at its very millisecond, and a new value begins it anew', () => {
  const store = storeOf();
  store.set('a', 's1', 100, 0);
  expect([store.get('a', 99), store.get('a', 100)]).toEqual(['s1', undefined]);
  store.set('a', 's2', 100, 200);
  store.set('a', 's3', NEVER, 250);
  expect(store.get('a', 1_000_000)).toBe('s3');
  expect(store.figures.expired).toBe(1);
});

test('the one unused for longest goes first', () => {
  const store = storeOf({ entriesMax: 3 });
  for (const key of ['a', 'b', 'c']) store.set(key, 's', NEVER, 0);
  store.get('a', 0);
  store.set('d', 's', NEVER, 0);
  expect(['a', 'b', 'c', 'd'].map((key) => store.get(key, 0) !== undefined)).toEqual([true, false, true, true]);
  expect(store.figures).toMatchObject({ entries: 3, evictions: 1 });
});

test('what has expired goes before what is used', () => {
  const store = storeOf({ entriesMax: 2 });
  store.set('old', 's', NEVER, 0);
  store.set('expired', 's', 10, 0);
  store.set('new', 's', NEVER, 20);
  expect([store.get('old', 20), store.get('new', 20)]).toEqual(['s', 's']);
  expect(store.figures).toMatchObject({ evictions: 0, expired: 1 });
});

test('expired entries are given back in pieces, without looking at the others', () => {
  const store = storeOf({ maxBytes: 1_000_000 });
  for (let at = 0; at < 500; at += 1) store.set(`k${at}`, 's', at % 2 === 0 ? 10 : NEVER, 0);
  expect(store.sweep(5, 100)).toBe(true);
  expect(store.figures.entries).toBe(500);
  expect([store.sweep(10, 100), store.sweep(10, 100), store.figures.entries]).toEqual([false, false, 300]);
  expect([store.sweep(10, 100), store.figures.entries, store.nextExpiryMs]).toEqual([true, 250, NEVER]);
});

test('lower limits count by and by', () => {
  const store = storeOf();
  for (let at = 0; at < 200; at += 1) store.set(`k${at}`, 's', NEVER, 0);
  store.limit({ ...LIMITS, entriesMax: 50 });
  expect(store.sweep(0, 100)).toBe(false);
  expect(store.sweep(0, 100)).toBe(true);
  expect(store.figures.entries).toBe(50);
});

test('the largest value and the longest key find room, alone', () => {
  const store = storeOf({ valueMaxBytes: 64 * 1_048_576 });
  store.set('k', 's', NEVER, 0);
  store.set('k'.repeat(250), Buffer.alloc(store.valueMaxBytes), NEVER, 0);
  expect(store.figures).toMatchObject({ entries: 1, bytes: LIMITS.maxBytes });
});

describe('counters', () => {
  test('begin at 0, keep the time limit they were made with, and add', () => {
    const store = storeOf();
    expect(store.increment('n', 3n, 100, 0)).toBe(counter(3n));
    expect(store.increment('n', -5n, 100, 90)).toBe(counter(-2n));
    expect(store.increment('n', 1n, 100, 100)).toBe(counter(1n));
  });

  test('are what PHP calls an integer', () => {
    const store = storeOf();
    store.set('text', 's123456789', NEVER, 0);
    store.set('most', counter(2n ** 63n - 1n), NEVER, 0);
    expect(store.increment('text', 1n, NEVER, 0)).toBe('not-an-integer');
    expect(store.increment('most', 1n, NEVER, 0)).toBe('overflow');
    expect(store.get('most', 0)).toBe(counter(2n ** 63n - 1n));
  });

  test('any integer is read as it was written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (count) => {
        expect(counterOf(counter(count))).toBe(count);
      }),
    );
  });
});

test('small values do not hold the chunk they came in, large ones of their own are not copied', () => {
  const chunk = Buffer.from('..small..');
  expect(keepValue(chunk, 2, 7, false)).toBe('small');
  const large = Buffer.alloc(10_000, 'x');
  const copied = keepValue(large, 10, 10_000, false) as Buffer;
  expect([copied.length, copied.buffer === large.buffer, copied.buffer.byteLength]).toEqual([9990, false, 9990]);
  expect((keepValue(large, 10, 10_000, true) as Buffer).buffer).toBe(large.buffer);
});

/** The same in the plainest way: a list in order of use. */
class Model {
  #entries: { key: string; value: string; expiresAtMs: number }[] = [];
  readonly #limits: CacheLimits;

  constructor(limits: CacheLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#entries.reduce((sum, { key, value }) => sum + entryBytes(key, value), 0);
  }

  get entries(): number {
    return this.#entries.length;
  }

  get(key: string, nowMs: number): string | undefined {
    const entry = this.#take(key);
    if (entry === undefined || entry.expiresAtMs <= nowMs) return undefined;
    this.#entries.push(entry);
    return entry.value;
  }

  set(key: string, value: string, expiresAtMs: number, nowMs: number): void {
    this.#take(key);
    this.#entries.push({ key, value, expiresAtMs });
    while (this.bytes > this.#limits.maxBytes || this.entries > this.#limits.entriesMax) {
      const [next] = this.#entries
        .filter((entry) => entry.expiresAtMs <= nowMs)
        .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
      this.#take((next ?? this.#entries[0])?.key ?? '');
    }
  }

  /** Asking so does not count as use. */
  has(key: string, nowMs: number): boolean {
    const entry = this.#entries.find((one) => one.key === key);
    if (entry === undefined) return false;
    if (entry.expiresAtMs <= nowMs) this.#take(key);
    return entry.expiresAtMs > nowMs;
  }

  delete(key: string, nowMs: number): boolean {
    const entry = this.#take(key);
    return entry !== undefined && entry.expiresAtMs > nowMs;
  }

  sweep(nowMs: number): void {
    this.#entries = this.#entries.filter((entry) => entry.expiresAtMs > nowMs);
  }

  #take(key: string): { key: string; value: string; expiresAtMs: number } | undefined {
    const at = this.#entries.findIndex((entry) => entry.key === key);
    return at === -1 ? undefined : this.#entries.splice(at, 1)[0];
  }
}

const step = fc.record({
  what: fc.constantFrom('get', 'set', 'add', 'delete', 'sweep'),
  key: fc.constantFrom(...'abcdefghijkl'),
  bytes: fc.integer({ min: 0, max: 600 }),
  ttlMs: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  passMs: fc.integer({ min: 0, max: 10 }),
});

test('whatever is done, it is as in the plainest model', () => {
  const limits = { maxBytes: 3000, entriesMax: 8, valueMaxBytes: 600 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const store = new Store(limits);
      const model = new Model(limits);
      let nowMs = 0;
      steps.forEach(({ what, key, bytes, ttlMs, passMs }, at) => {
        nowMs += passMs;
        // No two of them expire in the same moment: which goes first would be anybody's choice.
        const ttl = ttlMs === undefined ? NEVER : ttlMs + at / 1000;
        const value = 's'.padEnd(bytes + 1, String(at));
        if (what === 'get') expect(store.get(key, nowMs)).toBe(model.get(key, nowMs));
        else if (what === 'delete') expect(store.delete(key, nowMs)).toBe(model.delete(key, nowMs));
        else if (what === 'sweep') {
          store.sweep(nowMs, 1000);
          model.sweep(nowMs);
        } else if (what === 'set') {
          store.set(key, value, ttl, nowMs);
          model.set(key, value, nowMs + ttl, nowMs);
        } else {
          const isNew = !model.has(key, nowMs);
          expect(store.add(key, value, ttl, nowMs)).toBe(isNew);
          if (isNew) model.set(key, value, nowMs + ttl, nowMs);
        }
        expect([store.figures.entries, store.figures.bytes]).toEqual([model.entries, model.bytes]);
      });
    }),
    { numRuns: 500 },
  );
});
