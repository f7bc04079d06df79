/**
 * The workers behind one address: how many are ours, which are idle, whether they can be reached.
 * Never opens more connections than there are workers (invariant 1): each slot stands for one worker and stays
 * taken until that worker is free. A new connection is opened only when none is idle, so slots bound them all.
 */

import { formatAddress } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { type Slot, type SlotOwner, WorkerSlot } from './slot.ts';
import { openWorker, type Worker, type WorkerSource } from './worker.ts';

export type { Slot } from './slot.ts';

export interface BackendOptions extends WorkerSource {
  readonly workers: number;
  readonly idleMs: number;
  /** Connections that stay open for longer. */
  readonly keepIdle: number;
  /** Its php-fpm starts workers as connections come. */
  readonly forksOnDemand: boolean;
  readonly log: Log;
  /** A slot has become free, or the address reachable again. */
  readonly onFree: () => void;
}

export interface BackendStatus {
  readonly address: string;
  readonly up: boolean;
  readonly workers: number;
  readonly taken: number;
  readonly late: number;
  readonly idleConnections: number;
}

const PROBE_FIRST_MS = 50;
const PROBE_MAX_MS = 1000;

type Health =
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly error: unknown; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

export class Backend implements SlotOwner {
  readonly options: BackendOptions;
  #health: Health = { kind: 'up' };
  /** The most recently used last: the oldest can go. */
  readonly #idle: Worker[] = [];
  readonly #slots = new Set<WorkerSlot>();
  #lastOpened: Promise<unknown> = Promise.resolve();
  #drained: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  readonly #sweep: NodeJS.Timeout;

  constructor(options: BackendOptions) {
    this.options = options;
    this.#sweep = setInterval(() => this.#closeUnused(), options.idleMs / 2);
    this.#sweep.unref();
  }

  get up(): boolean {
    return this.#health.kind === 'up';
  }

  get free(): number {
    return this.up ? this.options.workers - this.#slots.size : 0;
  }

  /** `late`: taken slots whose caller has given up and whose worker is not free yet. */
  get status(): BackendStatus {
    return {
      address: formatAddress(this.options.address),
      up: this.up,
      workers: this.options.workers,
      taken: this.#slots.size,
      late: [...this.#slots].filter((slot) => slot.late).length,
      idleConnections: this.#idle.length,
    };
  }

  /** `onFreed` runs once, when the worker is free again. */
  take(onFreed: () => void): Slot | undefined {
    if (this.free <= 0) return undefined;
    const slot = new WorkerSlot(this, onFreed);
    this.#slots.add(slot);
    return slot;
  }

  /** Opens one worker and keeps it: proves that calls will work. Rejects with `pool-unavailable`. */
  async probe(): Promise<Worker> {
    const worker = await this.#openWorker();
    this.park(worker);
    return worker;
  }

  /** Ends when the calls that run have their answers. Idempotent. */
  close(): Promise<void> {
    this.#stop();
    this.#closing ??= new Promise((resolve) => {
      if (this.#slots.size === 0) resolve();
      else this.#drained = resolve;
    });
    return this.#closing;
  }

  /** Ends all connections now; calls that run fail as `worker-crashed`. */
  destroy(): void {
    this.#stop();
    for (const slot of this.#slots) slot.destroy();
  }

  /** For slots: an idle worker or a new one. */
  obtain(): Worker | Promise<Worker> {
    const idle = this.#popIdle();
    if (idle !== undefined) return idle;
    if (!this.options.forksOnDemand) return this.#open();
    // FPM forks one worker for several connections that come together and leaves the others in its backlog.
    const opened = this.#lastOpened.then(() => this.#popIdle() ?? this.#open());
    this.#lastOpened = opened.catch(() => {});
    return opened;
  }

  /** For slots: a worker that is free. */
  park(worker: Worker): void {
    if (this.#health.kind === 'closed') {
      worker.connection.destroy();
      return;
    }
    if (!worker.connection.usable) return;
    worker.idleSinceMs = performance.now();
    this.#idle.push(worker);
  }

  /** For slots: its worker is free. */
  freed(slot: WorkerSlot): void {
    this.#slots.delete(slot);
    if (this.#health.kind === 'closed' && this.#slots.size === 0) this.#drained?.();
    this.options.onFree();
  }

  #popIdle(): Worker | undefined {
    for (let worker = this.#idle.pop(); worker; worker = this.#idle.pop()) {
      if (worker.connection.usable) return worker;
    }
    return undefined;
  }

  async #open(): Promise<Worker> {
    // Whoever waited for its turn to connect need not find out again, each for a connectTimeoutMs.
    if (this.#health.kind === 'down') throw this.#health.error;
    try {
      return await this.#openWorker();
    } catch (error) {
      this.#markDown(error);
      throw error;
    }
  }

  async #openWorker(): Promise<Worker> {
    const worker = await openWorker(this.options);
    // Once for its life: each further reaction would stay in memory as long as the connection does.
    void worker.connection.closed.then(() => this.#forget(worker));
    return worker;
  }

  #forget(worker: Worker): void {
    const at = this.#idle.indexOf(worker);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  #closeUnused(): void {
    const before = performance.now() - this.options.idleMs;
    const unused = this.#idle.filter(({ idleSinceMs }) => idleSinceMs < before);
    const surplus = Math.max(0, this.#idle.length - this.options.keepIdle);
    for (const worker of unused.slice(0, surplus)) {
      this.#forget(worker);
      worker.connection.destroy();
    }
    // request_terminate_timeout counts the idle time of a kept connection, too: a ping starts its clock anew.
    for (const { connection } of unused.slice(surplus)) void connection.ping();
  }

  /** Offers no slots until a probe succeeds, so that calls wait in the gateway's queue and not in a retry loop. */
  #markDown(error: unknown): void {
    if (this.#health.kind !== 'up') return;
    this.options.log.warn({ err: error }, 'pool unreachable: calls wait while the gateway keeps trying');
    this.#scheduleProbe(error, PROBE_FIRST_MS);
  }

  #scheduleProbe(error: unknown, delayMs: number): void {
    const timer = setTimeout(() => void this.#probeAgain(delayMs), delayMs);
    this.#health = { kind: 'down', error, timer };
  }

  async #probeAgain(delayMs: number): Promise<void> {
    try {
      const worker = await this.#openWorker();
      if (this.#health.kind === 'down') this.#health = { kind: 'up' };
      this.park(worker);
      this.options.log.info({}, 'pool reachable again');
      this.options.onFree();
    } catch (error) {
      if (this.#health.kind === 'down') this.#scheduleProbe(error, Math.min(PROBE_MAX_MS, delayMs * 2));
    }
  }

  #stop(): void {
    if (this.#health.kind === 'down') clearTimeout(this.#health.timer);
    this.#health = { kind: 'closed' };
    clearInterval(this.#sweep);
    for (const worker of this.#idle.splice(0)) worker.connection.destroy();
  }
}
