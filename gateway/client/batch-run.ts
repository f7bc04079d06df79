/** Items as one request: what may be set, and one run of them, the first or a repeat. */
import { failAll, runBatch } from './batch-exchange.ts';
import { type BatchLine, endWithout, type ItemEnd } from './batch-wire.ts';
import { clientError, isCallError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import { encodeInput } from './input.ts';
import { assertTimeout, assertWhole, keyOf, type RetryOptions, type RetryPolicy, retryPolicy } from './options.ts';
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

/** As given, whatever its function. */
export interface AnyItem {
  readonly function: string;
  readonly input?: unknown;
  readonly id?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly idempotencyKey?: string | true | undefined;
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
const lineOf = ({ function: name, input, id, timeoutMs, idempotencyKey }: AnyItem): BatchLine => {
  const body = encodeInput(name, input);
  if (body.kind === 'json') return { name, inputText: body.text, id, timeoutMs, idempotencyKey: keyOf(idempotencyKey) };
  throw clientError('unsendable-input', name, 'Files cannot go in a batch: use client.call() for this one.');
};

/** Items that are run together: which, and what hears of their ends. */
interface Run {
  readonly items: readonly { readonly index: number; readonly item: AnyItem }[];
  readonly options: BatchOptions;
  readonly deadline: Deadline;
  readonly onEnd: (index: number, end: ItemEnd) => void;
}

export const runItems = async (parts: BatchParts, { items, options, deadline, onEnd }: Run): Promise<void> => {
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
    const hasKey = lines.every(({ idempotencyKey }) => idempotencyKey !== undefined);
    await withRetries(() => runBatch(parts.wire, request), { ...parts, policy, idempotent: false, hasKey, deadline });
  } catch (error) {
    failAll(error, lines, onLine);
  }
};

export const assertOptions = (options: BatchOptions): void => {
  assertTimeout(options.timeoutMs);
  queryOf(options);
};
