/**
 * One concurrent worker and its calls, which run beside each other and end in any order. What is late is told so, and
 * ends at its next wait; a worker that does not come back to its loop is blocked, and is ended with all of them.
 */
import { DueTimer } from './due-timer.ts';
import type { LineCall, LineOptions, Place, WorkerLine } from './line.ts';
import { stopWorker, type Worker } from './worker.ts';

/**
 * At its time limit a call that waits ends by itself: what it then says of itself (logs, what it left behind, that it ran) is
 * worth this wait. Only one that computes, or blocks, says nothing.
 */
const LAST_WORD_MS = 100;
/** A late call has this long to end, and a worker to answer: then it is blocked. */
const BLOCKED_AFTER_MS = 1000;
/** Shares of a worker, such as thirds, do not come out even. */
const ROUNDING = 1e-9;

export class ConcurrentLine implements WorkerLine {
  readonly worker: Worker;
  readonly isConcurrent = true;
  sinceMs = performance.now();
  readonly #options: LineOptions;
  /** Written and unanswered → when its time is up, on the `performance.now()` clock. */
  readonly #calls = new Map<LineCall, number>();
  #places = 0;
  /** Of this worker, what calls from outside take, and what those take that others wait for. */
  #taken = 0;
  #takenByAwaited = 0;
  #retired = false;
  /** It has refused a call for want of memory, and none has ended since. */
  #full = false;
  readonly #due = new DueTimer(() => this.#enforce());
  #checking = false;

  constructor(worker: Worker, options: LineOptions) {
    this.worker = worker;
    this.#options = options;
  }

  get usable(): boolean {
    return this.worker.connection.usable;
  }

  get places(): number {
    return this.#places;
  }

  get isServing(): boolean {
    return this.#calls.size > 0;
  }

  isRunning(): boolean {
    return true;
  }

  /**
   * What is left of it for such a call; less than 0: there is no place. Calls that others wait for have as much again:
   * those that wait must not keep them from what they wait for.
   */
  roomFor({ workerShare, awaited }: Pick<Place, 'workerShare' | 'awaited'>): number {
    if (this.#retired || this.#full || !this.usable) return -1;
    const room = 1 - (awaited ? this.#takenByAwaited : this.#taken) - workerShare;
    return room > -ROUNDING ? Math.max(0, room) : -1;
  }

  join({ workerShare, awaited }: Place): void {
    this.#places += 1;
    if (awaited) this.#takenByAwaited += workerShare;
    else this.#taken += workerShare;
  }

  leave({ workerShare, awaited }: Place): boolean {
    this.#places -= 1;
    if (awaited) this.#takenByAwaited -= workerShare;
    else this.#taken -= workerShare;
    if (this.#places > 0) return false;
    this.#taken = 0;
    this.#takenByAwaited = 0;
    this.sinceMs = performance.now();
    return true;
  }

  begin(call: LineCall): void {
    const endsAtMs = Math.min(performance.now() + call.timeLimitMs, call.givesUpAtMs) + LAST_WORD_MS;
    this.#calls.set(call, endsAtMs);
    this.#due.watch(endsAtMs);
  }

  end(call: LineCall, refused: boolean): void {
    this.#calls.delete(call);
    // With nothing beside it a worker begins whatever comes.
    this.#full = refused && this.#calls.size > 0;
  }

  /** Told to the worker itself. */
  unwanted(): void {}

  keepOthersAway(): void {
    this.#retired = true;
  }

  destroy(): void {
    this.#due.stop();
    this.worker.connection.destroy();
  }

  #enforce(): void {
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [call, endsAtMs] of this.#calls) {
      if (endsAtMs > nowMs) {
        nextMs = Math.min(nextMs, endsAtMs);
        continue;
      }
      if (!call.late) call.giveUp(true);
      const blockedAtMs = endsAtMs + BLOCKED_AFTER_MS;
      if (blockedAtMs > nowMs) nextMs = Math.min(nextMs, blockedAtMs);
      else if (!this.#checking) void this.#check();
    }
    this.#due.watch(nextMs);
  }

  /** Alive, it answers between two waits of its calls. */
  async #check(): Promise<void> {
    this.#checking = true;
    const timer = setTimeout(() => this.#end(), BLOCKED_AFTER_MS).unref();
    const answer = await this.worker.connection.ping();
    // Without one the connection has ended, or cannot be asked any more.
    if (answer !== undefined || !this.isServing) clearTimeout(timer);
    this.#checking = false;
    // Its calls may be ending just now; what is late still is looked at again.
    if (this.isServing) this.#due.watch(performance.now() + BLOCKED_AFTER_MS);
  }

  #end(): void {
    const { log } = this.#options;
    const stopped = stopWorker(this.worker);
    const why = 'a call ran past its time limit without waiting for anything, and all others of the worker with it';
    log.warn({ pid: this.worker.facts.pid, calls: this.#calls.size, stopped }, `worker stopped: ${why}`);
    // Of a worker that cannot be stopped from here nothing more is expected.
    if (!stopped) this.destroy();
  }
}
