/**
 * Entries that expire, the next one first: a binary heap in which each entry knows its place, so that one that is changed
 * or removed leaves nothing behind. What expires is found without looking at what does not.
 */
import type { Entry } from './entry.ts';

export class Expiry {
  readonly #heap: Entry[] = [];

  get next(): Entry | undefined {
    return this.#heap[0];
  }

  get size(): number {
    return this.#heap.length;
  }

  /** After its time was set: it takes, changes or loses its place. */
  place(entry: Entry): void {
    if (entry.expiresAtMs === Number.POSITIVE_INFINITY) {
      this.remove(entry);
    } else if (entry.place === -1) {
      this.#heap.push(entry);
      this.#rise(entry, this.#heap.length - 1);
    } else {
      this.#settle(entry, entry.place);
    }
  }

  remove(entry: Entry): void {
    const { place } = entry;
    if (place === -1) return;
    entry.place = -1;
    const last = this.#heap.pop();
    if (last !== undefined && last !== entry) this.#settle(last, place);
  }

  #settle(entry: Entry, place: number): void {
    this.#sink(entry, this.#rise(entry, place));
  }

  #rise(entry: Entry, from: number): number {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.expiresAtMs <= entry.expiresAtMs) break;
      heap[place] = parent;
      parent.place = place;
      place = above;
    }
    heap[place] = entry;
    entry.place = place;
    return place;
  }

  #sink(entry: Entry, from: number): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      const below = 2 * place + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      const isRight = right !== undefined && right.expiresAtMs < left.expiresAtMs;
      const child = isRight ? right : left;
      if (child.expiresAtMs >= entry.expiresAtMs) break;
      heap[place] = child;
      child.place = place;
      place = isRight ? below + 1 : below;
    }
    heap[place] = entry;
    entry.place = place;
  }
}
