/** Whether and when an attempt is repeated: the only place that decides it. Pure but for the budgets' counts. */
import type { GatewayError } from '../errors.ts';
import type { GatewayFunction } from './function.ts';

/** Tokens are counted in fifths: five times 0.2 is not 1. */
const PER_CALL = 1;
const PER_RETRY = 5;
const TOKENS_MAX = 10 * PER_RETRY;
/** Else the first failures of a quiet hour could not be retried. */
const ADVANCE = 3 * PER_RETRY;

/**
 * Retries are at most a fifth of the calls, so that a pool that is down is not hit harder by them (row 37 of the fault
 * catalogue). Three are lent at first, and paid back by the first 15 calls: from then on it holds exactly.
 */
export class RetryBudget {
  #tokens = ADVANCE;
  #owed = ADVANCE;

  /** Each call pays in. */
  deposit(): void {
    if (this.#owed > 0) this.#owed -= PER_CALL;
    else if (this.#tokens < TOKENS_MAX) this.#tokens += PER_CALL;
  }

  /** False when it is empty. */
  withdraw(): boolean {
    if (this.#tokens < PER_RETRY) return false;
    this.#tokens -= PER_RETRY;
    return true;
  }
}

/**
 * Of a pool: repeats that cost its functions nothing, because they are our own doing: a kept connection had gone stale,
 * or a call had been put behind another one. The pool earns them by answers, as many as it has workers at most, so that
 * one that has stopped answering gets no more than these once, and not a second attempt for every call.
 */
export class FreeRepeats {
  readonly #max: number;
  #left = 0;
  #movedSince = 0;

  /** `workers`: that the pool may have. */
  constructor(workers: number) {
    this.#max = workers;
  }

  /** A worker has answered a call. */
  answered(): void {
    if (this.#left < this.#max) this.#left += 1;
    this.#movedSince = 0;
  }

  /** False when none is left. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** A call moves to another worker, because the one it stood behind took theirs with it. */
  moved(): void {
    this.#movedSince += 1;
  }

  /** False: so many have had to move since the last answer that each gets a worker for itself. */
  get mayShare(): boolean {
    return this.#movedSince < this.#max;
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
 * The first repeat of what provably did not run waits for nothing, and costs nothing while the pool has free repeats: a
 * kept connection that had gone stale says nothing about the pool, and PHP had no work with it.
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
