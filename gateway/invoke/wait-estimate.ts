/** How long those who wait for a pool will, from how fast it served others who waited. Pure. */

/** The mean follows the last calls: workers come and go, and so do slow calls. */
const MEAN_OVER = 32;
/** Fewer say little. */
const MEASURED_FROM = 8;

export class WaitEstimate {
  /** Mean time from one call that got its worker from the queue to the next, ms. */
  #intervalMs = 0;
  #measured = 0;
  /** When one got a worker, or the queue began. */
  #lastMs = 0;
  #served = 0;

  get isMeasured(): boolean {
    return this.#measured >= MEASURED_FROM;
  }

  /** Nobody waited until now. */
  begin(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#served = 0;
    // An earlier queue says less of this one than what is measured now.
    this.#measured = Math.min(this.#measured, MEASURED_FROM);
  }

  /** One of those who wait got a worker. */
  served(nowMs: number): void {
    const tookMs = nowMs - this.#lastMs;
    if (this.#served > 0) this.#measure(tookMs);
    // The first of a queue waited for a part of a call: its worker was in the middle of it. Where even twice that is
    // quicker than the pace of before, it counts: else nobody would be let in behind the first, to be measured.
    else if (this.isMeasured && 2 * tookMs < this.#intervalMs) this.#measure(2 * tookMs);
    this.#served += 1;
    this.#lastMs = nowMs;
  }

  #measure(tookMs: number): void {
    this.#measured += 1;
    this.#intervalMs += (tookMs - this.#intervalMs) / Math.min(this.#measured, MEAN_OVER);
  }

  /** For so many to be served at the usual pace, ms. */
  usualMs(calls: number): number {
    return calls * this.#intervalMs;
  }

  /**
   * For so many to be served, ms. Where nobody has been served for longer than usual, the pace is at most that of one
   * call for each of the `running` in this time: workers that hang are measured only when they end.
   */
  waitMs(calls: number, running: number, nowMs: number): number {
    return calls * Math.max(this.#intervalMs, (nowMs - this.#lastMs) / Math.max(1, running));
  }
}
