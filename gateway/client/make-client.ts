/** What stands behind the types of a client: options in order, then one of three ways to the gateway. */
import { Batch } from './batch.ts';
import type { AnyItem, BatchOptions } from './batch-run.ts';
import { Batcher } from './batcher.ts';
import { CallError, isCallError } from './call-error.ts';
import { Deadline } from './deadline.ts';
import { encodeInput } from './input.ts';
import { assertTimeout, batchingLimits, type CallOptions, type ClientOptions, keyOf, retryPolicy } from './options.ts';
import type { Wire } from './request.ts';
import { RetryBudget, withRetries } from './retry.ts';
import { openStream, readStream } from './stream.ts';
import { activeTraceparent } from './trace-context.ts';
import { transportTo } from './transport.ts';
import { type Answer, type Attempt, callAlone } from './whole.ts';

export interface AnyClient {
  call(name: string, input?: unknown, options?: CallOptions): Promise<unknown>;
  tryCall(name: string, input?: unknown, options?: CallOptions): Promise<unknown>;
  stream(name: string, input?: unknown, options?: CallOptions): AsyncGenerator<unknown, void, undefined>;
  batch(items: readonly AnyItem[], options?: BatchOptions): Batch;
  isErrorOf(name: string, error: unknown): boolean;
  close(): void;
}

export const makeClient = (options: ClientOptions): AnyClient => {
  const { headers = {} } = options;
  const transport = transportTo(options.url, options.fetch);
  const wire: Wire = { transport, headers: typeof headers === 'function' ? headers : () => headers };
  const retry = retryPolicy(options.retry);
  const limits = batchingLimits(options.batching);
  const batcher = limits === undefined ? undefined : new Batcher(wire, limits);
  const budget = new RetryBudget();
  assertTimeout(options.timeoutMs);

  /** One call, with everything that is settled before its first attempt. */
  const begin = (name: string, input: unknown, { timeoutMs, signal, ...own }: CallOptions): Attempt => {
    assertTimeout(timeoutMs);
    const idempotencyKey = keyOf(own.idempotencyKey);
    const body = encodeInput(name, input);
    const deadline = new Deadline({ timeoutMs, signal });
    return { name, body, traceparent: activeTraceparent(), idempotencyKey, deadline };
  };

  const repeat = async <T>(
    run: () => Promise<T>,
    { deadline, idempotencyKey }: Attempt,
    own: CallOptions,
  ): Promise<T> =>
    await withRetries(run, {
      policy: retryPolicy(retry, own.retry),
      idempotent: own.idempotent ?? false,
      hasKey: idempotencyKey !== undefined,
      budget,
      deadline,
    });

  const answer = async (name: string, input: unknown, own: CallOptions): Promise<Answer> => {
    const { timeoutMs = options.timeoutMs, ...others } = own;
    const attempt = begin(name, input, timeoutMs === undefined ? others : { ...others, timeoutMs });
    try {
      const isAlone = batcher === undefined || own.batching === false;
      return await repeat(() => (isAlone ? callAlone(wire, attempt) : batcher.call(attempt)), attempt, own);
    } finally {
      attempt.deadline.dispose();
    }
  };

  return {
    call: async (name, input, own = {}) => (await answer(name, input, own)).output,

    tryCall: async (name, input, own = {}) => {
      try {
        return { ok: true, ...(await answer(name, input, own)) };
      } catch (error) {
        if (isCallError(error)) return { ok: false, error };
        throw error;
      }
    },

    stream: async function* (name, input, own = {}) {
      const attempt = begin(name, input, own);
      const { deadline } = attempt;
      try {
        // Only its beginning is repeated: of what came, nothing comes twice.
        const response = await repeat(() => openStream(wire, attempt), attempt, own);
        yield* readStream(name, response, deadline);
      } finally {
        deadline.dispose();
      }
    },

    batch: (items, own = {}) => {
      // A limit for calls is none for all of them together.
      const limited = items.map((item) => ({
        ...item,
        timeoutMs: item.timeoutMs ?? options.timeoutMs,
        idempotencyKey: keyOf(item.idempotencyKey),
      }));
      return new Batch({ wire, budget, retry }, limited, own);
    },

    isErrorOf: (name, error) => error instanceof CallError && error.function === name,

    close: () => transport.close(),
  };
};
