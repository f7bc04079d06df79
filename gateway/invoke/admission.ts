/**
 * Who may go next: a bounded queue per pool, in it one for each function, and a cap per function. A freed worker is
 * handed to the call that has waited longest among those it may serve, so no newcomer can take it in between, and calls
 * that may not run now (their cores are taken) hold up no others. Before them go calls that others wait for with a worker
 * (one for each of those), the deepest first. A call whose time is up or whose caller left never reaches PHP.
 */
import type { Caller, LeaveListener } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Lacks } from '../pool/places.ts';
import type { Pool } from '../pool/pool.ts';
import { Workload, type WorkloadStatus } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';
import type { Nesting, OpenCall, PoolCalls, Stuck } from './nesting.ts';

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'concurrency'>;
  /** How long it may wait, ms. */
  readonly queueTimeoutMs: number;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  /** It may stand behind others on a worker. */
  readonly mayShare: boolean;
  readonly caller: Caller;
  readonly call: OpenCall;
}

/** A call that waits. There may be thousands: no closures, signals and timers of their own. */
class Waiter implements LeaveListener, Stuck {
  /** The order of arrival in the pool. */
  readonly number: number;
  readonly entry: Entry;
  readonly row: Row;
  readonly limitMs: number;
  /** When its time is up, on the `performance.now()` clock. */
  readonly dueMs: number;
  readonly grant: (slot: Slot) => void;
  readonly refuse: (error: GatewayError) => void;
  readonly #admission: Admission;

  constructor(
    admission: Admission,
    { number, entry, row }: { number: number; entry: Entry; row: Row },
    { resolve, reject }: { resolve: (slot: Slot) => void; reject: (error: GatewayError) => void },
  ) {
    this.#admission = admission;
    this.number = number;
    this.entry = entry;
    this.row = row;
    this.limitMs = Math.min(entry.queueTimeoutMs, entry.remainingMs);
    this.dueMs = performance.now() + this.limitMs;
    this.grant = resolve;
    this.refuse = reject;
  }

  callerLeft(): void {
    this.#admission.giveUp(this, new GatewayError('client-closed', 'The caller left while the call waited.'));
  }

  rescue(): void {
    this.#admission.rescue(this);
  }
}

/** What one function has here. */
interface FunctionQueue {
  readonly name: string;
  readonly workload: Workload;
  /** Calls from their entry until their worker is free. */
  inside: number;
  waiting: number;
  /** Those that nobody with a worker waits for, those in their turn that somebody waits for, those that go first by level. */
  readonly rows: Row[];
}

/** Calls of one function that wait and may do the same. */
interface Row {
  readonly queue: FunctionQueue;
  /** Calls that have a worker wait for them. */
  readonly awaited: boolean;
  /** The higher goes first; 0: in turn. */
  readonly rank: number;
  /** A Set keeps order and lets a waiter leave from the middle at no cost. */
  readonly waiters: Set<Waiter>;
}

/** How the calls of a function fare in their pool. */
export interface FunctionStatus extends WorkloadStatus {
  readonly name: string;
  readonly running: number;
  readonly waiting: number;
  /** Why those that wait do; undefined when none does. */
  readonly waitsFor: string | undefined;
}

const RETRY_AFTER_MS = 1000;

const WAITS_FOR: Readonly<Record<Lacks, string>> = {
  nothing: 'its turn',
  worker: 'a worker',
  cores: 'CPU: calls that compute are held to the cores of this machine and one more',
  kept: 'its turn among slow calls: a worker and a core are kept from them for others',
};

export class Admission {
  readonly #pool: Pool;
  readonly #queueMax: number;
  readonly #queues = new Map<string, FunctionQueue>();
  /** Those with calls that wait. */
  readonly #queued = new Set<Row>();
  readonly #nesting: Nesting;
  readonly #calls: PoolCalls;
  #waiting = 0;
  /** Of them those that others wait for. */
  #awaited = 0;
  #entered = 0;
  #closed = false;
  /** One for all that wait. */
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;

  constructor(pool: Pool, queueMax: number, nesting: Nesting) {
    this.#pool = pool;
    this.#queueMax = queueMax;
    this.#nesting = nesting;
    this.#calls = nesting.addPool(() => pool.isFull);
    pool.onFree = () => this.#serve();
  }

  get waiting(): number {
    return this.#waiting;
  }

