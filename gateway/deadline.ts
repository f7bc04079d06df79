/**
 * One absolute point in time for a whole call, made at the edge and handed down.
 * Monotonic: a clock jump neither shortens nor lengthens a call.
 */
export class Deadline {
  /** On the `performance.now()` clock, ms. */
  readonly atMs: number;
  /** The budget it was made from, ms: for messages. */
  readonly budgetMs: number;

  constructor(budgetMs: number) {
    this.budgetMs = budgetMs;
    this.atMs = performance.now() + budgetMs;
  }

  /** Never negative. */
  remainingMs(): number {
    return Math.max(0, this.atMs - performance.now());
  }

  get passed(): boolean {
    return performance.now() >= this.atMs;
  }
}
