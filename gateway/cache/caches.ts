/**
 * The caches of all pools, by name. They outlive a release: a reload keeps what is cached, and workers of the old and of
 * the new one share it.
 */
import { SharedCache } from './shared.ts';
import type { CacheLimits } from './store.ts';

interface Held {
  readonly cache: SharedCache;
  holders: number;
}

export class Caches {
  readonly #held = new Map<string, Held>();

  /** For one release; to be given back with `release`. Its limits count once that release serves: see `SharedCache.limit`. */
  hold(pool: string, limits: CacheLimits): SharedCache {
    const held = this.#held.get(pool) ?? { cache: new SharedCache(limits, () => performance.now()), holders: 0 };
    held.holders += 1;
    this.#held.set(pool, held);
    return held.cache;
  }

  /** The last release with such a pool takes what is cached along. */
  release(pool: string): void {
    const held = this.#held.get(pool);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    held.cache.close();
    this.#held.delete(pool);
  }
}
