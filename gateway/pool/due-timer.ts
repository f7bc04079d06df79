/** One timer for all that is due at some time: it is set anew when it strikes, or when something is due earlier. */

export class DueTimer {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = 0;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** `dueMs`: on the `performance.now()` clock; without an end: nothing is due. */
  watch(dueMs: number): void {
    if (this.#timer !== undefined && this.#atMs <= dueMs) return;
    this.stop();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#atMs = dueMs;
    // A call's socket keeps the process alive while it runs; the timer outlasts it.
    this.#timer = setTimeout(() => this.#strike(), Math.max(0, dueMs - performance.now())).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #strike(): void {
    // Behind a blocked event loop answers may have come: they are read before immediates run.
    setImmediate(() => {
      this.#timer = undefined;
      this.#onDue();
    });
  }
}
