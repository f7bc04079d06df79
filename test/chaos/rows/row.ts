/** A row of the fault catalogue (docs/reliability.md). */
import type { World, WorldSpec } from '../world.ts';

export interface Row {
  /** Of the catalogue. */
  readonly number: number;
  readonly fault: string;
  /** What a caller gets, in words. */
  readonly expected: string;
  readonly world: WorldSpec;
  /** Throws where a promise is broken. */
  readonly run: (world: World) => Promise<void>;
}

/** What has no row yet, and why. */
export interface LaterRow {
  readonly number: number;
  readonly fault: string;
  readonly comesWith: string;
}

/** Of most rows. */
export const PLAIN: WorldSpec = {};
