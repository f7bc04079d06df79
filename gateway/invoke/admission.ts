/**
 * Who may go next: one bounded queue per pool and a cap per function. A freed worker is handed to the first waiter
 * directly, so no newcomer can take it in between; a waiter whose time is up or whose caller left never reaches PHP.
 */
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Pool } from '../pool/pool.ts';
import type { GatewayFunction } from './function.ts';

export interface Entry {
  readonly fn: Pick<GatewayFunction, 'name' | 'concurrency' | 'queueTimeoutMs'>;
  /** Of the whole call, ms. */
  readonly remainingMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Waiter {
  readonly name: string;
  readonly grant: (slot: Slot) => void;
}

const RETRY_AFTER_MS = 1000;

export class Admission {
  readonly #pool: Pool;
  readonly #queueMax: number;
  /** A Set keeps order and lets a waiter leave from the middle at no cost. */
  readonly #waiting = new Set<Waiter>();
  /** Calls of a function from their entry until their worker is free. */
  readonly #inside = new Map<string, number>();
  #closed = false;
  readonly #onEmptied: (() => void)[] = [];

  constructor(pool: Pool, queueMax: number) {
    this.#pool = pool;
    this.#queueMax = queueMax;
    pool.onFree = () => this.#serve();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** From now on `shutting-down`; those who wait already are still served. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when nobody waits any more. */
  async emptied(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#onEmptied.push(resolve));
  }

  /** Rejects with `concurrency-limit`, `overloaded`, `queue-timeout`, `deadline-exceeded`, `client-closed` …; executed: no. */
  async enter(entry: Entry): Promise<Slot> {
    const { fn } = entry;
    if (this.#closed)
      throw new GatewayError('shutting-down', 'The gateway is stopping.', { retryAfterMs: RETRY_AFTER_MS });
    this.#assertBelowCap(fn);
    if (this.#waiting.size === 0) {
      const slot = this.#take(fn.name);
      if (slot !== undefined) return slot;
    }
    if (this.#waiting.size >= this.#queueMax) {
      const detail = `${this.#waiting.size} calls wait for the pool ${this.#pool.name} already; its queueMax is ${this.#queueMax}.`;
      throw new GatewayError('overloaded', detail, { retryAfterMs: RETRY_AFTER_MS });
    }
    return await this.#wait(entry);
  }

  #assertBelowCap({ name, concurrency }: Entry['fn']): void {
    const inside = this.#inside.get(name) ?? 0;
    if (concurrency === undefined || inside < concurrency) return;
    const detail = `${inside} calls of ${name} are under way; its concurrency is ${concurrency}.`;
    throw new GatewayError('concurrency-limit', detail, { retryAfterMs: RETRY_AFTER_MS });
  }

  #take(name: string): Slot | undefined {
    const slot = this.#pool.take(() => this.#leave(name));
    if (slot !== undefined) this.#inside.set(name, (this.#inside.get(name) ?? 0) + 1);
    return slot;
  }

  #leave(name: string): void {
    const inside = (this.#inside.get(name) ?? 1) - 1;
    if (inside === 0) this.#inside.delete(name);
    else this.#inside.set(name, inside);
  }

  #wait({ fn, remainingMs, signal }: Entry): Promise<Slot> {
    const { name } = fn;
    this.#inside.set(name, (this.#inside.get(name) ?? 0) + 1);
    return new Promise((resolve, reject) => {
      const limitMs = Math.min(fn.queueTimeoutMs, remainingMs);
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
        this.#leave(name);
        if (this.#waiting.size === 0) for (const emptied of this.#onEmptied.splice(0)) emptied();
      };
      const giveUp = (error: GatewayError): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => giveUp(new GatewayError('client-closed', 'The caller left while the call waited.'));
      const timer = setTimeout(() => giveUp(this.#tooLate(fn, limitMs)), limitMs);
      const waiter: Waiter = {
        name,
        grant: (slot) => {
          end();
          resolve(slot);
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
    });
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
    for (const waiter of this.#waiting) {
      const slot = this.#take(waiter.name);
      if (slot === undefined) return;
      waiter.grant(slot);
    }
  }
}
