/** What the workers of one pool share, whichever release they belong to. */
import { Leases } from './leases.ts';
import { type CacheLimits, Store } from './store.ts';

/** Entries given back in one go: 0.16 ms. */
const SWEEP_ENTRIES = 1000;
/** What expires is given back that much later at most. Asked for it is never found. */
export const SWEEP_EVERY_MS = 250;

export class SharedCache {
  readonly store: Store;
  readonly leases: Leases;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: CacheLimits, now: () => number) {
    this.store = new Store(limits);
    this.leases = new Leases(now);
    this.#now = now;
  }

  now(): number {
    return this.#now();
  }

  /** What no longer fits is given back by and by. */
  limit(limits: CacheLimits): void {
    this.store.limit(limits);
    this.watch(0);
  }

  /** Something with a time limit was stored. */
  watch(inMs: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#sweep(), inMs);
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    this.#timer = undefined;
    // In between others are served.
    if (!this.store.sweep(this.#now(), SWEEP_ENTRIES)) this.watch(1);
    else if (this.store.nextExpiryMs < Number.POSITIVE_INFINITY) this.watch(SWEEP_EVERY_MS);
  }
}
