/** The kinds of workers that a pool of the settings may have, each with processes and a queue of its own. */
import type { Engine } from '../contract.ts';

/** How its workers run calls: `concurrent` ones are resident, and run many at once. */
export type PoolKind = Engine | 'concurrent';

export const kindFor = (engine: Engine, concurrency: number): PoolKind =>
  engine === 'resident' && concurrency > 1 ? 'concurrent' : engine;

/** Of the pools of a release: one of the settings may have all kinds of workers. */
export const poolId = (name: string, kind: PoolKind): string => (kind === 'fpm' ? name : `${name}.${kind}`);
