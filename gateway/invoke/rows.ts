/** The calls that wait for a pool, in rows: one for each function, in it a line for each caller. */
import type { Caller, LeaveListener } from '../caller.ts';
import type { Priority } from '../contract.ts';
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Workload } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';
import type { InHeap } from './heap.ts';
import { InOrder, type Place } from './in-order.ts';
import { Largest } from './largest.ts';
import type { OpenCall, Stuck } from './nesting.ts';

/** With whom a call shares its turns. A batch is one of its own. */
export type CallerKey = string | object;

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'inFlightMax' | 'priority'>;
  /** How long it may wait, ms. */
  readonly queueTimeoutMs: number;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  /** It may stand behind others on a worker. */
  readonly mayShare: boolean;
  readonly caller: Caller;
  readonly callerKey: CallerKey;
  /** It holds itself back, and may wait for as long as it says however long the queue stands. */
  readonly isPatient: boolean;
  readonly call: OpenCall;
}

/** Who lets them wait. */
interface WaiterOwner {
  giveUp(waiter: Waiter, error: GatewayError): void;
  rescue(waiter: Waiter): void;
}

export interface WaiterFacts {
  readonly number: number;
  readonly entry: Entry;
  readonly row: Row;
  readonly atMs: number;
  /** How long it may wait before it has waited for too long, ms. */
  readonly allowanceMs: number;
}

/** A call that waits. There may be thousands: no closures, signals and timers of their own. */
export class Waiter implements LeaveListener, Stuck, InHeap {
  /** The order of arrival in the pool. */
  readonly number: number;
  readonly entry: Entry;
  readonly row: Row;
  readonly limitMs: number;
  /** When its time is up, on the `performance.now()` clock. */
  readonly dueMs: number;
  /** When it has waited for so long that something must be wrong, on that clock. */
  readonly oldAtMs: number;
  readonly grant: (slot: Slot) => void;
  readonly refuse: (error: GatewayError) => void;
  heapAt = -1;
  /** In the line of its caller. */
  place: Place<Waiter> | undefined;
  /** Among all that a standing queue is about. */
  placeOfAll: Place<Waiter> | undefined;
  readonly #owner: WaiterOwner;

  constructor(
    owner: WaiterOwner,
    { number, entry, row, atMs, allowanceMs }: WaiterFacts,
    { resolve, reject }: { resolve: (slot: Slot) => void; reject: (error: GatewayError) => void },
  ) {
    this.#owner = owner;
    this.number = number;
    this.entry = entry;
    this.row = row;
    this.limitMs = Math.min(entry.queueTimeoutMs, entry.remainingMs);
    this.dueMs = atMs + this.limitMs;
    this.oldAtMs = atMs + allowanceMs;
    this.grant = resolve;
    this.refuse = reject;
  }

  /** Calls that others wait for, and those that hold themselves back, are no matter of a queue that stands. */
  get isPlain(): boolean {
    return !this.row.awaited && !this.entry.isPatient;
  }

  callerLeft(): void {
    this.#owner.giveUp(this, new GatewayError('client-closed', 'The caller left while the call waited.'));
  }

  rescue(): void {
    this.#owner.rescue(this);
  }
}

/** What one function has here. */
export interface FunctionQueue {
  readonly name: string;
  readonly workload: Workload;
  priority: Priority;
  /** Calls from their entry until their worker is free. */
  inside: number;
  waiting: number;
  /** Calls that were refused since the start, but for those whose caller left. */
  refused: number;
  /** Those that nobody with a worker waits for, those in their turn that somebody waits for, those that go first by level. */
  readonly rows: Row[];
}

/** Calls of one caller in a row, in order of arrival. */
interface Line {
  readonly waiters: InOrder<Waiter>;
  /** Among the lines that take turns. */
  place: Place<Line> | undefined;
}

/** Calls of one function that wait and may do the same: its callers take turns. */
export class Row implements InHeap {
  readonly queue: FunctionQueue;
  /** Calls that have a worker wait for them. */
  readonly awaited: boolean;
  /** The higher goes first; 0: in turn. */
  readonly rank: number;
  /** What it has had of the workers, as `Shares` counts it. */
  pass = 0;
  /** The number of the call with which it began to wait. */
  since = 0;
  size = 0;
  heapAt = -1;
  readonly #lines = new Map<CallerKey, Line>();
  readonly #turns = new InOrder<Line>();
  readonly #largest = new Largest<Line>();

  constructor(queue: FunctionQueue, awaited: boolean, rank: number) {
    this.queue = queue;
    this.awaited = awaited;
    this.rank = rank;
  }

  add(waiter: Waiter): void {
    const key = waiter.entry.callerKey;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { waiters: new InOrder(), place: undefined };
      line.place = this.#turns.push(line);
      this.#lines.set(key, line);
    }
    waiter.place = line.waiters.push(waiter);
    this.size += 1;
    this.#largest.changed(line, line.waiters.size - 1, line.waiters.size);
  }

  remove(waiter: Waiter): void {
    const key = waiter.entry.callerKey;
    const line = this.#lines.get(key);
    if (line === undefined || waiter.place === undefined) return;
    line.waiters.remove(waiter.place);
    waiter.place = undefined;
    this.size -= 1;
    this.#largest.changed(line, line.waiters.size + 1, line.waiters.size);
    if (line.waiters.size > 0) return;
    this.#lines.delete(key);
    if (line.place !== undefined) this.#turns.remove(line.place);
  }

  /** Of the caller whose turn it is. */
  next(newestFirst: boolean): Waiter | undefined {
    const waiters = this.#turns.first?.waiters;
    return newestFirst ? waiters?.last : waiters?.first;
  }

  /** The others have their turn before that caller has another. */
  passTurn(): void {
    const line = this.#turns.first;
    if (line?.place === undefined || this.#turns.size === 1) return;
    this.#turns.remove(line.place);
    line.place = this.#turns.push(line);
  }

  /** The newest of the caller with most. */
  get mostlyOf(): Waiter | undefined {
    return this.#largest.one?.waiters.last;
  }

  /** Calls of this row that are served before a newcomer of this caller; undefined: one that has none here. */
  ahead(key: CallerKey | undefined): number {
    const line = key === undefined ? undefined : this.#lines.get(key);
    const own = line?.waiters.size ?? 0;
    const others = this.#turns.size - (line === undefined ? 0 : 1);
    return Math.min(this.size, own + others * (own + 1));
  }
}

export const rowOf = (queue: FunctionQueue, call: OpenCall): Row => {
  const awaited = call.level > 0;
  const rank = call.claimFirst() ? call.level : 0;
  const at = awaited ? 1 + rank : 0;
  let row = queue.rows[at];
  if (row === undefined) {
    row = new Row(queue, awaited, rank);
    queue.rows[at] = row;
  }
  return row;
};
