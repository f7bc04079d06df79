/** Watches the load of one pool that is awake, and gives it the workers it needs. At rest it is one timer, far away. */
import { decide, type Load, type Pace } from './scaling.ts';
import type { ScalingSteps } from './scaling-steps.ts';

/** When idle workers became so, on the `performance.now()` clock. */
export interface IdleSince {
  readonly firstMs: number;
  readonly lastMs: number;
}

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
  /** Undefined: none is idle. */
  readonly idleSince: IdleSince | undefined;
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
  #waitingSinceMs = 0;
  #steppedMs = performance.now();
  #usedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ScalingWatchOptions) {
    this.#options = options;
    this.#look();
  }

  /** So many calls wait for a worker: told whenever one more does, or a worker that became free was not enough. */
  lack(calls: number): void {
    const begins = this.#waiting === 0 && calls > 0;
    this.#waiting = calls;
    if (!begins) return;
    this.#waitingSinceMs = performance.now();
    this.#look();
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
    const { workers, starting, failure, isBusy, idleSince } = this.#options.part;
    const nowMs = performance.now();
    this.#usedMs = isBusy ? nowMs : Math.max(this.#usedMs, idleSince?.lastMs ?? 0);
    // One that is neither idle nor busy is not there: it is missed by nobody.
    const spareSinceMs = idleSince?.firstMs ?? (isBusy ? nowMs : this.#steppedMs);
    return {
      workers,
      starting,
      fails: failure !== undefined,
      waiting: this.#waiting,
      waitedMs: nowMs - this.#waitingSinceMs,
      isBusy,
      spareMs: nowMs - spareSinceMs,
      sinceStepMs: nowMs - this.#steppedMs,
      unusedMs: nowMs - this.#usedMs,
    };
  }
}
