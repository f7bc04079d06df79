/**
 * Who may go next: a bounded queue per pool, in it one for each function, and a cap per function. A freed worker is
 * handed to the call that has waited longest among those it may serve, so no newcomer can take it in between, and calls
 * that may not run now (their cores are taken) hold up no others. A call whose time is up or whose caller left never
 * reaches PHP.
 */
import type { Caller, LeaveListener } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Lacks } from '../pool/places.ts';
import type { Pool } from '../pool/pool.ts';
import { Workload, type WorkloadStatus } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'concurrency'>;
  /** How long it may wait, ms. */
  readonly queueTimeoutMs: number;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  /** It may stand behind others on a worker. */
  readonly mayShare: boolean;
  readonly caller: Caller;
}

/** A call that waits. There may be thousands: no closures, signals and timers of their own. */
class Waiter implements LeaveListener {
  /** The order of arrival in the pool. */
  readonly number: number;
  readonly entry: Entry;
  readonly queue: FunctionQueue;
  readonly limitMs: number;
  /** When its time is up, on the `performance.now()` clock. */
  readonly dueMs: number;
  readonly grant: (slot: Slot) => void;
  readonly refuse: (error: GatewayError) => void;
  readonly #admission: Admission;

  constructor(
    admission: Admission,
    { number, entry, queue }: { number: number; entry: Entry; queue: FunctionQueue },
    { resolve, reject }: { resolve: (slot: Slot) => void; reject: (error: GatewayError) => void },
  ) {
    this.#admission = admission;
    this.number = number;
    this.entry = entry;
    this.queue = queue;
    this.limitMs = Math.min(entry.queueTimeoutMs, entry.remainingMs);
    this.dueMs = performance.now() + this.limitMs;
    this.grant = resolve;
    this.refuse = reject;
  }

  callerLeft(): void {
    this.#admission.giveUp(this, new GatewayError('client-closed', 'The caller left while the call waited.'));
  }
}

/** What one function has here. */
interface FunctionQueue {
  readonly name: string;
  readonly workload: Workload;
  /** Calls from their entry until their worker is free. */
  inside: number;
  /** A Set keeps order and lets a waiter leave from the middle at no cost. */
  readonly waiting: Set<Waiter>;
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
  readonly #queued = new Set<FunctionQueue>();
  #waiting = 0;
  #entered = 0;
  #closed = false;
  /** One for all that wait. */
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  readonly #onEmptied: (() => void)[] = [];

  constructor(pool: Pool, queueMax: number) {
    this.#pool = pool;
    this.#queueMax = queueMax;
    pool.onFree = () => this.#serve();
  }

  get waiting(): number {
    return this.#waiting;
  }

