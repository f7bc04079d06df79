/** All who wait for one pool: in whose turn, until when, and how long a newcomer would. */
import type { GatewayFunction } from './function.ts';
import { Heap } from './heap.ts';
import { InOrder } from './in-order.ts';
import { Largest } from './largest.ts';
import type { CallerKey, FunctionQueue, Row, Waiter } from './rows.ts';
import { Shares } from './shares.ts';
import { type Foreseen, Standing } from './standing.ts';
import { WaitEstimate } from './wait-estimate.ts';

export class WaitQueue {
  readonly shares = new Shares();
  readonly standing: Standing;
  /** Calls that have workers. */
  running = 0;
  readonly #estimate = new WaitEstimate();
  readonly #byDue = new Heap<Waiter>((one, other) => one.dueMs < other.dueMs);
  /** Those that a standing queue is about. */
  readonly #plain = new InOrder<Waiter>();
  /** Which function has most calls, but for those that others wait for. */
  readonly #largest = new Largest<Row>();
  /** How many calls that a worker runs so many of at once. */
  readonly #byConcurrency = new Map<number, number>();
  #awaited = 0;
  /** The longest that anyone may wait who came since the queue began, ms. */
  #limitMs = 0;

  constructor(targetMs: number) {
    this.standing = new Standing(targetMs);
  }

  get size(): number {
    return this.#byDue.items.length;
  }

  /** Of them those that others wait for. */
  get awaited(): number {
    return this.#awaited;
  }

  get all(): readonly Waiter[] {
    return this.#byDue.items;
  }

  get nextDue(): Waiter | undefined {
    return this.#byDue.first;
  }

  add(waiter: Waiter, nowMs: number): void {
    const { row } = waiter;
    if (this.size === 0) {
      this.#estimate.begin(nowMs);
      this.#limitMs = 0;
    }
    this.#limitMs = Math.max(this.#limitMs, waiter.limitMs);
    this.#byDue.push(waiter);
    this.shares.add(waiter);
    this.#count(row, 1);
    if (!waiter.isPlain) return;
    waiter.placeOfAll = this.#plain.push(waiter);
    this.standing.begin(nowMs);
  }

  remove(waiter: Waiter): void {
    this.#byDue.delete(waiter);
    this.shares.remove(waiter);
    this.#count(waiter.row, -1);
    if (waiter.placeOfAll === undefined) return;
    this.#plain.remove(waiter.placeOfAll);
    waiter.placeOfAll = undefined;
    if (this.#plain.size === 0) this.standing.end();
  }

  #count(row: Row, by: 1 | -1): void {
    const { queue, awaited } = row;
    queue.waiting += by;
    queue.inside += by;
    const { concurrency } = queue.workload;
    this.#byConcurrency.set(concurrency, (this.#byConcurrency.get(concurrency) ?? 0) + by);
    if (awaited) this.#awaited += by;
    else this.#largest.changed(row, row.size - by, row.size);
  }

  /** This one has a worker, before it leaves. */
  served({ row }: Waiter, nowMs: number): void {
    this.shares.served(row);
    this.#estimate.served(nowMs);
    this.standing.served(nowMs);
  }

  /** It came first of all that have waited for far longer than was foreseen; undefined: none has. */
  tooOld(nowMs: number): Waiter | undefined {
    const { first } = this.#plain;
    return first !== undefined && first.oldAtMs <= nowMs && this.standing.isStanding(nowMs) ? first : undefined;
  }

  /** The newest call of the caller with most calls, of the function with most. */
  get mostlyOf(): Waiter | undefined {
    return this.#largest.one?.mostlyOf;
  }

  /** Workers that those who wait would fill: of concurrent ones each takes many. */
  get workers(): number {
    let workers = 0;
    for (const [concurrency, calls] of this.#byConcurrency) workers += calls / concurrency;
    // Sums of shares, such as thirds, do not come out even.
    return Math.max(0, Math.ceil(workers - 1e-9));
  }

  /** What awaits a newcomer; undefined: nothing is known. */
  foresee(
    fn: Pick<GatewayFunction, 'priority'>,
    { rows }: FunctionQueue,
    key: CallerKey | undefined,
    nowMs: number,
  ): Foreseen | undefined {
    if (!this.#estimate.isMeasured) return undefined;
    const ahead = this.size === 0 ? 0 : this.shares.ahead(rows[0], fn.priority, key);
    const { running } = this;
    const waitMs = this.#estimate.waitMs(ahead, running, nowMs);
    const usualMs = this.#estimate.usualMs(ahead);
    // So many calls at once that end in turn: each takes as many turns.
    return { ahead, running, waitMs, usualMs, callMs: this.#estimate.usualMs(Math.max(1, running)) };
  }

  /** Until all who wait now are served, or have waited for as long as they may, ms; undefined: nothing is known. */
  drainMs(nowMs: number): number | undefined {
    if (!this.#estimate.isMeasured) return undefined;
    const servedMs = this.#estimate.waitMs(Math.max(1, this.size), this.running, nowMs);
    // Workers that hang: by the estimate it would be many minutes.
    return this.size === 0 ? servedMs : Math.min(servedMs, this.#limitMs);
  }
}
