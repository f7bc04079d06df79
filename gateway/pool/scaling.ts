/**
 * How many workers a pool is to have: the rules by which they follow load, each step with a reason that people read.
 * Pure.
 */
import type { PoolSize } from '../config-pools.ts';

export interface Load {
  /** Workers that there may be now. */
  readonly workers: number;
  /** Of them those that are being started. */
  readonly starting: number;
  /** No worker can be started: another try would be one more that fails. */
  readonly fails: boolean;
  /** Calls that wait for a worker. */
  readonly waiting: number;
  /** Workers that these would fill: of concurrent ones each takes many. */
  readonly wanted: number;
  /** One more could not wait: its queue was full, or its time up. */
  readonly turnedAway: boolean;
  /** For how long there have been some, or since the last step that was for them. */
  readonly waitedMs: number;
  /** Calls have workers. */
  readonly isBusy: boolean;
  /** For how long a worker has been idle; 0: none is. */
  readonly spareMs: number;
  readonly sinceStepMs: number;
  /** Since the last call. */
  readonly unusedMs: number;
}

export interface Pace {
  readonly size: PoolSize;
  readonly idleMs: number;
  readonly sleepAfterMs: number;
  /** Starts that compute: more at once would only make each of them late. */
  readonly startsAtOnce: number;
}

export type Verdict =
  /** There is nothing to do before this time has passed, or more calls wait. */
  | { readonly kind: 'stay'; readonly againMs: number }
  | { readonly kind: 'resize'; readonly workers: number; readonly reason: string }
  | { readonly kind: 'sleep'; readonly reason: string };

/** Most calls are shorter, and the workers there are do without another: a start costs PHP more than such a wait. */
export const GROW_AFTER_MS = 5;
/** One by one, at most so fast: a pause between two bursts keeps most workers. */
const SHRINK_EVERY_MS = 1000;
const FAILS_AGAIN_MS = 100;

export const decide = (load: Load, pace: Pace): Verdict =>
  load.waiting > 0 || load.turnedAway ? grow(load, pace) : shrink(load, pace);

const grow = (load: Load, { size, idleMs, startsAtOnce }: Pace): Verdict => {
  const { workers, starting, fails, waiting, wanted, turnedAway, waitedMs } = load;
  if (workers >= size.maxWorkers) return { kind: 'stay', againMs: idleMs };
  if (fails) return { kind: 'stay', againMs: FAILS_AGAIN_MS };
  if (!turnedAway && waitedMs < GROW_AFTER_MS) return { kind: 'stay', againMs: GROW_AFTER_MS - waitedMs };
  const more = Math.min(wanted + (turnedAway ? 1 : 0) - starting, size.maxWorkers - workers, startsAtOnce - starting);
  if (more <= 0) return { kind: 'stay', againMs: GROW_AFTER_MS };
  return {
    kind: 'resize',
    workers: workers + more,
    reason: turnedAway ? 'a call was turned away' : `${waiting} ${waiting === 1 ? 'call' : 'calls'} waited`,
  };
};

const shrink = (load: Load, { size, idleMs, sleepAfterMs }: Pace): Verdict => {
  const { workers, isBusy, spareMs, sinceStepMs, unusedMs } = load;
  const sleeps = size.minWorkers === 0;
  if (sleeps && !isBusy && unusedMs >= sleepAfterMs)
    return { kind: 'sleep', reason: `asleep: no call for ${duration(sleepAfterMs)}` };
  const everyMs = Math.min(SHRINK_EVERY_MS, idleMs / 10);
  // The last one goes with the pool: one that is awake without any may find that it can start none.
  const shrinkInMs =
    workers > Math.max(1, size.minWorkers)
      ? Math.max(idleMs - spareMs, everyMs - sinceStepMs)
      : Number.POSITIVE_INFINITY;
  if (shrinkInMs <= 0) return { kind: 'resize', workers: workers - 1, reason: `idle for ${duration(spareMs)}` };
  const sleepInMs = !sleeps ? Number.POSITIVE_INFINITY : isBusy ? sleepAfterMs : sleepAfterMs - unusedMs;
  return { kind: 'stay', againMs: Math.min(shrinkInMs, sleepInMs) };
};

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`);
