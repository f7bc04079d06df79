/**
 * The workers behind one address: how many are ours, which are idle, whether they can be reached.
 * Never opens more connections than there are workers (invariant 1): each slot stands for one worker and stays
 * taken until that worker is free. A new connection is opened only when none is idle, so slots bound them all.
 */

import { formatAddress } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import type { Cores } from './cores.ts';
import { Line } from './line.ts';
import { type Lacks, lacks } from './places.ts';
import { type Placed, type Slot, type SlotOwner, WorkerSlot } from './slot.ts';
import { openWorker, type Worker, type WorkerSource } from './worker.ts';

export type { Slot } from './slot.ts';

export interface BackendOptions extends WorkerSource {
  readonly workers: number;
  readonly idleMs: number;
  /** Connections that stay open for longer. */
  readonly keepIdle: number;
  /** Its php-fpm starts workers as connections come. */
  readonly forksOnDemand: boolean;
  /** Short calls may stand behind others on a worker: only on unix sockets of our own, where a worker's end is proof. */
  readonly pipelines: boolean;
  /** Of this machine, where the workers run on it. */
  readonly cores: Cores | undefined;
  readonly log: Log;
  /** A slot has become free, or the address reachable again. */
  readonly onFree: () => void;
}

export interface BackendStatus {
  readonly address: string;
  readonly up: boolean;
  readonly workers: number;
  readonly taken: number;
  /** Calls that stand behind others on their workers. */
  readonly behind: number;
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
  readonly #idle: Line[] = [];
  readonly #busy = new Set<Line>();
  readonly #slots = new Set<WorkerSlot>();
  /** Workers with calls, and those that are being connected for one. */
  #taken = 0;
  /** Of them those taken by slow calls. */
  #slowWorkers = 0;
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
    return this.up ? this.options.workers - this.#taken : 0;
  }

  /** `late`: taken slots whose caller has given up and whose worker is not free yet. */
  get status(): BackendStatus {
    return {
      address: formatAddress(this.options.address),
      up: this.up,
      workers: this.options.workers,
      taken: this.#taken,
      behind: this.#slots.size - this.#taken,
      late: [...this.#slots].filter((slot) => slot.late).length,
      idleConnections: this.#idle.length,
    };
  }

  /** What this call lacks to occupy a worker. */
  lacks({ workload, awaited }: Placed, quickCallsAround: boolean): Lacks {
    const { workers, cores } = this.options;
    const slowWorkers = this.#slowWorkers;
    return lacks({ workload, awaited, workers, freeWorkers: this.free, slowWorkers, cores, quickCallsAround });
  }

  /** A worker of its own, which must be free. `onFreed` runs once, when it is free again. */
  take(placed: Placed, onFreed: () => void): Slot {
    const line = this.#popIdle();
    const slot = new WorkerSlot(this, line, placed, onFreed);
    this.#taken += 1;
    if (slot.isSlow) this.#slowWorkers += 1;
    this.options.cores?.take(slot);
    if (line !== undefined) this.#busy.add(line);
    this.#slots.add(slot);
    return slot;
  }

  /** A place behind others that together take no longer than this, or undefined. */
  takeBehind(placed: Placed, maxMs: number, onFreed: () => void): Slot | undefined {
    if (!this.options.pipelines || !this.up || !placed.mayShare || !placed.workload.isShort) return undefined;
    const nowMs = performance.now();
    let best: Line | undefined;
    for (const line of this.#busy) {
      if (line.hasRoom(nowMs, maxMs) && (best === undefined || line.places < best.places)) best = line;
    }
    if (best === undefined) return undefined;
    const slot = new WorkerSlot(this, best, placed, onFreed);
    this.#slots.add(slot);
    return slot;
  }

  /** Opens one worker and keeps it: proves that calls will work. Rejects with `pool-unavailable`. */
  async probe(): Promise<Worker> {
    const line = await this.#openLine();
    this.#park(line);
    return line.worker;
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

  async obtain(): Promise<Line> {
    const line = await this.#obtain();
    this.#busy.add(line);
    return line;
  }

  rest(line: Line): void {
    if (line.rest()) this.options.cores?.give(line.taken);
  }

  resume(line: Line): void {
    if (line.resume()) this.options.cores?.take(line.taken);
  }

  freed(slot: WorkerSlot, line: Line | undefined): void {
    this.#slots.delete(slot);
    // What is behind it runs now, or the line gives back all it took.
    if (line !== undefined) this.resume(line);
    if (line === undefined || line.leave(slot)) {
      const taken = line?.taken ?? slot;
      this.#taken -= 1;
      if (taken.isSlow) this.#slowWorkers -= 1;
      if (line !== undefined) {
        this.#busy.delete(line);
        this.#park(line);
      }
      this.options.cores?.give(taken);
    }
    if (this.#health.kind === 'closed' && this.#slots.size === 0) this.#drained?.();
    this.options.onFree();
  }

  async #obtain(): Promise<Line> {
    if (!this.options.forksOnDemand) return await this.#open();
    // FPM forks one worker for several connections that come together and leaves the others in its backlog.
    const opened = this.#lastOpened.then(() => this.#popIdle() ?? this.#open());
    this.#lastOpened = opened.catch(() => {});
    return await opened;
  }

  #park(line: Line): void {
    if (this.#health.kind === 'closed') {
      line.destroy();
      return;
    }
    if (line.usable) this.#idle.push(line);
  }

  #popIdle(): Line | undefined {
    for (let line = this.#idle.pop(); line; line = this.#idle.pop()) {
      if (line.usable) return line;
    }
    return undefined;
  }

  async #open(): Promise<Line> {
    // Whoever waited for its turn to connect need not find out again, each for a connectTimeoutMs.
    if (this.#health.kind === 'down') throw this.#health.error;
    try {
      return await this.#openLine();
    } catch (error) {
      this.#markDown(error);
      throw error;
    }
  }

  async #openLine(): Promise<Line> {
    const line = new Line(await openWorker(this.options), this.options);
    line.sinceMs = performance.now();
    // Once for its life: each further reaction would stay in memory as long as the connection does.
    void line.worker.connection.closed.then(() => this.#forget(line));
    return line;
  }

  #forget(line: Line): void {
    line.destroy();
    const at = this.#idle.indexOf(line);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  #closeUnused(): void {
    const before = performance.now() - this.options.idleMs;
    const unused = this.#idle.filter(({ sinceMs }) => sinceMs < before);
    const surplus = Math.max(0, this.#idle.length - this.options.keepIdle);
    for (const line of unused.slice(0, surplus)) this.#forget(line);
    // request_terminate_timeout counts the idle time of a kept connection, too: a ping starts its clock anew.
    for (const { worker } of unused.slice(surplus)) void worker.connection.ping();
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
      const line = await this.#openLine();
      if (this.#health.kind === 'down') this.#health = { kind: 'up' };
      this.#park(line);
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
    for (const line of this.#idle.splice(0)) line.destroy();
  }
}
