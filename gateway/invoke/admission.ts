/**
 * Who may go next: a bounded queue per pool, in it one for each function, and a cap per function. A freed worker is
 * handed to the call that has waited longest among those it may serve, so no newcomer can take it in between, and calls
 * that may not run now (their cores are taken) hold up no others. Before them go calls that others wait for with a worker
 * (one for each of those), the deepest first. A call whose time is up or whose caller left never reaches PHP.
 */
import type { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import { DueTimer } from '../pool/due-timer.ts';
import type { Lacks } from '../pool/places.ts';
import type { Pool } from '../pool/pool.ts';
import { Workload, type WorkloadStatus } from '../pool/workload.ts';
import type { Nesting, OpenCall, PoolCalls } from './nesting.ts';
import { aboveCap, overloaded, saturated, stopping, tooLate } from './refusals.ts';
import { type Entry, type FunctionQueue, firstOf, type Row, rowOf, Waiter, workersFor } from './rows.ts';

/** How the calls of a function fare in their pool. */
export interface FunctionStatus extends WorkloadStatus {
  readonly name: string;
  readonly running: number;
  readonly waiting: number;
  /** Why those that wait do; undefined when none does. */
  readonly waitsFor: string | undefined;
}

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
  readonly #due = new DueTimer(() => this.#strike());

  constructor(pool: Pool, queueMax: number, nesting: Nesting) {
    this.#pool = pool;
    this.#queueMax = queueMax;
    this.#nesting = nesting;
    this.#calls = nesting.addPool(() => pool.isFull);
    pool.onFree = () => this.#serve();
    pool.onFailed = (refusal) => this.#refuseAll(refusal);
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

  /** Those who wait are not served any more. */
  destroy(): void {
    this.#closed = true;
    this.#refuseAll(stopping);
  }

  #refuseAll(refusal: () => GatewayError): void {
    for (const { waiters } of [...this.#queued]) for (const waiter of [...waiters]) this.giveUp(waiter, refusal());
  }

  /** At once where nothing is in the way: most calls neither wait nor need a promise. Undefined: it has to `enter`. */
  enterNow({ fn, mayShare, call }: Pick<Entry, 'fn' | 'mayShare' | 'call'>): Slot | undefined {
    if (this.#closed || this.#waiting > 0) return undefined;
    const queue = this.#queueOf(fn.name);
    return isBelowCap(fn, queue.inside) ? this.#take(queue, call, mayShare, 'workers') : undefined;
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
      this.#turnAway(waiter, overloaded(this.#pool.name, this.#queueMax));
    return granted;
  }

  /** It could not wait for as long as a pool takes to have more workers. */
  #turnAway(waiter: Waiter, error: GatewayError): void {
    const { queue, awaited } = waiter.row;
    const lacking = this.#pool.lacks({ workload: queue.workload, mayShare: false, awaited });
    this.giveUp(waiter, error);
    if (lacking === 'worker') this.#pool.turnedAway();
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
    const slot = this.#take(row.queue, entry.call, false, 'reserve');
    if (slot === undefined) {
      this.giveUp(waiter, saturated(this.#pool, entry.call));
      return;
    }
    this.#leave(waiter);
    waiter.grant(slot);
  }

  #refusal({ fn, call }: Entry, { inside }: FunctionQueue): GatewayError | undefined {
    // A call under way ends only with those it makes.
    if (this.#closed && call.parent === undefined) return stopping();
    return isBelowCap(fn, inside) ? undefined : aboveCap(fn, inside);
  }

  #queueOf(name: string): FunctionQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { name, workload: new Workload(), inside: 0, waiting: 0, rows: [] };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #take(queue: FunctionQueue, call: OpenCall, mayShare: boolean, from: 'workers' | 'reserve'): Slot | undefined {
    const awaited = call.level > 0;
    // What stands behind a call waits for what that one waits for.
    const placed = { workload: queue.workload, mayShare: mayShare && !awaited, awaited };
    const onFreed = (): void => {
      queue.inside -= 1;
      if (slot !== undefined) this.#nesting.freed(call, this.#calls, slot);
    };
    const slot = from === 'workers' ? this.#pool.take(placed, onFreed) : this.#pool.takeReserve(placed, onFreed);
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
    this.#due.watch(waiter.dueMs);
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
    this.#due.stop();
    this.#pool.lack(0, '', 0);
  }

  #strike(): void {
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { waiters } of this.#queued) {
      for (const waiter of waiters) {
        if (waiter.dueMs <= nowMs) this.#turnAway(waiter, tooLate(this.#pool, waiter));
        else nextMs = Math.min(nextMs, waiter.dueMs);
      }
    }
    this.#due.watch(nextMs);
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
    let lacksWorker = false;
    for (let next = firstOf(this.#queued, held); next; next = firstOf(this.#queued, held)) {
      const { row, waiter } = next;
      const { workload } = row.queue;
      if (!mayCompute && workload.cpuShare > 0) {
        held.add(row);
        continue;
      }
      const { call, mayShare } = waiter.entry;
      const slot = this.#take(row.queue, call, mayShare && mayCompute, 'workers');
      if (slot !== undefined) {
        this.#leave(waiter);
        waiter.grant(slot);
        continue;
      }
      held.add(row);
      const lacking = this.#pool.lacks({ workload, mayShare: false, awaited: row.awaited });
      // Whoever went behind others now would keep their worker from becoming free for it.
      if (lacking === 'worker') {
        const wakes = this.#pool.lack(this.#waiting, waiter.entry.fn.name, workersFor(this.#queued));
        if (wakes) waiter.entry.call.wokePool = true;
        lacksWorker = true;
        // Of concurrent workers calls that others wait for have places of their own.
        if (this.#pool.workerKind !== 'concurrent') return;
        for (const other of this.#queued) if (other.awaited === row.awaited) held.add(other);
      }
      if (lacking === 'cores') mayCompute = false;
    }
    // More workers would be of no use.
    if (!lacksWorker) this.#pool.lack(0, '', 0);
  }
}

const isBelowCap = ({ inFlightMax }: Entry['fn'], inside: number): boolean =>
  inFlightMax === undefined || inside < inFlightMax;
