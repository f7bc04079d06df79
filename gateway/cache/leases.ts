/**
 * Who is making a value that others wait for (`remember` in PHP). A lease has a time limit: after it one of those that
 * wait makes the value, too, and whichever is ready first counts. Each lease belongs to a connection and ends with it:
 * the others do not wait for a worker that died.
 */
import type { Value } from './value.ts';

/** A connection. */
export interface Holder {
  /** Its keys, bounded by `LEASES_PER_HOLDER`. */
  readonly leased: Set<string>;
}

/** What becomes of one that waits. Called at once, in the middle of another's request. */
export type Woken =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'lease'; readonly token: bigint }
  | { readonly kind: 'busy' };

export interface Waiter {
  readonly holder: Holder;
  readonly leaseMs: number;
  readonly wake: (woken: Woken) => void;
}

interface Lease {
  holder: Holder;
  token: bigint;
  /** Values made under earlier tokens of this lease count, too: a slow maker's work is not lost. */
  readonly firstToken: bigint;
  endsAtMs: number;
  readonly waiters: Set<Waiter>;
  timer: NodeJS.Timeout | undefined;
}

export type Asked = Exclude<Woken, { readonly kind: 'value' }> | { readonly kind: 'wait' };

const BUSY = { kind: 'busy' } as const;
/** Of one connection: values made while others are made. */
const LEASES_PER_HOLDER = 64;

export class Leases {
  readonly #leases = new Map<string, Lease>();
  readonly #now: () => number;
  #lastToken = 0n;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** How many wait for this value. */
  waiting(key: string): number {
    return this.#leases.get(key)?.waiters.size ?? 0;
  }

  /** There is no value. `wait`: the waiter will be woken. `busy`: make it, and keep it for yourself. */
  ask(key: string, waiter: Waiter): Asked {
    const { holder, leaseMs } = waiter;
    const lease = this.#leases.get(key);
    if (lease === undefined) {
      if (holder.leased.size >= LEASES_PER_HOLDER) return BUSY;
      this.#lastToken += 1n;
      const token = this.#lastToken;
      const endsAtMs = this.#now() + leaseMs;
      this.#leases.set(key, { holder, token, firstToken: token, endsAtMs, waiters: new Set(), timer: undefined });
      holder.leased.add(key);
      return { kind: 'lease', token };
    }
    // First of all, even its own: what made the value may have been left without a word.
    if (lease.endsAtMs <= this.#now()) return { kind: 'lease', token: this.#pass(key, lease, waiter) };
    // It would wait for itself.
    if (lease.holder === holder) return BUSY;
    lease.waiters.add(waiter);
    this.#watch(key, lease);
    return { kind: 'wait' };
  }

  /** It waits no more. */
  leave(key: string, waiter: Waiter): void {
    const lease = this.#leases.get(key);
    if (lease?.waiters.delete(waiter) === true && lease.waiters.size === 0) {
      clearTimeout(lease.timer);
      lease.timer = undefined;
    }
  }

  /** Whether a value made under this token counts. The lease is then over: see `settle`. */
  accepts(key: string, token: bigint): boolean {
    const lease = this.#leases.get(key);
    return lease !== undefined && token >= lease.firstToken && token <= lease.token;
  }

  /** The key has a value, whoever made it; undefined: it was deleted, and those that wait begin anew. */
  settle(key: string, value: Value | undefined): void {
    const lease = this.#leases.get(key);
    if (lease === undefined) return;
    if (value === undefined) {
      // What is being made may be out of date already: its token counts no more.
      this.#end(key, lease);
      for (const waiter of lease.waiters) {
        const asked = this.ask(key, waiter);
        if (asked.kind !== 'wait') waiter.wake(asked);
      }
      return;
    }
    this.#end(key, lease);
    for (const waiter of lease.waiters) waiter.wake({ kind: 'value', value });
  }

  /** The value could not be made: the next of those that wait tries. */
  release(key: string, token: bigint): void {
    const lease = this.#leases.get(key);
    if (lease !== undefined && lease.token === token) this.#passOrEnd(key, lease);
  }

  /** The connection is gone, or serves another call. */
  releaseAll(holder: Holder): void {
    for (const key of holder.leased) {
      const lease = this.#leases.get(key);
      if (lease?.holder === holder) this.#passOrEnd(key, lease);
    }
    holder.leased.clear();
  }

  #passOrEnd(key: string, lease: Lease): void {
    for (const next of lease.waiters) {
      lease.waiters.delete(next);
      if (next.holder.leased.size >= LEASES_PER_HOLDER) {
        next.wake(BUSY);
        continue;
      }
      next.wake({ kind: 'lease', token: this.#pass(key, lease, next) });
      return;
    }
    this.#end(key, lease);
  }

  #pass(key: string, lease: Lease, { holder, leaseMs }: Waiter): bigint {
    lease.holder.leased.delete(key);
    holder.leased.add(key);
    this.#lastToken += 1n;
    lease.holder = holder;
    lease.token = this.#lastToken;
    lease.endsAtMs = this.#now() + leaseMs;
    clearTimeout(lease.timer);
    lease.timer = undefined;
    this.#watch(key, lease);
    return lease.token;
  }

  /** Only while somebody waits: an end that nobody waits for is noticed by the next who asks. */
  #watch(key: string, lease: Lease): void {
    if (lease.timer !== undefined || lease.waiters.size === 0) return;
    const leftMs = Math.max(1, Math.ceil(lease.endsAtMs - this.#now()));
    lease.timer = setTimeout(() => this.#passOrEnd(key, lease), leftMs);
    lease.timer.unref();
  }

  #end(key: string, lease: Lease): void {
    clearTimeout(lease.timer);
    lease.holder.leased.delete(key);
    this.#leases.delete(key);
  }
}
