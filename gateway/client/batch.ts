/** A batch the user makes: results as they finish, or in the order of its items. */
import { BatchResults } from './batch-results.ts';
import {
  type AnyItem,
  type AnyResult,
  assertOptions,
  type BatchOptions,
  type BatchParts,
  runItems,
} from './batch-run.ts';
import type { ItemEnd } from './batch-wire.ts';
import { Deadline } from './deadline.ts';
import { assertTimeout } from './options.ts';

/** Begins at once. Awaited it gives all results; iterated, each as it finishes. What goes wrong, its items tell. */
export class Batch implements PromiseLike<BatchResults>, AsyncIterable<AnyResult> {
  readonly #finished: AnyResult[] = [];
  readonly #whole: Promise<BatchResults>;
  readonly #deadline: Deadline;
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  constructor(parts: BatchParts, items: readonly AnyItem[], options: BatchOptions) {
    assertOptions(options);
    for (const { timeoutMs } of items) assertTimeout(timeoutMs);
    this.#deadline = new Deadline(options);
    this.#whole = this.#run(parts, items, options);
    // It rejects only for what the user's own code throws, which whoever reads the batch is told.
    this.#whole.catch(() => undefined);
  }

  // biome-ignore lint/suspicious/noThenProperty: `await` and `for await` are the two ways to read one batch
  then<A = BatchResults, B = never>(
    onFulfilled?: ((results: BatchResults) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#whole.then(onFulfilled, onRejected);
  }

  /** Leaving the loop cancels what has not begun; what runs is not waited for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<AnyResult, void> {
    let at = 0;
    try {
      for (;;) {
        const result = this.#finished[at];
        if (result !== undefined) {
          at += 1;
          yield result;
        } else if (this.#isOver) {
          await this.#whole;
          return;
        } else await this.#wake.promise;
      }
    } finally {
      if (!this.#isOver) this.#deadline.cancel();
    }
  }

  async #run(parts: BatchParts, items: readonly AnyItem[], options: BatchOptions): Promise<BatchResults> {
    const results: AnyResult[] = [];
    const onEnd = (index: number, end: ItemEnd): void => {
      const { function: name = '', id } = items[index] ?? {};
      const result: AnyResult = { ...end, index, function: name, id };
      results[index] = result;
      this.#finished.push(result);
      this.#news();
    };
    try {
      const all = items.map((item, index) => ({ item, index }));
      await runItems(parts, { items: all, options, deadline: this.#deadline, onEnd });
    } finally {
      this.#deadline.dispose();
      this.#isOver = true;
      this.#news();
    }
    return new BatchResults(parts, items, options, results);
  }

  #news(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}
