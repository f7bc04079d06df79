/**
 * When a queue stands: it has not been empty for as long as `queueTargetMs`, so it is no burst that its workers will have
 * served in a moment. It only makes everybody wait, and a newcomer who would wait for longer than the bound is better told
 * so at once. Pure.
 */

/**
 * A newcomer may always wait for so many calls of each worker, however long they take: among calls of half a second a
 * target of 100 ms would refuse everyone who does not find a free worker, and where the machine stands still for a moment
 * the third in line.
 */
const TURNS = 8;
/** Whoever has waited for so many times what was foreseen was told wrong: the pool has become slower. */
const TOO_LONG = 3;
/** A call that waits twice its time by the estimate will not be served in time. */
const CERTAIN = 2;

export interface Foreseen {
  /** Calls that are served before it. */
  readonly ahead: number;
  /** Those that have workers now. */
  readonly running: number;
  /** How long that takes, ms. */
  readonly waitMs: number;
  /** The same at the usual pace, ms: workers that are busy for longer now may be free at any time. */
  readonly usualMs: number;
  /** How long a call occupies its worker at the usual pace, ms. */
  readonly callMs: number;
}

export class Standing {
  readonly targetMs: number;
  #sinceMs: number | undefined;
  /** Its calls wait for workers to come, not for others. */
  #isAway = false;

  /** `targetMs` 0: no queue ever stands. */
  constructor(targetMs: number) {
    this.targetMs = targetMs;
  }

  /** Somebody waits. */
  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  /** Nobody does. */
  end(): void {
    this.#sinceMs = undefined;
    this.#isAway = false;
  }

  /** The pool sleeps, starts, or cannot be reached: until it serves calls again, no time counts. */
  away(): void {
    this.#isAway = true;
  }

  served(nowMs: number): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#sinceMs = nowMs;
  }

  isStanding(nowMs: number): boolean {
    if (this.targetMs === 0 || this.#isAway || this.#sinceMs === undefined) return false;
    return nowMs - this.#sinceMs >= this.targetMs;
  }

  /** Where the queue stands: the longest that a newcomer may have to wait, ms. */
  boundMs({ callMs }: Pick<Foreseen, 'callMs'>): number {
    return Math.max(this.targetMs, TURNS * callMs);
  }

  refuses(foreseen: Foreseen, nowMs: number): boolean {
    const { ahead, running, waitMs } = foreseen;
    return this.isStanding(nowMs) && waitMs > this.boundMs(foreseen) && ahead > TURNS * running;
  }

  /** For a call that is let in: from then on it has waited for too long, ms. */
  allowanceMs(foreseen: Foreseen): number {
    return TOO_LONG * Math.max(foreseen.waitMs, this.boundMs(foreseen));
  }
}

/** It would be refused later, for certain. */
export const comesTooLate = ({ usualMs }: Foreseen, limitMs: number): boolean => usualMs > CERTAIN * limitMs;
