/** What became of a pool's number of workers, and why: the last steps, for its status. */
import type { Log } from '../log.ts';

export interface ScalingStep {
  readonly at: string;
  readonly from: number;
  readonly to: number;
  /** For people. */
  readonly reason: string;
}

const KEPT_STEPS = 20;

export class ScalingSteps {
  readonly #steps: ScalingStep[] = [];
  readonly #pool: string;
  readonly #log: Log;

  constructor(pool: string, log: Log) {
    this.#pool = pool;
    this.#log = log;
  }

  /** The oldest first. */
  get last(): readonly ScalingStep[] {
    return [...this.#steps];
  }

  /** At the gateway's own start, which is told elsewhere. */
  addQuietly(from: number, to: number, reason: string): void {
    this.#keep(from, to, reason);
    this.#log.debug({ pool: this.#pool, from, to }, `workers: ${reason}`);
  }

  add(from: number, to: number, reason: string): void {
    this.#keep(from, to, reason);
    this.#log.info({ pool: this.#pool, from, to }, `workers: ${reason}`);
  }

  #keep(from: number, to: number, reason: string): void {
    this.#steps.push({ at: new Date().toISOString(), from, to, reason });
    if (this.#steps.length > KEPT_STEPS) this.#steps.shift();
  }
}
