/** Watches the load of one pool that is awake, and gives it the workers it needs. At rest it is one timer, far away. */
import { decide, GROW_AFTER_MS, type Load, type Pace } from './scaling.ts';
import type { ScalingSteps } from './scaling-steps.ts';

/** Workers that can be made more or fewer. */
export interface Scalable {
  /** That there may be now. */
  readonly workers: number;
  /** Of them those that are being started. */
  readonly starting: number;
  /** Why the last worker that was to start did not, while one is missing; undefined: none is, or has failed. */
  readonly failure: unknown;
  /** Calls have workers. */
  readonly isBusy: boolean;
  /** When the one became idle that is so for longest, on the `performance.now()` clock; undefined: none is. */
  readonly idleSinceMs: number | undefined;
  /** When the last call on one of its workers ended. */
  readonly usedMs: number;
  resize(workers: number): void;
}

export interface ScalingWatchOptions {
  readonly part: Scalable;
  readonly pace: Pace;
  readonly steps: ScalingSteps;
  /** Nobody has called it for long enough. */
  readonly onUnused: (reason: string) => void;
}

export class ScalingWatch {
  readonly #options: ScalingWatchOptions;
  #waiting = 0;
  #wanted = 0;
  #waitingSinceMs = 0;
  #turnedAway = false;
  #steppedMs = performance.now();
  #usedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ScalingWatchOptions) {
    this.#options = options;
    this.#look();
  }

  /**
   * So many calls wait, and would fill so many workers: told whenever one more does, or a worker that became free was
   * not enough.
   */
  lack(calls: number, workers: number): void {
    this.#wanted = workers;
    const changes = this.#waiting === 0 ? calls > 0 : calls === 0;
    this.#waiting = calls;
    if (!changes) return;
    this.#waitingSinceMs = performance.now();
    // Also when the last has gone: the time for which it was not to look again was theirs.
    this.#look();
  }

  /** One that lacks a worker could not wait for it, if only for the time after which there would be more. */
  turnedAway(): void {
    const { part, pace } = this.#options;
    // In an overload there are many of them.
    if (part.workers >= pace.size.maxWorkers || performance.now() - this.#steppedMs < GROW_AFTER_MS) return;
    this.#turnedAway = true;
    this.#look();
    this.#turnedAway = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const { part, pace, steps, onUnused } = this.#options;
    const verdict = decide(this.#load(), pace);
    if (verdict.kind === 'sleep') {
      onUnused(verdict.reason);
      return;
    }
    // Behind a step there is always another look: it tells when the next may be due.
    const againMs = verdict.kind === 'stay' ? verdict.againMs : 1;
    if (againMs < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#look(), againMs).unref();
    if (verdict.kind === 'stay') return;
    this.#steppedMs = performance.now();
    this.#waitingSinceMs = this.#steppedMs;
    steps.add(part.workers, verdict.workers, verdict.reason);
    part.resize(verdict.workers);
  }

  #load(): Load {
    const { workers, starting, failure, isBusy, idleSinceMs, usedMs } = this.#options.part;
    const nowMs = performance.now();
    this.#usedMs = isBusy ? nowMs : Math.max(this.#usedMs, usedMs);
    // One that is neither idle nor busy is not there: it is missed by nobody.
    const spareSinceMs = idleSinceMs ?? (isBusy ? nowMs : this.#steppedMs);
    return {
      workers,
      starting,
      fails: failure !== undefined,
      waiting: this.#waiting,
      wanted: this.#wanted,
      turnedAway: this.#turnedAway,
      waitedMs: nowMs - this.#waitingSinceMs,
      isBusy,
      spareMs: nowMs - spareSinceMs,
      sinceStepMs: nowMs - this.#steppedMs,
      unusedMs: nowMs - this.#usedMs,
    };
  }
}
