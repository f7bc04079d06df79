/** What became of the masters of one pool, for its status: kept while it sleeps and wakes. */

export const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;
/**
 * One that has served for so long starts, whatever ends it then: making callers wait for the next would help nobody, and
 * one start a second costs little. The delays that grow are for those that do not start, or end at once.
 */
const HEALTHY_MS = 1000;

/** Before the next master starts, where `delayMs` was due after the one that lived for `livedMs`. Pure. */
export const restartDelayMs = (livedMs: number, delayMs: number): number =>
  livedMs >= HEALTHY_MS ? RESTART_FIRST_MS : Math.min(RESTART_MAX_MS, delayMs);

export interface RestartsStatus {
  /** Masters that took the place of others since the gateway's start. */
  readonly count: number;
  /** ISO 8601. */
  readonly lastAt: string | undefined;
  /** Why the last of them was needed. */
  readonly why: string | undefined;
  /** When one that is missing is tried next, ISO 8601; undefined: none is missing, or it starts now. */
  readonly nextAt: string | undefined;
}

export class Restarts {
  #count = 0;
  #lastAtMs: number | undefined;
  #why: string | undefined;
  #nextAtMs: number | undefined;
  /** Workers that outlived their master and were ended. */
  orphans = 0;

  get status(): RestartsStatus {
    return { count: this.#count, lastAt: iso(this.#lastAtMs), why: this.#why, nextAt: iso(this.#nextAtMs) };
  }

  planned(delayMs: number): void {
    this.#nextAtMs = Date.now() + delayMs;
  }

  /** The one that was planned starts, or is not wanted any more. */
  begun(): void {
    this.#nextAtMs = undefined;
  }

  done(why: string): void {
    this.#count += 1;
    this.#lastAtMs = Date.now();
    this.#why = why;
  }
}

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());
