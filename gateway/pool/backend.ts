/**
 * The workers behind one address: how many are ours, which are idle, whether they can be reached.
 * Never opens more connections than there are workers (invariant 1): each slot stands for one worker and stays
 * taken until that worker is free, which may be later than its caller's patience (invariant 2).
 */

import { GatewayError } from '../errors.ts';
import { type CgiResponse, collect, type Exchange, formatAddress, type ResponseLimits } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { openWorker, stopWorker, type Worker, type WorkerSource } from './worker.ts';

export interface BackendOptions extends WorkerSource {
  readonly workers: number;
  readonly idleMs: number;
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

export interface SlotRequest {
  readonly encodedParams: Buffer;
  readonly params: [string, string][];
  readonly body: Buffer;
  readonly limits: ResponseLimits;
  /** How long PHP may run. */
  readonly timeLimitMs: number;
}

/** The right to occupy one worker for one attempt. */
export interface Slot {
  /** Resolves with the worker once one is connected; rejects with `pool-unavailable`, executed: no. */
  connect(): Promise<Worker>;
  /** Runs one request on the connected worker; rejects with a GatewayError whose `executed` is proved. */
  run(request: SlotRequest): Promise<CgiResponse>;
  /** Gives the slot back; it is free when the worker is. `doubtful`: the worker may still be busy behind its answer. */
  release(doubtful: boolean): void;
}

const PROBE_FIRST_MS = 50;
const PROBE_MAX_MS = 1000;

type Health =
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

export class Backend {
  readonly options: BackendOptions;
  #health: Health = { kind: 'up' };
  /** The most recently used last: the oldest can go. */
  readonly #idle: Worker[] = [];
  readonly #slots = new Set<BackendSlot>();
  #drained: (() => void) | undefined;
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
    const slot = new BackendSlot(this, onFreed);
    this.#slots.add(slot);
    return slot;
  }

  /** Opens one worker and keeps it: proves that calls will work. Rejects with `pool-unavailable`. */
  async probe(): Promise<Worker> {
    const worker = await openWorker(this.options);
    this.park(worker);
    return worker;
  }

  /** Ends when the calls that run have their answers. */
  async close(): Promise<void> {
    this.#stop();
    if (this.#slots.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Ends all connections now; calls that run fail as `worker-crashed`. */
  destroy(): void {
    this.#stop();
    for (const slot of this.#slots) slot.destroy();
  }

  /** For slots: an idle worker or a new one. */
  async obtain(): Promise<Worker> {
    for (let worker = this.#idle.pop(); worker; worker = this.#idle.pop()) {
      if (worker.connection.usable) return worker;
    }
    try {
      return await openWorker(this.options);
    } catch (error) {
      this.#markDown(error);
      throw error;
    }
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
    void worker.connection.closed.then(() => this.#forget(worker));
  }

  /** For slots: its worker is free. */
  freed(slot: BackendSlot): void {
    this.#slots.delete(slot);
    if (this.#health.kind === 'closed' && this.#slots.size === 0) this.#drained?.();
    this.options.onFree();
  }

  #forget(worker: Worker): void {
    const at = this.#idle.indexOf(worker);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  #closeUnused(): void {
    const before = performance.now() - this.options.idleMs;
    for (const worker of this.#idle.filter((idle) => idle.idleSinceMs < before)) {
      this.#forget(worker);
      worker.connection.destroy();
    }
  }

  /** Offers no slots until a probe succeeds, so that calls wait in the gateway's queue and not in a retry loop. */
  #markDown(error: unknown): void {
    if (this.#health.kind !== 'up') return;
    this.options.log.warn({ err: error }, 'pool unreachable: calls wait while the gateway keeps trying');
    this.#scheduleProbe(PROBE_FIRST_MS);
  }

  #scheduleProbe(delayMs: number): void {
    const timer = setTimeout(() => void this.#probeAgain(delayMs), delayMs);
    this.#health = { kind: 'down', timer };
  }

  async #probeAgain(delayMs: number): Promise<void> {
    try {
      const worker = await openWorker(this.options);
      if (this.#health.kind === 'down') this.#health = { kind: 'up' };
      this.park(worker);
      this.options.log.info({}, 'pool reachable again');
      this.options.onFree();
    } catch {
      if (this.#health.kind === 'down') this.#scheduleProbe(Math.min(PROBE_MAX_MS, delayMs * 2));
    }
  }

  #stop(): void {
    if (this.#health.kind === 'down') clearTimeout(this.#health.timer);
    this.#health = { kind: 'closed' };
    clearInterval(this.#sweep);
    for (const worker of this.#idle.splice(0)) worker.connection.destroy();
  }
}

/** `held` by the attempt → `released` by it; free once no exchange is under way either. */
class BackendSlot implements Slot {
  readonly #backend: Backend;
  readonly #onFreed: () => void;
  #worker: Worker | undefined;
  #exchange: Exchange | undefined;
  #timeLimitMs = 0;
  #released = false;
  #doubtful = false;
  late = false;

  constructor(backend: Backend, onFreed: () => void) {
    this.#backend = backend;
    this.#onFreed = onFreed;
  }

  async connect(): Promise<Worker> {
    this.#worker ??= await this.#backend.obtain();
    return this.#worker;
  }

  async run(request: SlotRequest): Promise<CgiResponse> {
    const worker = await this.connect();
    const { connection, pings } = worker;
    const { encodedParams, body, limits, timeLimitMs } = request;
    const fastCgi = { encodedParams, params: request.params, body, ping: pings, keepConnection: true };
    const { exchange, response } = collect(connection, fastCgi, limits);
    this.#exchange = exchange;
    this.#timeLimitMs = timeLimitMs;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#becomeLate(worker);
        reject(timeoutError(timeLimitMs));
      }, timeLimitMs);
      response.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        this.#exchange = undefined;
        if (this.#released) void this.#free();
      });
    });
  }

  release(doubtful: boolean): void {
    if (this.#released) return;
    this.#released = true;
    this.#doubtful = doubtful;
    if (this.#exchange === undefined) void this.#free();
  }

  destroy(): void {
    this.#worker?.connection.destroy();
  }

  #becomeLate(worker: Worker): void {
    this.late = true;
    const stopped = stopWorker(worker);
    const message = stopped
      ? 'worker stopped: its call ran past the time limit'
      : 'worker cannot be stopped from here: its slot stays taken until it answers';
    this.#backend.options.log.warn({ pid: worker.facts.pid, stopped }, message);
  }

  async #free(): Promise<void> {
    const worker = this.#worker;
    if (worker !== undefined) {
      if (this.#doubtful) await this.#settle(worker);
      this.#backend.park(worker);
    }
    this.#onFreed();
    this.#backend.freed(this);
  }

  /** After `fastcgi_finish_request()` a worker is busy behind its answer: it is free once it answers a ping. */
  async #settle(worker: Worker): Promise<void> {
    if (!worker.pings) {
      worker.connection.destroy();
      return;
    }
    const timer = setTimeout(() => this.#becomeLate(worker), this.#timeLimitMs);
    await worker.connection.ping();
    clearTimeout(timer);
  }
}

const timeoutError = (timeLimitMs: number): GatewayError =>
  new GatewayError('function-timeout', `PHP did not answer within ${Math.round(timeLimitMs)} ms.`, {
    executed: 'unknown',
  });
