/** Which of many has most, where each gains and loses one at a time: O(1). Pure. */
export class Largest<T> {
  /** By how much they have. */
  readonly #levels: Set<T>[] = [];
  #most = 0;

  /** Of several the one that has had so many for longest. */
  get one(): T | undefined {
    return this.#levels[this.#most]?.values().next().value;
  }

  /** It has so many now: one more or one less than before. */
  changed(item: T, from: number, to: number): void {
    this.#levels[from]?.delete(item);
    if (to > 0) {
      this.#levels[to] ??= new Set();
      this.#levels[to].add(item);
    }
    if (to > this.#most) this.#most = to;
    // What it lost puts it one level below.
    else if (from === this.#most && (this.#levels[from]?.size ?? 0) === 0) this.#most = to;
  }
}
