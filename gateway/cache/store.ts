/**
 * The keys and values of one pool. Pure: the time is given, in ms of a clock that never goes back. Bounded by bytes and
 * by entries: the one unused for longest goes first. Each step costs the same however much is kept, but for the
 * logarithm of the number of entries that expire.
 */
import { type Entry, emptyRing, entryBytes, link, unlink } from './entry.ts';
import { Expiry } from './expiry.ts';
import { counterOf, counterValue, type Value } from './value.ts';

export interface CacheLimits {
  readonly maxBytes: number;
  readonly entriesMax: number;
  readonly valueMaxBytes: number;
}

export interface CacheFigures {
  readonly entries: number;
  /** As the limit counts: keys, values and what each entry takes besides. */
  readonly bytes: number;
  readonly maxBytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Entries that went because room was needed. */
  readonly evictions: number;
  readonly expired: number;
}

export type Increment = Value | 'not-an-integer' | 'overflow';

/** `increment` makes counters, and a key of any length with them: they must fit as well. */
const KEY_MAX_BYTES = 250;

export class Store {
  readonly #entries = new Map<string, Entry>();
  readonly #ring = emptyRing();
  readonly #expiry = new Expiry();
  #limits: CacheLimits;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #expired = 0;

  constructor(limits: CacheLimits) {
    this.#limits = limits;
  }

  /** Bytes of a value that may be stored. */
  get valueMaxBytes(): number {
    const { valueMaxBytes, maxBytes } = this.#limits;
    return Math.min(valueMaxBytes, maxBytes - entryBytes('', '') - KEY_MAX_BYTES);
  }

  get figures(): CacheFigures {
    return {
      entries: this.#entries.size,
      bytes: this.#bytes,
      maxBytes: this.#limits.maxBytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      expired: this.#expired,
    };
  }

  /** What no longer fits goes with the next values, and with `sweep`. */
  limit(limits: CacheLimits): void {
    this.#limits = limits;
  }

  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#live(key, nowMs);
    if (entry === undefined) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    this.#touch(entry);
    return entry.value;
  }

  /** The value has at most `valueMaxBytes`; without that it would push out all others, and itself. */
  set(key: string, value: Value, ttlMs: number, nowMs: number): void {
    const expiresAtMs = nowMs + ttlMs;
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#insert(key, value, expiresAtMs);
    else {
      this.#replace(entry, value);
      entry.expiresAtMs = expiresAtMs;
      this.#expiry.place(entry);
      this.#touch(entry);
    }
    this.#makeRoom(nowMs);
  }

  /** False: there is one. */
  add(key: string, value: Value, ttlMs: number, nowMs: number): boolean {
    if (this.#live(key, nowMs) !== undefined) return false;
    this.set(key, value, ttlMs, nowMs);
    return true;
  }

  /** False: there was none. */
  delete(key: string, nowMs: number): boolean {
    const entry = this.#live(key, nowMs);
    if (entry === undefined) return false;
    this.#remove(entry);
    return true;
  }

  /** The new count. `ttlMs` counts only where the counter is made. */
  increment(key: string, by: bigint, ttlMs: number, nowMs: number): Increment {
    const entry = this.#live(key, nowMs);
    const before = entry === undefined ? 0n : counterOf(entry.value);
    if (before === undefined) return 'not-an-integer';
    const value = counterValue(before + by);
    if (value === undefined) return 'overflow';
    if (entry === undefined) {
      this.#insert(key, value, nowMs + ttlMs);
      this.#makeRoom(nowMs);
    } else {
      entry.value = value;
      this.#touch(entry);
    }
    return value;
  }

  /** Gives back what has expired and what is over the limits, at most so many entries. False: there is more to do. */
  sweep(nowMs: number, entriesMax: number): boolean {
    for (let left = entriesMax; left > 0; left -= 1) {
      if (!this.#isOver && this.nextExpiryMs > nowMs) return true;
      this.#dropOne(nowMs);
    }
    return !this.#isOver && this.nextExpiryMs > nowMs;
  }

  /** Infinity: nothing expires. */
  get nextExpiryMs(): number {
    return this.#expiry.next?.expiresAtMs ?? Number.POSITIVE_INFINITY;
  }

  get #isOver(): boolean {
    return this.#bytes > this.#limits.maxBytes || this.#entries.size > this.#limits.entriesMax;
  }

  #live(key: string, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs > nowMs) return entry;
    this.#expire(entry);
    return undefined;
  }

  #touch(entry: Entry): void {
    if (this.#ring.older === entry) return;
    unlink(entry);
    link(this.#ring, entry);
  }

  #insert(key: string, value: Value, expiresAtMs: number): void {
    const bytes = entryBytes(key, value);
    const entry: Entry = { key, value, bytes, expiresAtMs, place: -1, newer: this.#ring, older: this.#ring };
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    link(this.#ring, entry);
    this.#expiry.place(entry);
  }

  #replace(entry: Entry, value: Value): void {
    const bytes = entryBytes(entry.key, value);
    this.#bytes += bytes - entry.bytes;
    entry.value = value;
    entry.bytes = bytes;
  }

  /** What has expired goes before what is only unused. */
  #makeRoom(nowMs: number): void {
    while (this.#isOver) this.#dropOne(nowMs);
  }

  #dropOne(nowMs: number): void {
    const next = this.#expiry.next;
    if (next !== undefined && next.expiresAtMs <= nowMs) this.#expire(next);
    else this.#evict();
  }

  #evict(): void {
    this.#evictions += 1;
    this.#remove(this.#ring.newer);
  }

  #expire(entry: Entry): void {
    this.#expired += 1;
    this.#remove(entry);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
    unlink(entry);
    this.#expiry.remove(entry);
  }
}