  get status(): readonly FunctionStatus[] {
    return [...this.#queues.values()].map(({ name, workload, inside, waiting }) => ({
      name,
      ...workload.status,
      running: inside - waiting.size,
      waiting: waiting.size,
      waitsFor: waiting.size === 0 ? undefined : WAITS_FOR[this.#pool.lacks({ workload, mayShare: false })],
    }));
  }

  /** What the calls of this function are like. */
  workload(name: string): Workload {
    return this.#queueOf(name).workload;
  }

  /** From now on `shutting-down`; those who wait already are still served. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when nobody waits any more. */
  async emptied(): Promise<void> {
    if (this.#waiting > 0) await new Promise<void>((resolve) => this.#onEmptied.push(resolve));
  }

  /** At once where nothing is in the way: most calls neither wait nor need a promise. Undefined: it has to `enter`. */
  enterNow({ fn, mayShare }: Pick<Entry, 'fn' | 'mayShare'>): Slot | undefined {
    if (this.#closed || this.#waiting > 0) return undefined;
    const queue = this.#queueOf(fn.name);
    return isBelowCap(fn, queue.inside) ? this.#take(queue, mayShare) : undefined;
  }

  /** Rejects with `concurrency-limit`, `overloaded`, `queue-timeout`, `deadline-exceeded`, `client-closed` …; executed: no. */
  enter(entry: Entry): Promise<Slot> {
    const { fn } = entry;
    const queue = this.#queueOf(fn.name);
    const refusal = this.#refusal(fn, queue);
    if (refusal !== undefined) return Promise.reject(refusal);
    const slot = this.enterNow(entry);
    if (slot !== undefined) return Promise.resolve(slot);
    const { waiter, granted } = this.#wait(entry, queue);
    // Those before it may wait for what it does not need.
    this.#serve();
    if (this.#waiting > this.#queueMax && queue.waiting.has(waiter)) this.giveUp(waiter, this.#overloaded());
    return granted;
  }

  /** For a waiter whose caller has left, too. */
  giveUp(waiter: Waiter, error: GatewayError): void {
    this.#leave(waiter);
    waiter.refuse(error);
  }

  #refusal(fn: Entry['fn'], { inside }: FunctionQueue): GatewayError | undefined {
    if (this.#closed)
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
      queue = { name, workload: new Workload(), inside: 0, waiting: new Set() };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #take(queue: FunctionQueue, mayShare: boolean): Slot | undefined {
    const { workload } = queue;
    const slot = this.#pool.take({ workload, mayShare }, () => {
      queue.inside -= 1;
    });
    if (slot !== undefined) queue.inside += 1;
    return slot;
  }

  #wait(entry: Entry, queue: FunctionQueue): { readonly waiter: Waiter; readonly granted: Promise<Slot> } {
    const { promise: granted, resolve, reject } = Promise.withResolvers<Slot>();
    this.#entered += 1;
    const waiter = new Waiter(this, { number: this.#entered, entry, queue }, { resolve, reject });
    this.#waiting += 1;
    queue.inside += 1;
    queue.waiting.add(waiter);
    this.#queued.add(queue);
    this.#watch(waiter.dueMs);
    entry.caller.whenLeft(waiter);
    if (entry.caller.hasLeft) waiter.callerLeft();
    return { waiter, granted };
  }

  #leave(waiter: Waiter): void {
    const { queue, entry } = waiter;
    entry.caller.whenLeft(undefined);
    this.#waiting -= 1;
    queue.inside -= 1;
    queue.waiting.delete(waiter);
    if (queue.waiting.size === 0) this.#queued.delete(queue);
    if (this.#waiting > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const emptied of this.#onEmptied.splice(0)) emptied();
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
    for (const { waiting } of this.#queued) {
      for (const waiter of waiting) {
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
    // What one call of a function may not have now, the next of it may not either.
    const held = new Set<FunctionQueue>();
    // Who waits for the CPU is passed by none that wants some, nor by those that stand behind others and keep it busy.
    let mayCompute = true;
    for (let next = firstOf(this.#queued, held); next; next = firstOf(this.#queued, held)) {
      const { queue, waiter } = next;
      const { workload } = queue;
      if (!mayCompute && workload.cpuShare > 0) {
        held.add(queue);
        continue;
      }
      const slot = this.#take(queue, waiter.entry.mayShare && mayCompute);
      if (slot !== undefined) {
        this.#leave(waiter);
        waiter.grant(slot);
        continue;
      }
      held.add(queue);
      const lacking = this.#pool.lacks({ workload, mayShare: false });
      // Whoever went behind others now would keep their worker from becoming free for it.
      if (lacking === 'worker') return;
      if (lacking === 'cores') mayCompute = false;
    }
  }
}

/** Who has waited longest, but for those of the functions that are held. */
const firstOf = (
  queued: ReadonlySet<FunctionQueue>,
  held: ReadonlySet<FunctionQueue>,
): { readonly queue: FunctionQueue; readonly waiter: Waiter } | undefined => {
  let first: { readonly queue: FunctionQueue; readonly waiter: Waiter } | undefined;
  for (const queue of queued) {
    if (held.has(queue)) continue;
    const [waiter] = queue.waiting;
    if (waiter !== undefined && (first === undefined || waiter.number < first.waiter.number)) first = { queue, waiter };
  }
  return first;
};

const isBelowCap = ({ concurrency }: Entry['fn'], inside: number): boolean =>
  concurrency === undefined || inside < concurrency;

const aboveCap = ({ name, concurrency }: Entry['fn'], inside: number): GatewayError => {
  const detail = `${inside} calls of ${name} are under way; its concurrency is ${concurrency}.`;
  return new GatewayError('concurrency-limit', detail, { retryAfterMs: RETRY_AFTER_MS });
};
