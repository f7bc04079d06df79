/** What a batch came to, and running again what failed. */
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
import { isRepeatable } from './retry.ts';

export interface RetryFailedOptions extends BatchOptions {
  /** Also what may have run, or has: only where running twice does no harm. Default false. */
  readonly mayHaveRun?: boolean;
}

/** What all items came to, in their order. */
export class BatchResults {
  readonly #parts: BatchParts;
  readonly #items: readonly AnyItem[];
  readonly #options: BatchOptions;
  readonly results: AnyResult[];

  constructor(parts: BatchParts, items: readonly AnyItem[], options: BatchOptions, results: AnyResult[]) {
    this.#parts = parts;
    this.#items = items;
    this.#options = options;
    this.results = results;
  }

  /** Whether every item succeeded. */
  get ok(): boolean {
    return this.results.every(({ ok }) => ok);
  }

  /** The outputs in the order of the items; throws the first error there is. */
  outputs(): unknown[] {
    return this.results.map((result) => {
      if (!result.ok) throw result.error;
      return result.output;
    });
  }

  /** Runs again what failed and provably did not run, or has a key that makes it run once; new results take the place of the old ones. */
  async retryFailed({ mayHaveRun = false, ...more }: RetryFailedOptions = {}): Promise<this> {
    const options = { ...this.#options, ...more };
    assertOptions(options);
    const mayRun = (result: AnyResult | undefined): boolean => {
      if (result === undefined || result.ok) return false;
      const hasKey = this.#items[result.index]?.idempotencyKey !== undefined;
      return mayHaveRun || result.executed === 'no' || isRepeatable(result.error, { idempotent: false, hasKey });
    };
    const items = this.#items
      .map((item, index) => ({ item, index }))
      .filter(({ index }) => mayRun(this.results[index]));
    const deadline = new Deadline(options);
    const onEnd = (index: number, end: ItemEnd): void => {
      const { function: name = '', id } = this.#items[index] ?? {};
      this.results[index] = { ...end, index, function: name, id };
    };
    try {
      await runItems(this.#parts, { items, options, deadline, onEnd });
    } finally {
      deadline.dispose();
    }
    return this;
  }
}
