/** What `GET /admin/pools` says, as far as sections wait for it or show it. */
import { until } from '../support/until.ts';
import type { GatewayPeer } from './peers/gateway.ts';

export interface PoolSeen {
  readonly name: string;
  readonly engine: string;
  /** `asleep` and others. */
  readonly state: string;
  /** Of the workers' number, oldest first. */
  readonly steps?: readonly { readonly atMs: number; readonly reason: string }[];
  readonly functions: readonly { readonly name: string; readonly running: number; readonly waiting: number }[];
}

export const poolsOf = async <P extends PoolSeen = PoolSeen>({ adminUrl }: GatewayPeer): Promise<readonly P[]> => {
  const response = await fetch(`${adminUrl}/admin/pools`);
  if (!response.ok) throw new Error(`/admin/pools answered ${response.status}`);
  return ((await response.json()) as { pools: readonly P[] }).pools;
};

/** Calls of a function that PHP has begun. */
export const runningOf = async (gateway: GatewayPeer, name: string): Promise<number> =>
  (await poolsOf(gateway))
    .flatMap(({ functions }) => functions)
    .filter((one) => one.name === name)
    .reduce((sum, { running }) => sum + running, 0);

export const untilAsleep = async (gateway: GatewayPeer): Promise<void> =>
  await until('all pools sleep', async () => (await poolsOf(gateway)).every(({ state }) => state === 'asleep'));

/** Why the pool has as many workers as it has: the newest step that is told. */
export const lastStepOf = (pools: readonly PoolSeen[]): string | undefined =>
  pools
    .flatMap(({ steps }) => steps ?? [])
    .toSorted((one, other) => one.atMs - other.atMs)
    .at(-1)?.reason;
