/**
 * Who may go next: a bounded queue per pool, shared out between its functions and their callers (`shares.ts`), and a cap
 * per function. A freed worker is handed to the call whose turn it is among those it may serve, so no newcomer can take
 * it in between, and calls that may not run now (their cores are taken) hold up no others. Before them go calls that
 * others wait for with a worker (one for each of those), the deepest first. A queue that stands (`standing.ts`) lets
 * nobody in who would wait for long. A call whose time is up or whose caller left never reaches PHP.
 */
import type { Priority } from '../contract.ts';
import type { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import { DueTimer } from '../pool/due-timer.ts';
import type { Lacks } from '../pool/places.ts';
import type { Pool } from '../pool/pool.ts';
import { Workload, type WorkloadStatus } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';
import type { Nesting, OpenCall, PoolCalls } from './nesting.ts';
import { aboveCap, overloaded, saturated, standsInQueue, stopping, tooLate, waitedTooLong } from './refusals.ts';
import { type CallerKey, type Entry, type FunctionQueue, rowOf, Waiter } from './rows.ts';
import { comesTooLate, type Foreseen } from './standing.ts';
import { WaitQueue } from './wait-queue.ts';

/** How the calls of a function fare in their pool. */
export interface FunctionStatus extends WorkloadStatus {
  readonly name: string;
  readonly priority: Priority;
  readonly running: number;
  readonly waiting: number;
  /** Since the start: those that were not let in, were pushed out or waited in vain. */
  readonly refused: number;
  /** How long a new caller of it would wait now, ms; undefined: nothing is known. */
  readonly estimateMs: number | undefined;
  /** The queue of its pool has not been empty for long: who would wait for long is refused. */
  readonly standing: boolean;
  /** Why those that wait do; undefined when none does. */
  readonly waitsFor: string | undefined;
}

const WAITS_FOR: Readonly<Record<Lacks, string>> = {
  nothing: 'its turn',
  worker: 'a worker',
  cores: 'CPU: calls that compute are held to the cores of this machine and one more',
  kept: 'its turn among slow calls: a worker and a core are kept from them for others',
};

export interface AdmissionLimits {
  readonly queueMax: number;
  /** 0: every call may wait for as long as its contract says. */
  readonly queueTargetMs: number;
}

/** So many of those that have waited for too long make room for one newcomer. */
const DROPPED_AT_ONCE = 8;

export class Admission {
  readonly #pool: Pool;
  readonly #queueMax: number;
  readonly #queues = new Map<string, FunctionQueue>();
  readonly #queue: WaitQueue;
  readonly #nesting: Nesting;
  readonly #calls: PoolCalls;
  #entered = 0;
  #closed = false;
  /** One for all that wait. */
  readonly #due = new DueTimer(() => this.#strike());

  constructor(pool: Pool, { queueMax, queueTargetMs }: AdmissionLimits, nesting: Nesting) {
    this.#pool = pool;
    this.#queueMax = queueMax;
    this.#queue = new WaitQueue(queueTargetMs);
    this.#nesting = nesting;
    this.#calls = nesting.addPool(() => pool.isFull);
    pool.onFree = () => this.#serve();
    pool.onFailed = (refusal) => this.#refuseAll(refusal);
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get status(): readonly FunctionStatus[] {
    const nowMs = performance.now();
    const standing = this.#queue.standing.isStanding(nowMs);
    return [...this.#queues.values()].map((queue) => {
      const { name, workload, priority, inside, waiting, refused } = queue;
      const foreseen = this.#queue.foresee({ priority }, queue, undefined, nowMs);
      return {
        name,
        ...workload.status,
        priority,
        running: inside - waiting,
        waiting,
        waitsFor:
          waiting === 0 ? undefined : WAITS_FOR[this.#pool.lacks({ workload, mayShare: false, awaited: false })],
        refused,
        estimateMs: foreseen === undefined ? undefined : Math.round(foreseen.waitMs),
        standing,
      };
    });
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
    for (const waiter of [...this.#queue.all]) this.#refuse(waiter, refusal());
  }

  /** At once where nothing is in the way: most calls neither wait nor need a promise. Undefined: it has to `enter`. */
  enterNow({ fn, mayShare, call }: Pick<Entry, 'fn' | 'mayShare' | 'call'>): Slot | undefined {
    if (this.#closed || this.#queue.size > 0) return undefined;
    const queue = this.#queueOf(fn.name);
    return isBelowCap(fn, queue.inside) ? this.#take(queue, call, mayShare, 'workers') : undefined;
  }

  /**
   * Before anything is done for a call from outside: why its queue, which stands, would not let it in. Undefined: it may
   * come. Under ten times what the workers can do nearly all is refused, and reading and checking what they bring cost the
   * gateway's thread more than the calls that it served.
   */
  refusesNow(fn: GatewayFunction, callerKey: CallerKey): GatewayError | undefined {
    const nowMs = performance.now();
    const { standing } = this.#queue;
    if (!standing.isStanding(nowMs)) return undefined;
    const queue = this.#queueOf(fn.name);
    const foreseen = this.#queue.foresee(fn, queue, callerKey, nowMs);
    if (foreseen === undefined || !standing.refuses(foreseen, nowMs)) return undefined;
    if (this.#pool.state !== 'awake' || !this.#pool.available || this.#isGrowing(queue, false)) return undefined;
    queue.refused += 1;
    this.#dropOld(nowMs);
    return this.#standsBefore(foreseen, nowMs);
  }

  /** Rejects with `concurrency-limit`, `overloaded`, `queue-timeout`, `deadline-exceeded`, `client-closed` …; executed: no. */
  enter(entry: Entry): Promise<Slot> {
    const { fn } = entry;
    const queue = this.#queueOf(fn.name);
    const refusal = this.#refusal(entry, queue);
    if (refusal !== undefined) {
      queue.refused += 1;
      return Promise.reject(refusal);
    }
    const slot = this.enterNow(entry);
    if (slot !== undefined) return Promise.resolve(slot);
    const nowMs = performance.now();
    const foreseen = this.#queue.foresee(fn, queue, entry.callerKey, nowMs);
    const { waiter, granted } = this.#wait(entry, queue, foreseen, nowMs);
    // Those before it may wait for what it does not need.
    this.#serve();
    if (waiter.heapAt >= 0) this.#letIn(waiter, foreseen, nowMs);
    return granted;
  }

  /** It has to wait, if it may. */
  #letIn(waiter: Waiter, foreseen: Foreseen | undefined, nowMs: number): void {
    const why = this.#mustNotWait(waiter, foreseen, nowMs);
    if (why !== undefined) {
      this.#turnAway(waiter, why);
      this.#dropOld(nowMs);
      return;
    }
    // Each kind has its own bound: calls that came from outside must not turn away those that others wait for.
    const { awaited, size, mostlyOf } = this.#queue;
    if (waiter.row.awaited ? awaited <= this.#queueMax : size - awaited <= this.#queueMax) return;
    // Whoever fills the queue meets its limit: others would find no place in it.
    const last = waiter.row.awaited ? waiter : (mostlyOf ?? waiter);
    this.#turnAway(last, overloaded(this.#pool.name, this.#queueMax, this.#queue.drainMs(nowMs)));
  }

  #mustNotWait(waiter: Waiter, foreseen: Foreseen | undefined, nowMs: number): GatewayError | undefined {
    const { standing } = this.#queue;
    const { name, state, available } = this.#pool;
    if (state !== 'awake' || !available) {
      standing.away();
      return undefined;
    }
    if (
      foreseen === undefined ||
      standing.targetMs === 0 ||
      !waiter.isPlain ||
      this.#isGrowing(waiter.row.queue, waiter.row.awaited)
    )
      return undefined;
    if (standing.refuses(foreseen, nowMs)) return this.#standsBefore(foreseen, nowMs);
    const { limitMs } = waiter;
    if (!comesTooLate(foreseen, limitMs)) return undefined;
    const limit = `it may wait for ${Math.round(limitMs)} ms`;
    return standsInQueue(name, foreseen, limit, this.#queue.drainMs(nowMs));
  }

  #standsBefore(foreseen: Foreseen, nowMs: number): GatewayError {
    const { standing } = this.#queue;
    const bound = Math.round(standing.boundMs(foreseen));
    const limit = `its queue stands, and who comes may wait for ${bound} ms (queueTargetMs ${standing.targetMs}) or eight calls of each worker`;
    return standsInQueue(this.#pool.name, foreseen, limit, this.#queue.drainMs(nowMs));
  }

  /** More workers come for those who wait. */
  #isGrowing(queue: FunctionQueue, awaited: boolean): boolean {
    if (!this.#pool.mayGrow) return false;
    return this.#pool.lacks({ workload: queue.workload, mayShare: false, awaited }) === 'worker';
  }

  /** While others are refused, nobody stays who has waited for far longer than was foreseen. */
  #dropOld(nowMs: number): void {
    for (let dropped = 0; dropped < DROPPED_AT_ONCE; dropped += 1) {
      const old = this.#queue.tooOld(nowMs);
      if (old === undefined) return;
      const waitedMs = nowMs - old.dueMs + old.limitMs;
      this.#turnAway(old, waitedTooLong(this.#pool.name, waitedMs, this.#queue.drainMs(nowMs)));
    }
  }

  /** It could not wait for as long as a pool takes to have more workers. */
  #turnAway(waiter: Waiter, error: GatewayError): void {
    const { queue, awaited } = waiter.row;
    const lacking = this.#pool.lacks({ workload: queue.workload, mayShare: false, awaited });
    this.#refuse(waiter, error);
    if (lacking === 'worker') this.#pool.turnedAway();
  }

  #refuse(waiter: Waiter, error: GatewayError): void {
    waiter.row.queue.refused += 1;
    this.giveUp(waiter, error);
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
      this.#refuse(waiter, saturated(this.#pool, entry.call, this.#queue.drainMs(performance.now())));
      return;
    }
    this.#leave(waiter);
    waiter.grant(slot);
  }

  #refusal({ fn, call }: Entry, { inside, workload }: FunctionQueue): GatewayError | undefined {
    // A call under way ends only with those it makes.
    if (this.#closed && call.parent === undefined) return stopping();
    return isBelowCap(fn, inside) ? undefined : aboveCap(fn, inside, workload.wallMs);
  }

  #queueOf(name: string): FunctionQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { name, workload: new Workload(), priority: 'normal', inside: 0, waiting: 0, refused: 0, rows: [] };
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
      this.#queue.running -= 1;
      if (slot !== undefined) this.#nesting.freed(call, this.#calls, slot);
    };
    const slot = from === 'workers' ? this.#pool.take(placed, onFreed) : this.#pool.takeReserve(placed, onFreed);
    if (slot === undefined) return undefined;
    queue.inside += 1;
    this.#queue.running += 1;
    this.#nesting.holds(call, this.#calls, slot);
    return slot;
  }

  #wait(
    entry: Entry,
    queue: FunctionQueue,
    foreseen: Foreseen | undefined,
    atMs: number,
  ): { readonly waiter: Waiter; readonly granted: Promise<Slot> } {
    const { promise: granted, resolve, reject } = Promise.withResolvers<Slot>();
    this.#entered += 1;
    queue.priority = entry.fn.priority;
    const row = rowOf(queue, entry.call);
    const { standing } = this.#queue;
    const allowanceMs = foreseen === undefined ? Number.POSITIVE_INFINITY : standing.allowanceMs(foreseen);
    const facts = { number: this.#entered, entry, row, atMs, allowanceMs };
    const waiter = new Waiter(this, facts, { resolve, reject });
    this.#queue.add(waiter, atMs);
    this.#nesting.waits(entry.call, this.#calls, waiter);
    this.#due.watch(waiter.dueMs);
    entry.caller.whenLeft(waiter);
    if (entry.caller.hasLeft) waiter.callerLeft();
    return { waiter, granted };
  }

  #leave(waiter: Waiter): void {
    const { entry } = waiter;
    entry.caller.whenLeft(undefined);
    this.#nesting.waitsNoMore(entry.call);
    this.#queue.remove(waiter);
    if (this.#queue.size > 0) return;
    this.#due.stop();
    this.#pool.lack(0, '', 0);
  }

  #strike(): void {
    const nowMs = performance.now();
    for (let next = this.#queue.nextDue; next !== undefined && next.dueMs <= nowMs; next = this.#queue.nextDue)
      this.#turnAway(next, tooLate(this.#pool, next, this.#pool.backOffMs ?? this.#queue.drainMs(nowMs)));
    this.#due.watch(this.#queue.nextDue?.dueMs ?? Number.POSITIVE_INFINITY);
  }

  #serve(): void {
    if (this.#queue.size === 0) return;
    this.#hand();
    // Those that are left may wait for workers that wait for them.
    if (this.#queue.awaited > 0) this.#nesting.relieve();
  }

  #hand(): void {
    const { shares } = this.#queue;
    const nowMs = performance.now();
    try {
      const lacksWorker = this.#handOut(nowMs);
      // More workers would be of no use.
      if (!lacksWorker) this.#pool.lack(0, '', 0);
    } finally {
      shares.restore();
    }
  }

  /** To everyone who may have a worker now. True: some lack one. */
  #handOut(nowMs: number): boolean {
    const { shares } = this.#queue;
    const newestFirst = this.#queue.tooOld(nowMs) !== undefined;
    // Who waits for the CPU is passed by none that wants some, nor by those that stand behind others and keep it busy.
    let mayCompute = true;
    /** Of concurrent workers calls that others wait for have places of their own. */
    const lackWorkers = new Set<boolean>();
    for (let row = shares.next(); row !== undefined; row = shares.next()) {
      const waiter = row.next(newestFirst && !row.awaited);
      // What one call of a function may not have now, the next of it may not either.
      if (waiter === undefined || lackWorkers.has(row.awaited) || (!mayCompute && row.queue.workload.cpuShare > 0)) {
        shares.setAside(row);
        continue;
      }
      const lacking = this.#grant(waiter, mayCompute, nowMs);
      if (lacking === undefined) continue;
      shares.setAside(row);
      if (lacking === 'worker') {
        lackWorkers.add(row.awaited);
        this.#lack(waiter);
        // Whoever went behind others now would keep their worker from becoming free for it.
        if (this.#pool.workerKind !== 'concurrent') return true;
      }
      if (lacking === 'cores') mayCompute = false;
    }
    return lackWorkers.size > 0;
  }

  /** Undefined: it has a worker. */
  #grant(waiter: Waiter, mayCompute: boolean, nowMs: number): Lacks | undefined {
    const { row, entry } = waiter;
    const slot = this.#take(row.queue, entry.call, entry.mayShare && mayCompute, 'workers');
    if (slot === undefined)
      return this.#pool.lacks({ workload: row.queue.workload, mayShare: false, awaited: row.awaited });
    this.#queue.served(waiter, nowMs);
    this.#leave(waiter);
    waiter.grant(slot);
    return undefined;
  }

  #lack({ entry: { fn, call } }: Waiter): void {
    if (this.#pool.lack(this.#queue.size, fn.name, this.#queue.workers)) call.wokePool = true;
  }
}

const isBelowCap = ({ inFlightMax }: Entry['fn'], inside: number): boolean =>
  inFlightMax === undefined || inside < inFlightMax;
