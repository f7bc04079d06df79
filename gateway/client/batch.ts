/** A batch the user makes: results as they finish, or in the order of its items; what failed can be run again. */
import { failAll, runBatch } from './batch-exchange.ts';
import { type BatchLine, endWithout, type ItemEnd } from './batch-wire.ts';
import { clientError, isCallError } from './call-error.ts';
import { Deadline } from './deadline.ts';
import { encodeInput } from './input.ts';
import { assertTimeout, assertWhole, type RetryOptions, type RetryPolicy, retryPolicy } from './options.ts';
import type { Wire } from './request.ts';
import { type RetryBudget, withRetries } from './retry.ts';
import { activeTraceparent } from './trace-context.ts';

export interface BatchOptions {
  /** Items running at once; the gateway has a limit of its own. */
  readonly concurrency?: number;
  /** After the first failure no more items begin: they are `cancelled`. Default false. */
  readonly stopOnError?: boolean;
  /** For the whole batch. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly retry?: RetryOptions;
}

export interface RetryFailedOptions extends BatchOptions {
  /** Also what may have run, or has: only where running twice does no harm. Default false. */
  readonly mayHaveRun?: boolean;
}

/** As given, whatever its function. */
export interface AnyItem {
  readonly function: string;
  readonly input?: unknown;
  readonly id?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Which item it is, and how it ended. */
export type AnyResult = ItemEnd & {
  readonly index: number;
  readonly function: string;
  readonly id: string | undefined;
};

export interface BatchParts {
  readonly wire: Wire;
  readonly budget: RetryBudget;
  readonly retry: RetryPolicy;
}

const queryOf = ({ concurrency, stopOnError }: BatchOptions): string => {
  assertWhole('concurrency', concurrency, 1);
  const query = new URLSearchParams();
  if (concurrency !== undefined) query.set('concurrency', String(concurrency));
  if (stopOnError) query.set('stopOnError', 'true');
  return query.toString();
};

/** Throws `unsendable-input`. */
const lineOf = ({ function: name, input, id, timeoutMs }: AnyItem): BatchLine => {
  const body = encodeInput(name, input);
  if (body.kind === 'json') return { name, inputText: body.text, id, timeoutMs };
  throw clientError('unsendable-input', name, 'Files cannot go in a batch: use client.call() for this one.');
};

/** Items that are run together: which, and what hears of their ends. */
interface Run {
  readonly items: readonly { readonly index: number; readonly item: AnyItem }[];
  readonly options: BatchOptions;
  readonly deadline: Deadline;
  readonly onEnd: (index: number, end: ItemEnd) => void;
}

const run = async (parts: BatchParts, { items, options, deadline, onEnd }: Run): Promise<void> => {
  const sent: { index: number; line: BatchLine }[] = [];
  for (const { index, item } of items) {
    try {
      sent.push({ index, line: lineOf(item) });
    } catch (error) {
      if (!isCallError(error)) throw error;
      onEnd(index, endWithout(error));
    }
  }
  if (sent.length === 0) return;
  const lines = sent.map(({ line }) => line);
  const onLine = (at: number, end: ItemEnd): void => onEnd(sent[at]?.index ?? 0, end);
  const request = { lines, query: queryOf(options), traceparent: activeTraceparent(), deadline, onEnd: onLine };
  const policy = retryPolicy(parts.retry, options.retry);
  try {
    await withRetries(() => runBatch(parts.wire, request), { ...parts, policy, idempotent: false, deadline });
  } catch (error) {
    failAll(error, lines, onLine);
  }
};

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

  /** Runs again what failed and provably did not run; new results take the place of the old ones. */
  async retryFailed({ mayHaveRun = false, ...more }: RetryFailedOptions = {}): Promise<this> {
    const options = { ...this.#options, ...more };
    assertOptions(options);
    const isRepeatable = (result: AnyResult | undefined): boolean =>
      result !== undefined && !result.ok && (mayHaveRun || result.executed === 'no');
    const items = this.#items
      .map((item, index) => ({ item, index }))
      .filter(({ index }) => isRepeatable(this.results[index]));
    const deadline = new Deadline(options);
    const onEnd = (index: number, end: ItemEnd): void => {
      const { function: name = '', id } = this.#items[index] ?? {};
      this.results[index] = { ...end, index, function: name, id };
    };
    try {
      await run(this.#parts, { items, options, deadline, onEnd });
    } finally {
      deadline.dispose();
    }
    return this;
  }
}

const assertOptions = (options: BatchOptions): void => {
  assertTimeout(options.timeoutMs);
  queryOf(options);
};

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
      await run(parts, { items: all, options, deadline: this.#deadline, onEnd });
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
