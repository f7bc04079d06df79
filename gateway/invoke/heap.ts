/** The first of many by some order, while they come and go at any time: each costs O(log n). Pure. */

export interface InHeap {
  /** Where it is; kept by the heap. Below 0: in none. */
  heapAt: number;
}

export class Heap<T extends InHeap> {
  readonly #items: T[] = [];
  readonly #isBefore: (one: T, other: T) => boolean;

  /** What `isBefore` reads of an item must not change while it is in. */
  constructor(isBefore: (one: T, other: T) => boolean) {
    this.#isBefore = isBefore;
  }

  /** In no order. */
  get items(): readonly T[] {
    return this.#items;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Nothing if it is not in. */
  delete(item: T): void {
    const at = item.heapAt;
    if (at < 0) return;
    item.heapAt = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#rise(last, at);
    this.#sink(last, last.heapAt);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.heapAt = at;
  }

  #rise(item: T, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = this.#items[above];
      if (other === undefined || !this.#isBefore(item, other)) break;
      this.#put(other, at);
      at = above;
    }
    this.#put(item, at);
  }

  #sink(item: T, from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      let first = this.#items[left];
      if (first === undefined) break;
      const right = this.#items[left + 1];
      if (right !== undefined && this.#isBefore(right, first)) first = right;
      if (!this.#isBefore(first, item)) break;
      const below = first.heapAt;
      this.#put(first, at);
      at = below;
    }
    this.#put(item, at);
  }
}
