/** Whether and when an attempt is repeated: the only place that decides it. Pure but for the budget's count. */
import type { GatewayError } from '../errors.ts';
import type { GatewayFunction } from './function.ts';

/**
 * Retries are at most a fifth of the calls, so that a pool that is down is not hit harder by them (row 37 of the
 * fault catalogue). A few are always allowed, else the first failures of a quiet hour could not be retried.
 */
export class RetryBudget {
  static readonly #perCall = 0.2;
  static readonly #max = 10;
  #tokens = 3;

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

export interface RetryQuestion {
  readonly error: GatewayError;
  readonly fn: Pick<GatewayFunction, 'idempotent' | 'retry'>;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly remainingMs: number;
  /** 0 to 1. */
  readonly random: number;
}

/** Codes that another worker may not meet again. The rest are answers: of the caller's, the function's or the load's. */
const WORTH_ANOTHER = new Set(['worker-crashed', 'pool-unavailable', 'bad-function-response']);

/**
 * The first repeat of what provably did not run waits for nothing and costs nothing: a kept connection that had gone
 * stale says nothing about the pool, and PHP had no work with it.
 */
export const isFreeRetry = (error: GatewayError, attempt: number): boolean => error.executed === 'no' && attempt === 1;

/** Full-jitter backoff in ms; undefined: do not retry. */
export const retryDelayMs = ({ error, fn, attempt, remainingMs, random }: RetryQuestion): number | undefined => {
  if (!WORTH_ANOTHER.has(error.code) || attempt >= fn.retry.attempts) return undefined;
  const safe = error.executed === 'no' || fn.idempotent;
  if (!safe) return undefined;
  const ceilingMs = Math.min(fn.retry.maxMs, fn.retry.baseMs * 2 ** (attempt - 1));
  const delayMs = isFreeRetry(error, attempt) ? 0 : random * ceilingMs;
  return delayMs < remainingMs ? delayMs : undefined;
};
