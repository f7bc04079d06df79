/** What calls say together. Pure. */
import type { Called } from './callers.ts';

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
};

export const isGood = ({ status }: Called): boolean => status === 200;
export const isRefused = ({ status }: Called): boolean => status === 503 || status === 429;

export const countCodes = (calls: readonly Called[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { code, leftAtMs } of calls) {
    const key = leftAtMs === undefined ? code : 'left';
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};

/** How long after the load ended the last call failed or took longer than is normal, ms. */
export const recoveryMs = (calls: readonly Called[], endMs: number, normalMs: number): number =>
  calls
    .filter(({ atMs }) => atMs >= endMs)
    .filter((call) => !isGood(call) || call.latencyMs > normalMs)
    .reduce((last, { atMs, latencyMs }) => Math.max(last, atMs + latencyMs - endMs), 0);

export interface Wasted {
  readonly started: number;
  /** PHP began them more than 10 ms after the gateway saw their caller leave. */
  readonly afterLeaving: number;
  /** Or after their time was over. */
  readonly afterDeadline: number;
  /** The longest that a call began after the gateway saw its caller leave, ms. */
  readonly latestMs: number;
}

const TOLERANCE_MS = 10;

/** On the wall clock, ms, by the call's id. */
export interface Noted {
  readonly starts: ReadonlyMap<string, number>;
  /** What the gateway saw: `came:<id>`, `left:<id>`. */
  readonly seen: ReadonlyMap<string, number>;
}

export const wastedOf = (calls: readonly Called[], { starts, seen }: Noted, timeoutMs: number): Wasted => {
  const after = (what: 'came' | 'left'): number[] =>
    calls.flatMap(({ id }) => {
      const seenMs = seen.get(`${what}:${id}`);
      const startMs = starts.get(id);
      return seenMs === undefined || startMs === undefined ? [] : [startMs - seenMs];
    });
  const lateMs = after('left');
  return {
    started: calls.filter(({ id }) => starts.has(id)).length,
    afterLeaving: lateMs.filter((ms) => ms > TOLERANCE_MS).length,
    afterDeadline: after('came').filter((ms) => ms > timeoutMs + TOLERANCE_MS).length,
    latestMs: Math.max(0, ...lateMs),
  };
};
