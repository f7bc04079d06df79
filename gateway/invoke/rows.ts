/** The calls that wait for a pool, in rows: who of them is next. */
import type { Caller, LeaveListener } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Workload } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';
import type { OpenCall, Stuck } from './nesting.ts';

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'inFlightMax'>;
  /** How long it may wait, ms. */
  readonly queueTimeoutMs: number;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  /** It may stand behind others on a worker. */
  readonly mayShare: boolean;
  readonly caller: Caller;
  readonly call: OpenCall;
}

/** Sums of shares, such as thirds, do not come out even. */
const ROUNDING = 1e-9;

/** Who lets them wait. */
interface WaiterOwner {
  giveUp(waiter: Waiter, error: GatewayError): void;
  rescue(waiter: Waiter): void;
}

/** A call that waits. There may be thousands: no closures, signals and timers of their own. */
export class Waiter implements LeaveListener, Stuck {
  /** The order of arrival in the pool. */
  readonly number: number;
  readonly entry: Entry;
  readonly row: Row;
  readonly limitMs: number;
  /** When its time is up, on the `performance.now()` clock. */
  readonly dueMs: number;
  readonly grant: (slot: Slot) => void;
  readonly refuse: (error: GatewayError) => void;
  readonly #owner: WaiterOwner;

  constructor(
    owner: WaiterOwner,
    { number, entry, row }: { number: number; entry: Entry; row: Row },
    { resolve, reject }: { resolve: (slot: Slot) => void; reject: (error: GatewayError) => void },
  ) {
    this.#owner = owner;
    this.number = number;
    this.entry = entry;
    this.row = row;
    this.limitMs = Math.min(entry.queueTimeoutMs, entry.remainingMs);
    this.dueMs = performance.now() + this.limitMs;
    this.grant = resolve;
    this.refuse = reject;
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
  /** Calls from their entry until their worker is free. */
  inside: number;
  waiting: number;
  /** Those that nobody with a worker waits for, those in their turn that somebody waits for, those that go first by level. */
  readonly rows: Row[];
}

/** Calls of one function that wait and may do the same. */
export interface Row {
  readonly queue: FunctionQueue;
  /** Calls that have a worker wait for them. */
  readonly awaited: boolean;
  /** The higher goes first; 0: in turn. */
  readonly rank: number;
  /** A Set keeps order and lets a waiter leave from the middle at no cost. */
  readonly waiters: Set<Waiter>;
}

/** The deepest of those that go first, else who has waited longest, but for those of the rows that are held. */
export const firstOf = (
  queued: ReadonlySet<Row>,
  held: ReadonlySet<Row>,
): { readonly row: Row; readonly waiter: Waiter } | undefined => {
  let first: { readonly row: Row; readonly waiter: Waiter } | undefined;
  for (const row of queued) {
    if (held.has(row) || (first !== undefined && row.rank < first.row.rank)) continue;
    const [waiter] = row.waiters;
    if (waiter === undefined) continue;
    if (first === undefined || row.rank > first.row.rank || waiter.number < first.waiter.number)
      first = { row, waiter };
  }
  return first;
};

/** Workers that those who wait would fill: of concurrent ones each takes many. */
export const workersFor = (queued: ReadonlySet<Row>): number => {
  let workers = 0;
  for (const { queue, waiters } of queued) workers += waiters.size / queue.workload.concurrency;
  return Math.ceil(workers - ROUNDING);
};

export const rowOf = (queue: FunctionQueue, call: OpenCall): Row => {
  const awaited = call.level > 0;
  const rank = call.claimFirst() ? call.level : 0;
  const at = awaited ? 1 + rank : 0;
  let row = queue.rows[at];
  if (row === undefined) {
    row = { queue, awaited, rank, waiters: new Set() };
    queue.rows[at] = row;
  }
  return row;
};
