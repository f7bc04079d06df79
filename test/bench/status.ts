/** What `GET /admin/pools` says, as far as sections wait for it or show it. */
import { until } from '../support/until.ts';
import type { GatewayPeer } from './peers/gateway.ts';

export interface Step {
  readonly at: string;
  readonly to: number;
  readonly reason: string;
}

export interface PoolSeen {
  readonly name: string;
  readonly engine: string;
  /** `asleep` and others. */
  readonly state: string;
  readonly workers: number;
  /** What became of their number; the oldest first, the last 20. */
  readonly steps: readonly Step[];
  /** How long the last call that woke it waited for a worker. */
  readonly coldStartMs?: number;
  readonly functions: readonly { readonly name: string; readonly running: number; readonly waiting: number }[];
}

export const poolsOf = async ({ adminUrl }: GatewayPeer): Promise<readonly PoolSeen[]> => {
  const response = await fetch(`${adminUrl}/admin/pools`);
  if (!response.ok) throw new Error(`/admin/pools answered ${response.status}`);
  return ((await response.json()) as { pools: readonly PoolSeen[] }).pools;
};

/** Calls of a function that PHP has begun. */
export const runningOf = async (gateway: GatewayPeer, name: string): Promise<number> =>
  (await poolsOf(gateway))
    .flatMap(({ functions }) => functions)
    .filter((one) => one.name === name)
    .reduce((sum, { running }) => sum + running, 0);

export const untilAsleep = async (gateway: GatewayPeer): Promise<void> =>
  await until('all pools sleep', async () => (await poolsOf(gateway)).every(({ state }) => state === 'asleep'));

/** The only pool of a project that has one. */
export const onePool = async (gateway: GatewayPeer): Promise<PoolSeen> => {
  const [pool, ...others] = await poolsOf(gateway);
  if (pool === undefined || others.length > 0) throw new Error(`the project has ${others.length + 1} pools, not one`);
  return pool;
};
