/**
 * What the calls of one function are like, measured: how long they take, and how much of that they compute. From it
 * follow how many may be written ahead to a worker and how many may run at once (`places.ts`).
 */
import type { WorkerUsage } from './envelope.ts';

/** A call behind others waits for all of them: at most this long in the mean, ms. */
export const LINE_MAX_MS = 4;
/**
 * Waking an idle worker costs both sides about as much as this, ms: a call that has no more in front of it goes behind
 * others though a worker is free. On 2 busy cores that was a fifth more empty calls in three rounds of four.
 */
export const WAKE_UP_MS = 0.2;
/** Calls on one worker, the running one included, however short they are. */
export const LINE_MAX_CALLS = 8;
/** A longer call is slow: such calls leave one worker of their pool to shorter ones while there are some. */
export const SLOW_MS = 50;

/** The mean follows the last calls: a single long one among short ones ends writing ahead for dozens of calls. */
const MEAN_OVER = 16;
/** Fewer say little. */
const MEASURED_FROM = 3;

export interface WorkloadStatus {
  readonly calls: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Of one core while it runs: 1 computes all the time, 0 waits. */
  readonly cpuShare: number;
  /** Calls of it that fit on one worker: 1 is one at a time. */
  readonly depth: number;
}

export class Workload {
  /** Of them one worker runs so many at once, by the contract. */
  concurrency = 1;
  #calls = 0;
  #wallMs = 0;
  #cpuMs = 0;
  #waits = 0;
  /** It was seen to work on behind its answer: nothing may stand behind it. */
  #worksOn = false;

  record({ wallMs, cpuMs, waits }: WorkerUsage): void {
    this.#calls += 1;
    const weight = 1 / Math.min(this.#calls, MEAN_OVER);
    this.#wallMs += weight * (wallMs - this.#wallMs);
    this.#cpuMs += weight * (cpuMs - this.#cpuMs);
    this.#waits += weight * (waits - this.#waits);
  }

  /** `fastcgi_finish_request()`: its answer says nothing about its worker. */
  recordWorkingOn(): void {
    this.#worksOn = true;
  }

  get isMeasured(): boolean {
    return this.#calls >= MEASURED_FROM;
  }

  /** Mean of the last calls, ms. */
  get wallMs(): number {
    return this.#wallMs;
  }

  get isSlow(): boolean {
    return this.#wallMs > SLOW_MS;
  }

  /**
   * A call that never gives up the CPU computes, however long it took: beside others it waits for its turn, which its
   * wall time alone does not tell from waiting for a database.
   */
  get cpuShare(): number {
    if (!this.isMeasured) return 0;
    if (this.#waits < 0.5) return 1;
    return this.#wallMs === 0 ? 0 : Math.min(1, this.#cpuMs / this.#wallMs);
  }

  /** Whether others may stand behind it, and it behind others. */
  get isShort(): boolean {
    return this.isMeasured && !this.#worksOn && this.#wallMs <= LINE_MAX_MS / 2;
  }

  get status(): WorkloadStatus {
    const depth = this.isShort ? Math.min(LINE_MAX_CALLS, 1 + Math.floor(LINE_MAX_MS / this.#wallMs)) : 1;
    const round = (value: number): number => Math.round(value * 1000) / 1000;
    return {
      calls: this.#calls,
      wallMs: round(this.#wallMs),
      cpuMs: round(this.#cpuMs),
      cpuShare: round(this.cpuShare),
      depth,
    };
  }
}
