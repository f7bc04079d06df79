/** Whether and when a call is repeated by the client: the only place that decides it. */
import { CallError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import type { RetryPolicy } from './options.ts';

/**
 * Repeats are at most a fifth of a client's calls: a gateway that is down is not to be hit harder by them. A few are
 * always there, else the first failures of a quiet hour could not be repeated.
 */
export class RetryBudget {
  static readonly #perCall = 0.2;
  static readonly #max = 10;
  #tokens = RetryBudget.#max;

  /** Each call pays in. */
  deposit(): void {
    this.#tokens = Math.min(RetryBudget.#max, this.#tokens + RetryBudget.#perCall);
  }

  /** False when it is empty. */
  withdraw(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** A gateway that asks for more is not waited for: the caller is told when to come back. */
const RETRY_AFTER_MAX_MS = 30_000;

/** Of those that may have run: what another attempt may not meet again. */
const WORTH_ANOTHER = new Set(['network-failed', 'worker-crashed', 'cut-off']);

/** With a key also of those that may have run: they get the answer there is. An answer that is kept comes again. */
const WITH_KEY = new Set(['network-failed', 'cut-off', 'idempotency-in-flight']);

/** Whether it does no harm to send it again, and may be of use. */
export const isRepeatable = (error: CallError, { idempotent, hasKey }: { idempotent: boolean; hasKey: boolean }) => {
  if (error.executed === 'no') return error.retryable;
  return hasKey ? WITH_KEY.has(error.code) : idempotent && WORTH_ANOTHER.has(error.code);
};

export interface RetryQuestion {
  readonly error: CallError;
  readonly policy: RetryPolicy;
  readonly idempotent: boolean;
  /** It has an Idempotency-Key. */
  readonly hasKey: boolean;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly remainingMs: number | undefined;
  /** 0 to 1. */
  readonly random: number;
}

/** Full jitter, never before the gateway's Retry-After; undefined: do not repeat. */
export const retryDelayMs = (question: RetryQuestion): number | undefined => {
  const { error, policy, attempt, remainingMs, random } = question;
  if (attempt >= policy.attempts) return undefined;
  const { retryAfterMs = 0 } = error;
  if (!isRepeatable(error, question) || retryAfterMs > RETRY_AFTER_MAX_MS) return undefined;
  const delayMs = Math.max(retryAfterMs, random * Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1)));
  return remainingMs === undefined || delayMs < remainingMs ? delayMs : undefined;
};

/** False when the deadline came first. */
const wait = async (ms: number, { signal }: Deadline): Promise<boolean> => {
  if (signal.aborted) return false;
  return await new Promise((resolve) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
};

/** What is known of execution never gets less: an earlier attempt may have run. */
const afterAttempts = (error: CallError, mayHaveRun: boolean): CallError =>
  mayHaveRun && error.executed === 'no' ? error.with({ executed: 'unknown', retryable: false }) : error;

export interface Retries {
  readonly policy: RetryPolicy;
  readonly idempotent: boolean;
  readonly hasKey: boolean;
  readonly budget: RetryBudget;
  readonly deadline: Deadline;
}

export const withRetries = async <T>(run: () => Promise<T>, retries: Retries): Promise<T> => {
  const { policy, idempotent, hasKey, budget, deadline } = retries;
  budget.deposit();
  let mayHaveRun = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (thrown) {
      if (!(thrown instanceof CallError)) throw thrown;
      const error = afterAttempts(thrown, mayHaveRun);
      mayHaveRun ||= thrown.executed !== 'no';
      const remainingMs = deadline.remainingMs();
      const question = { policy, idempotent, hasKey, attempt, remainingMs, random: Math.random() };
      const delayMs = retryDelayMs({ ...question, error: thrown });
      if (delayMs === undefined || !budget.withdraw()) throw error;
      if (!(await wait(delayMs, deadline))) throw deadline.failure(error.function, mayHaveRun) ?? error;
    }
  }
};
