/** Twenty functions in one pool, one of them called for five times what the pool can do by one caller. */
import type { Called } from './callers.ts';
import { isGood, percentile } from './figures.ts';
import { neighbours, type Stage } from './stage.ts';
import { TIMEOUT_MS } from './steps.ts';

export interface Neighbours {
  readonly alone: { readonly calls: number; readonly success: number; readonly p99Ms: number };
  readonly beside: { readonly calls: number; readonly success: number; readonly p99Ms: number };
  readonly p99Ratio: number;
  readonly noisyGoodPerSecond: number;
}

const LIGHT = 0.2;
const NOISY_TIMES = 5;
const CONNECTIONS_MAX = 3000;

const [noisy = '', ...others] = neighbours;

const summary = (calls: readonly Called[]): Neighbours['alone'] => ({
  calls: calls.length,
  success: calls.filter(isGood).length / Math.max(1, calls.length),
  p99Ms: percentile(
    calls.map(({ latencyMs }) => latencyMs),
    0.99,
  ),
});

/** `capacity`: calls a second of the pool. */
export const runNeighbours = async (
  stage: Stage,
  { seed, seconds, capacity }: { seed: number; seconds: number; capacity: number },
): Promise<Neighbours> => {
  const toMs = seconds * 1000;
  const common = { timeoutMs: TIMEOUT_MS, connectionsMax: CONNECTIONS_MAX };
  const light = { functions: others, perSecond: capacity * LIGHT, fromMs: 0, toMs, leavers: 0 };
  const quiet = { ...common, seed, from: '127.0.0.1', streams: [light] };
  const alone = await stage.call(quiet);
  const loud = { ...light, functions: [noisy], perSecond: capacity * NOISY_TIMES };
  const [beside, loudly] = await Promise.all([
    stage.call(quiet),
    stage.call({ ...common, seed: seed + 1, from: '127.0.0.2', streams: [loud] }),
  ]);
  const result = { alone: summary(alone), beside: summary(beside) };
  return {
    ...result,
    p99Ratio: result.beside.p99Ms / result.alone.p99Ms,
    noisyGoodPerSecond: loudly.filter(isGood).length / seconds,
  };
};
