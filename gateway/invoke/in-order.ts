/** Values in the order in which they came: either end is at hand, and one may leave from the middle at no cost. Pure. */

export interface Place<T> {
  readonly value: T;
  before: Place<T> | undefined;
  behind: Place<T> | undefined;
}

export class InOrder<T> {
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first?.value;
  }

  get last(): T | undefined {
    return this.#last?.value;
  }

  push(value: T): Place<T> {
    const place: Place<T> = { value, before: this.#last, behind: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
    this.#size += 1;
    return place;
  }

  /** Once for each place. */
  remove({ before, behind }: Place<T>): void {
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    this.#size -= 1;
  }
}
