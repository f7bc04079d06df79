/**
 * Who may go next: a bounded queue per pool, in it one line per function, and a cap per function. A freed worker is
 * handed to the call that has waited longest among those it may serve, so no newcomer can take it in between, and calls
 * that may not run now (their cores are taken) hold up no others. A call whose time is up or whose caller left never
 * reaches PHP.
 */
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Lacks } from '../pool/places.ts';
import type { Pool } from '../pool/pool.ts';
import { Workload, type WorkloadStatus } from '../pool/workload.ts';
import type { GatewayFunction } from './function.ts';

/** Whom a call is made for. */
export interface Caller {
  /** Aborted when it leaves. Asked for only when the call has to wait. */
  readonly signal: AbortSignal | undefined;
}

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'concurrency' | 'queueTimeoutMs'>;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  /** It may stand behind others on a worker. */
  readonly mayShare: boolean;
  readonly caller: Caller;
}

interface Waiter {
  /** The order of arrival in the pool. */
  readonly number: number;
  readonly mayShare: boolean;
  readonly grant: (slot: Slot) => void;
}

/** What one function has here. */
interface Share {
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
  kept: 'a worker: the last one is kept for calls that are not slow',
};

export class Admission {
  readonly #pool: Pool;
  readonly #queueMax: number;
  readonly #shares = new Map<string, Share>();
  /** Those with calls that wait. */
  readonly #queued = new Set<Share>();
  #waiting = 0;
  #entered = 0;
  #closed = false;
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
    return [...this.#shares.values()].map(({ name, workload, inside, waiting }) => ({
      name,
      ...workload.status,
      running: inside - waiting.size,
      waiting: waiting.size,
      waitsFor: waiting.size === 0 ? undefined : WAITS_FOR[this.#pool.lacks({ workload, mayShare: false })],
    }));
  }

  /** What the calls of this function are like. */
  workload(name: string): Workload {
    return this.#share(name).workload;
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
    const share = this.#share(fn.name);
    return isBelowCap(fn, share.inside) ? this.#take(share, mayShare) : undefined;
  }

  /** Rejects with `concurrency-limit`, `overloaded`, `queue-timeout`, `deadline-exceeded`, `client-closed` …; executed: no. */
  async enter(entry: Entry): Promise<Slot> {
    const { fn } = entry;
    if (this.#closed)
      throw new GatewayError('shutting-down', 'The gateway is stopping.', { retryAfterMs: RETRY_AFTER_MS });
    const share = this.#share(fn.name);
    assertBelowCap(fn, share.inside);
    const slot = this.enterNow(entry);
    if (slot !== undefined) return slot;
    if (this.#waiting >= this.#queueMax) {
      const detail = `${this.#waiting} calls wait for the pool ${this.#pool.name} already; its queueMax is ${this.#queueMax}.`;
      throw new GatewayError('overloaded', detail, { retryAfterMs: RETRY_AFTER_MS });
    }
    const granted = this.#wait(entry, share);
    // Those before it may wait for what it does not need.
    this.#serve();
    return await granted;
  }

  #share(name: string): Share {
    let share = this.#shares.get(name);
    if (share === undefined) {
      share = { name, workload: new Workload(), inside: 0, waiting: new Set() };
      this.#shares.set(name, share);
    }
    return share;
  }

  #take(share: Share, mayShare: boolean): Slot | undefined {
    const { workload } = share;
    const slot = this.#pool.take({ workload, mayShare }, () => {
      share.inside -= 1;
    });
    if (slot !== undefined) share.inside += 1;
    return slot;
  }

  #wait({ fn, remainingMs, mayShare, caller: { signal } }: Entry, share: Share): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const limitMs = Math.min(fn.queueTimeoutMs, remainingMs);
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#leave(share, waiter);
      };
      const giveUp = (error: GatewayError): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => giveUp(new GatewayError('client-closed', 'The caller left while the call waited.'));
      const timer = setTimeout(() => giveUp(this.#tooLate(fn, limitMs)), limitMs);
      this.#entered += 1;
      const waiter: Waiter = {
        number: this.#entered,
        mayShare,
        grant: (slot) => {
          end();
          resolve(slot);
        },
      };
      this.#waiting += 1;
      share.inside += 1;
      share.waiting.add(waiter);
      this.#queued.add(share);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
    });
  }

  #leave(share: Share, waiter: Waiter): void {
    this.#waiting -= 1;
    share.inside -= 1;
    share.waiting.delete(waiter);
    if (share.waiting.size === 0) this.#queued.delete(share);
    if (this.#waiting === 0) for (const emptied of this.#onEmptied.splice(0)) emptied();
  }

  #tooLate(fn: Entry['fn'], limitMs: number): GatewayError {
    const waited = `${fn.name} waited ${Math.round(limitMs)} ms for a worker of the pool ${this.#pool.name}`;
    if (!this.#pool.available) {
      return new GatewayError('pool-unavailable', `${waited}, which cannot be reached.`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    if (limitMs < fn.queueTimeoutMs)
      return new GatewayError('deadline-exceeded', `${waited}; its deadline has passed.`);
    return new GatewayError('queue-timeout', `${waited}; its queueTimeoutMs is ${fn.queueTimeoutMs}.`, {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  #serve(): void {
    if (this.#waiting === 0) return;
    // What one call of a function may not have now, the next of it may not either.
    const held = new Set<Share>();
    // Whoever is put behind others keeps a worker, and its CPU, from those before it that need one of their own.
    let mayStandBehind = true;
    for (let next = firstOf(this.#queued, held); next; next = firstOf(this.#queued, held)) {
      const { share, waiter } = next;
      const { workload } = share;
      const slot = this.#take(share, waiter.mayShare && mayStandBehind);
      if (slot !== undefined) {
        waiter.grant(slot);
        continue;
      }
      held.add(share);
      mayStandBehind &&= this.#pool.lacks({ workload, mayShare: false }) === 'kept';
    }
  }
}

/** Who has waited longest, but for those of the functions that are held. */
const firstOf = (
  queued: ReadonlySet<Share>,
  held: ReadonlySet<Share>,
): { readonly share: Share; readonly waiter: Waiter } | undefined => {
  let first: { readonly share: Share; readonly waiter: Waiter } | undefined;
  for (const share of queued) {
    if (held.has(share)) continue;
    const [waiter] = share.waiting;
    if (waiter !== undefined && (first === undefined || waiter.number < first.waiter.number)) first = { share, waiter };
  }
  return first;
};

const isBelowCap = ({ concurrency }: Entry['fn'], inside: number): boolean =>
  concurrency === undefined || inside < concurrency;

const assertBelowCap = (fn: Entry['fn'], inside: number): void => {
  if (isBelowCap(fn, inside)) return;
  const { name, concurrency } = fn;
  const detail = `${inside} calls of ${name} are under way; its concurrency is ${concurrency}.`;
  throw new GatewayError('concurrency-limit', detail, { retryAfterMs: RETRY_AFTER_MS });
};