  get status(): readonly FunctionStatus[] {
    return [...this.#queues.values()].map(({ name, workload, inside, waiting }) => ({
      name,
      ...workload.status,
      running: inside - waiting,
      waiting,
      waitsFor: waiting === 0 ? undefined : WAITS_FOR[this.#pool.lacks({ workload, mayShare: false, awaited: false })],
    }));
  }

  /** What the calls of this function are like. */
  workload(name: string): Workload {
    return this.#queueOf(name).workload;
  }

  /** From now on `shutting-down`, but for what calls under way call; those who wait already are still served. */
  close(): void {
    this.#closed = true;
  }

  /** At once where nothing is in the way: most calls neither wait nor need a promise. Undefined: it has to `enter`. */
  enterNow({ fn, mayShare, call }: Pick<Entry, 'fn' | 'mayShare' | 'call'>): Slot | undefined {
    if (this.#closed || this.#waiting > 0) return undefined;
    const queue = this.#queueOf(fn.name);
    return isBelowCap(fn, queue.inside) ? this.#take(queue, call, mayShare) : undefined;
  }

  /** Rejects with `concurrency-limit`, `overloaded`, `queue-timeout`, `deadline-exceeded`, `client-closed` …; executed: no. */
  enter(entry: Entry): Promise<Slot> {
    const { fn } = entry;
    const queue = this.#queueOf(fn.name);
    const refusal = this.#refusal(entry, queue);
    if (refusal !== undefined) return Promise.reject(refusal);
    const slot = this.enterNow(entry);
    if (slot !== undefined) return Promise.resolve(slot);
    const { waiter, granted } = this.#wait(entry, queue);
    // Those before it may wait for what it does not need.
    this.#serve();
    if (waiter.row.waiters.has(waiter) && this.#waitingLike(waiter) > this.#queueMax)
      this.giveUp(waiter, this.#overloaded());
    return granted;
  }

  /** Each kind has its own bound: calls that came from outside must not turn away those that others wait for. */
  #waitingLike({ row }: Waiter): number {
    return row.awaited ? this.#awaited : this.#waiting - this.#awaited;
  }

  /** For a waiter whose caller has left, too. */
  giveUp(waiter: Waiter, error: GatewayError): void {
    this.#leave(waiter);
    waiter.refuse(error);
  }

  /** Every worker here is with calls that wait, in the end, for this one: it gets one in reserve. */
  rescue(waiter: Waiter): void {
    const { row, entry } = waiter;
    const slot = this.#hold(row.queue, entry.call, (onFreed) =>
      this.#pool.takeReserve({ workload: row.queue.workload, mayShare: false, awaited: true }, onFreed),
    );
    if (slot === undefined) {
      this.giveUp(waiter, saturated(this.#pool, entry.call));
      return;
    }
    this.#leave(waiter);
    waiter.grant(slot);
  }

  #refusal({ fn, call }: Entry, { inside }: FunctionQueue): GatewayError | undefined {
    // A call under way ends only with those it makes.
    if (this.#closed && call.parent === undefined)
      return new GatewayError('shutting-down', 'The gateway is stopping.', { retryAfterMs: RETRY_AFTER_MS });
    return isBelowCap(fn, inside) ? undefined : aboveCap(fn, inside);
  }

  #overloaded(): GatewayError {
    const detail = `${this.#queueMax} calls wait for the pool ${this.#pool.name} already; its queueMax is ${this.#queueMax}.`;
    return new GatewayError('overloaded', detail, { retryAfterMs: RETRY_AFTER_MS });
  }

  #queueOf(name: string): FunctionQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { name, workload: new Workload(), inside: 0, waiting: 0, rows: [] };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #take(queue: FunctionQueue, call: OpenCall, mayShare: boolean): Slot | undefined {
    const awaited = call.level > 0;
    // What stands behind a call waits for what that one waits for.
    const placed = { workload: queue.workload, mayShare: mayShare && !awaited, awaited };
    return this.#hold(queue, call, (onFreed) => this.#pool.take(placed, onFreed));
  }

  #hold(queue: FunctionQueue, call: OpenCall, take: (onFreed: () => void) => Slot | undefined): Slot | undefined {
    const slot = take(() => {
      queue.inside -= 1;
      if (slot !== undefined) this.#nesting.freed(call, this.#calls, slot);
    });
    if (slot === undefined) return undefined;
    queue.inside += 1;
    this.#nesting.holds(call, this.#calls, slot);
    return slot;
  }

  #wait(entry: Entry, queue: FunctionQueue): { readonly waiter: Waiter; readonly granted: Promise<Slot> } {
    const { promise: granted, resolve, reject } = Promise.withResolvers<Slot>();
    this.#entered += 1;
    const row = rowOf(queue, entry.call);
    const waiter = new Waiter(this, { number: this.#entered, entry, row }, { resolve, reject });
    this.#waiting += 1;
    if (row.awaited) this.#awaited += 1;
    queue.inside += 1;
    queue.waiting += 1;
    row.waiters.add(waiter);
    this.#queued.add(row);
    this.#nesting.waits(entry.call, this.#calls, waiter);
    this.#watch(waiter.dueMs);
    entry.caller.whenLeft(waiter);
    if (entry.caller.hasLeft) waiter.callerLeft();
    return { waiter, granted };
  }

  #leave(waiter: Waiter): void {
    const { row, entry } = waiter;
    const { queue } = row;
    entry.caller.whenLeft(undefined);
    this.#nesting.waitsNoMore(entry.call);
    this.#waiting -= 1;
    if (row.awaited) this.#awaited -= 1;
    queue.inside -= 1;
    queue.waiting -= 1;
    row.waiters.delete(waiter);
    if (row.waiters.size === 0) this.#queued.delete(row);
    if (this.#waiting > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The timer is set anew when it strikes, or when somebody's time is up earlier. */
  #watch(dueMs: number): void {
    if (this.#timer !== undefined && this.#timerAtMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = dueMs;
    this.#timer = setTimeout(() => this.#strike(), dueMs - performance.now());
  }

  #strike(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { waiters } of this.#queued) {
      for (const waiter of waiters) {
        if (waiter.dueMs <= nowMs) this.giveUp(waiter, this.#tooLate(waiter));
        else nextMs = Math.min(nextMs, waiter.dueMs);
      }
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#watch(nextMs);
  }

  #tooLate({ entry: { fn, queueTimeoutMs }, limitMs }: Waiter): GatewayError {
    const waited = `${fn.name} waited ${Math.round(limitMs)} ms for a worker of the pool ${this.#pool.name}`;
    if (!this.#pool.available) {
      return new GatewayError('pool-unavailable', `${waited}, which cannot be reached.`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    if (limitMs < queueTimeoutMs) return new GatewayError('deadline-exceeded', `${waited}; its deadline has passed.`);
    return new GatewayError('queue-timeout', `${waited}; its queueTimeoutMs is ${queueTimeoutMs}.`, {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  #serve(): void {
    if (this.#waiting === 0) return;
    this.#hand();
    // Those that are left may wait for workers that wait for them.
    if (this.#awaited > 0) this.#nesting.relieve();
  }

  #hand(): void {
    // What one call of a function may not have now, the next of it may not either.
    const held = new Set<Row>();
    // Who waits for the CPU is passed by none that wants some, nor by those that stand behind others and keep it busy.
    let mayCompute = true;
    for (let next = firstOf(this.#queued, held); next; next = firstOf(this.#queued, held)) {
      const { row, waiter } = next;
      const { workload } = row.queue;
      if (!mayCompute && workload.cpuShare > 0) {
        held.add(row);
        continue;
      }
      const { call, mayShare } = waiter.entry;
      const slot = this.#take(row.queue, call, mayShare && mayCompute);
      if (slot !== undefined) {
        this.#leave(waiter);
        waiter.grant(slot);
        continue;
      }
      held.add(row);
      const lacking = this.#pool.lacks({ workload, mayShare: false, awaited: row.awaited });
      // Whoever went behind others now would keep their worker from becoming free for it.
      if (lacking === 'worker') return;
      if (lacking === 'cores') mayCompute = false;
    }
  }
}

/** The deepest of those that go first, else who has waited longest, but for those of the rows that are held. */
const firstOf = (
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

const rowOf = (queue: FunctionQueue, call: OpenCall): Row => {
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

const saturated = ({ name, status }: Pick<Pool, 'name' | 'status'>, { outer, name: own }: OpenCall): GatewayError => {
  const { workers, reserve } = status;
  const reserved =
    reserve === undefined
      ? 'only pools that the gateway runs itself have some in reserve'
      : `so are the ${reserve.workers} in reserve`;
  const detail = `All ${workers} workers of the pool ${name} wait for calls that wait for one of them, ${reserved}: ${[...outer, own].join(' → ')} would wait for ever. Give ${name} more workers, or ${own} a pool of its own.`;
  return new GatewayError('rpc-saturated', detail, { retryAfterMs: RETRY_AFTER_MS });
};

const isBelowCap = ({ concurrency }: Entry['fn'], inside: number): boolean =>
  concurrency === undefined || inside < concurrency;

const aboveCap = ({ name, concurrency }: Entry['fn'], inside: number): GatewayError => {
  const detail = `${inside} calls of ${name} are under way; its concurrency is ${concurrency}.`;
  return new GatewayError('concurrency-limit', detail, { retryAfterMs: RETRY_AFTER_MS });
};
