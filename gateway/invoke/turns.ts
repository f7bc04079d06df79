/**
 * Items of batches that wait for a function at its `concurrency`, or for room in a queue: where an item ends, the one
 * that waited longest is woken, whichever batch it is of. Else the batch that is in would take each place itself.
 */
export class Turns {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `wake` is called at most once. The result gives the place up. */
  wait(name: string, wake: () => void): () => void {
    let waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(name, waiting);
    }
    waiting.add(wake);
    return () => {
      if (waiting.delete(wake) && waiting.size === 0) this.#waiting.delete(name);
    };
  }

  /** Whether somebody was woken, whose turn it is now. */
  pass(name: string): boolean {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return false;
    const [wake] = waiting;
    if (wake === undefined) return false;
    waiting.delete(wake);
    if (waiting.size === 0) this.#waiting.delete(name);
    wake();
    return true;
  }
}
