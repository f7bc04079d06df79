/**
 * One absolute point in time for a whole call, made at the edge and handed down.
 * Monotonic: a clock jump neither shortens nor lengthens a call.
 */
export class Deadline {
  /** On the `performance.now()` clock. */
  readonly #atMs: number;

  constructor(budgetMs: number) {
    this.#atMs = performance.now() + budgetMs;
  }

  /** Never negative. */
  remainingMs(): number {
    return Math.max(0, this.#atMs - performance.now());
  }
}
