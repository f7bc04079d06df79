/**
 * Whose turn it is. Calls that free the worker of the call they are in go first, the deepest before all others. Then the
 * classes of priority share the workers' time 16 : 4 : 1, in each class its functions share it evenly, and the callers
 * of a function take turns. Who has had least goes next (stride scheduling), so that neither many calls nor long ones
 * get more than their share, and a class or function that comes back has saved nothing up. Pure.
 */
import type { Priority } from '../contract.ts';
import { Heap } from './heap.ts';
import type { CallerKey, Row, Waiter } from './rows.ts';

const WEIGHTS: Readonly<Record<Priority, number>> = { high: 16, normal: 4, low: 1 };
/** A call nobody has measured, ms. */
const UNKNOWN_MS = 1;
/** However short it is, a call has a cost. */
const LEAST_MS = 0.1;

interface Class {
  readonly weight: number;
  readonly rows: Heap<Row>;
  /** What it has had, ms of workers by weight. */
  pass: number;
  /** As much as the row that was served last had had. */
  reached: number;
  /** Calls and rows that wait, those set aside included. */
  calls: number;
  rowsWaiting: number;
}

const isBefore = (one: Row, other: Row): boolean => {
  if (one.rank !== other.rank) return one.rank > other.rank;
  return one.pass === other.pass ? one.since < other.since : one.pass < other.pass;
};

const newClass = (weight: number): Class => ({
  weight,
  rows: new Heap(isBefore),
  pass: 0,
  reached: 0,
  calls: 0,
  rowsWaiting: 0,
});

/** What a call takes of the workers' time, ms. */
const costOf = ({ queue: { workload } }: Row): number =>
  workload.wallMs === 0 ? UNKNOWN_MS : Math.max(LEAST_MS, workload.wallMs / workload.concurrency);

export class Shares {
  /** Those that go first by level. */
  readonly #first = newClass(1);
  readonly #classes: Readonly<Record<Priority, Class>> = {
    high: newClass(WEIGHTS.high),
    normal: newClass(WEIGHTS.normal),
    low: newClass(WEIGHTS.low),
  };
  /** The higher wins where they have had the same. */
  readonly #inTurn = [this.#classes.high, this.#classes.normal, this.#classes.low];
  #reached = 0;
  readonly #aside: Row[] = [];

  #classOf({ rank, queue }: Row): Class {
    return rank > 0 ? this.#first : this.#classes[queue.priority];
  }

  add(waiter: Waiter): void {
    const { row } = waiter;
    const class_ = this.#classOf(row);
    if (class_.calls === 0) class_.pass = Math.max(class_.pass, this.#reached);
    class_.calls += 1;
    if (row.size === 0) {
      row.pass = Math.max(row.pass, class_.reached);
      row.since = waiter.number;
      class_.rowsWaiting += 1;
      class_.rows.push(row);
    }
    row.add(waiter);
  }

  remove(waiter: Waiter): void {
    const { row } = waiter;
    const class_ = this.#classOf(row);
    class_.calls -= 1;
    row.remove(waiter);
    if (row.size > 0) return;
    class_.rowsWaiting -= 1;
    class_.rows.delete(row);
  }

  /** Whose turn it is, but for those set aside. */
  next(): Row | undefined {
    const first = this.#first.rows.first;
    if (first !== undefined) return first;
    let best: Class | undefined;
    for (const class_ of this.#inTurn) {
      if (class_.rows.first !== undefined && (best === undefined || class_.pass < best.pass)) best = class_;
    }
    return best?.rows.first;
  }

  /** Until `restore`: its calls may not run now. */
  setAside(row: Row): void {
    this.#classOf(row).rows.delete(row);
    this.#aside.push(row);
  }

  restore(): void {
    for (const row of this.#aside.splice(0)) if (row.size > 0 && row.heapAt < 0) this.#classOf(row).rows.push(row);
  }

  /** A call of this row has a worker: it is the others' turn. Before it leaves the row. */
  served(row: Row): void {
    row.passTurn();
    if (row.rank > 0) return;
    const class_ = this.#classOf(row);
    const cost = costOf(row);
    this.#reached = Math.max(this.#reached, class_.pass);
    class_.pass += cost / class_.weight;
    class_.reached = Math.max(class_.reached, row.pass);
    class_.rows.delete(row);
    row.pass += cost;
    class_.rows.push(row);
  }

  /** Calls that are served before a newcomer of this caller, at most; undefined: one that has none here yet. */
  ahead(row: Row | undefined, priority: Priority, key: CallerKey | undefined): number {
    const own = this.#classes[priority];
    const inRow = row?.ahead(key) ?? 0;
    const others = own.rowsWaiting - (row === undefined || row.size === 0 ? 0 : 1);
    const inClass = Math.min(own.calls, inRow + others * (inRow + 1));
    let ahead = this.#first.calls + inClass;
    for (const class_ of this.#inTurn) {
      if (class_ !== own && class_.calls > 0)
        ahead += Math.min(class_.calls, Math.ceil(((inClass + 1) * class_.weight) / own.weight));
    }
    return ahead;
  }
}
