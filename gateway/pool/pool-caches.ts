/** The caches of one release: for each pool that we run a socket in front of what its workers share. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Caches } from '../cache/caches.ts';
import { CacheListener } from '../cache/listener.ts';
import type { SharedCache } from '../cache/shared.ts';
import type { CacheFigures } from '../cache/store.ts';
import type { Settings } from '../config.ts';
import type { Log } from '../log.ts';
import { isRoot } from './instance-dir.ts';
import { assertSocketPath } from './internal-sockets.ts';
import { isAttached } from './pool.ts';
import { poolUser } from './pool-user.ts';

/** As in Cache/Links.php, `ASKS` and `LEASES`; a worker and the one that replaces it. */
const LINKS_OF_WORKER = 16 + 240;

export interface CacheStatus extends CacheFigures {
  /** Of this release's workers. */
  readonly connections: number;
}

interface PoolCache {
  readonly cache: SharedCache;
  listener: CacheListener | undefined;
}

export interface PoolCachesOptions {
  readonly settings: Settings;
  readonly caches: Caches;
  /** Others may pass through it, and not write. */
  readonly instanceFolder: string;
  readonly log: Log;
}

export class PoolCaches {
  readonly #options: PoolCachesOptions;
  readonly #folder: string;
  /** Of the pools whose workers were told of one. */
  readonly #paths = new Map<string, string>();
  readonly #pools = new Map<string, PoolCache>();

  constructor(options: PoolCachesOptions) {
    this.#options = options;
    this.#folder = join(options.instanceFolder, 'c');
  }

  /** Where the workers of a pool find it; undefined: they have none. Throws StartupError where the path is too long. */
  pathOf(pool: string): string | undefined {
    const own = this.#options.settings.pools[pool];
    if (own === undefined || isAttached(own)) return undefined;
    const path = assertSocketPath(join(this.#folder, `${pool}.sock`));
    this.#paths.set(pool, path);
    return path;
  }

  statusOf(pool: string): CacheStatus | undefined {
    const own = this.#pools.get(pool);
    if (own === undefined) return undefined;
    return { ...own.cache.store.figures, connections: own.listener?.connections ?? 0 };
  }

  /** For the pools that were asked for, before they start: what PHP does at its start may use it. Rejects with StartupError. */
  async open(): Promise<void> {
    const { settings, caches, log } = this.#options;
    // Nobody else may pass yet: a socket that was just made has the rights that the umask gives it.
    mkdirSync(this.#folder, { mode: 0o700 });
    for (const [pool, path] of this.#paths) {
      const own = settings.pools[pool];
      if (own === undefined || isAttached(own)) continue;
      const user = poolUser(pool, own.user);
      const cache = caches.hold(pool, own.cache);
      const kept: PoolCache = { cache, listener: undefined };
      this.#pools.set(pool, kept);
      // Workers in reserve, those of both engines, and those that are ending have one each; those of many calls up to 256.
      const connectionsMax =
        4 * (own.maxWorkers + own.resident.maxWorkers) +
        2 * LINKS_OF_WORKER * own.resident.concurrentWorkers +
        settings.limits.callDepthMax +
        64;
      kept.listener = await CacheListener.open({ pool, path, user, connectionsMax, cache, log });
    }
    if (isRoot()) chmodSync(this.#folder, 0o711);
  }

  /** This release serves: its limits count from now on, also for workers of the one before. */
  take(): void {
    const { settings } = this.#options;
    for (const [pool, { cache }] of this.#pools) {
      const own = settings.pools[pool];
      if (own !== undefined && !isAttached(own)) cache.limit(own.cache);
    }
  }

  /** Its workers are gone. Idempotent. */
  close(): void {
    for (const [pool, { listener }] of this.#pools) {
      listener?.destroy();
      this.#options.caches.release(pool);
    }
    this.#pools.clear();
  }
}
