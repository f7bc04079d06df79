/**
 * The workers behind one address: how many are ours, which are idle, whether they can be reached.
 * Never opens more connections than there are workers (invariant 1): each slot stands for one worker and stays
 * taken until that worker is free. A new connection is opened only when none is idle, so slots bound them all.
 */

import { formatAddress } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { ConnectedSupply, type ConnectedSupplyOptions } from './connected-supply.ts';
import type { Cores } from './cores.ts';
import type { Meta } from './envelope.ts';
import type { Line } from './line.ts';
import { type Lacks, lacks } from './places.ts';
import { type Placed, type Slot, type SlotOwner, WorkerSlot } from './slot.ts';
import { Slots } from './slots.ts';
import type { Supply } from './supply.ts';
import { openWorker, type Worker, type WorkerSource } from './worker.ts';

export type { Slot } from './slot.ts';

export interface BackendOptions {
  /** For people. */
  readonly address: string;
  /** At most. */
  readonly workers: number;
  /** Short calls may stand behind others on a worker: only on unix sockets of our own, where a worker's end is proof. */
  readonly pipelines: boolean;
  /** Of this machine, where the workers run on it. */
  readonly cores: Cores | undefined;
  readonly connectTimeoutMs: number;
  readonly log: Log;
  /** A slot has become free, or the address reachable again. */
  readonly onFree: () => void;
}

export interface BackendStatus {
  readonly address: string;
  readonly up: boolean;
  /** That there may be now. */
  readonly workers: number;
  readonly taken: number;
  /** Calls on its workers: those that run, and those that stand behind others. */
  readonly calls: number;
  /** Calls that stand behind others on their workers. */
  readonly behind: number;
  readonly late: number;
  readonly idleConnections: number;
}

/** The workers behind one address. */
export interface Backend {
  readonly up: boolean;
  /** Calls from outside that a worker could begin now. */
  readonly free: number;
  /** It can be reached, and has no place even for a call that others wait for. */
  readonly isFull: boolean;
  /** Calls that have a place here. */
  readonly calls: number;
  readonly status: BackendStatus;
  /** What this call lacks to occupy a worker. */
  lacks(placed: Placed, quickCallsAround: boolean): Lacks;
  /** A worker of its own, or its place among others, which must be free. `onFreed` runs once, when it is free again. */
  take(placed: Placed, onFreed: () => void): Slot;
  /** A place behind others that together take no longer than this, or undefined. */
  takeBehind(placed: Placed, maxMs: number, onFreed: () => void): Slot | undefined;
  /** Resolves with a worker that has answered: calls will work. Rejects with `pool-unavailable`. */
  probe(): Promise<Worker>;
  /** Ends when the calls that run have their answers. Idempotent. */
  close(): Promise<void>;
  /** Ends all connections now; calls that run fail as `worker-crashed`. */
  destroy(): void;
}

/** Workers that run one call at a time. */
export class SerialBackend implements Backend, SlotOwner {
  readonly options: BackendOptions;
  readonly #supply: Supply<Line>;
  readonly #busy = new Set<Line>();
  readonly #slots = new Slots();
  /** Workers with calls, and those that are being connected for one. */
  #taken = 0;
  /** Of them those taken by slow calls. */
  #slowWorkers = 0;

  constructor(options: BackendOptions, supply: Supply<Line>) {
    this.options = options;
    this.#supply = supply;
  }

  get up(): boolean {
    return this.#supply.up;
  }

  get free(): number {
    return this.up ? Math.min(this.options.workers, this.#supply.capacity) - this.#taken : 0;
  }

  get isFull(): boolean {
    return this.free <= 0;
  }

  get calls(): number {
    return this.#slots.size;
  }

  /** `late`: taken slots whose caller has given up and whose worker is not free yet. */
  get status(): BackendStatus {
    return {
      address: this.options.address,
      up: this.up,
      workers: Math.min(this.options.workers, this.#supply.workers),
      taken: this.#taken,
      calls: this.#slots.size,
      behind: this.#slots.size - this.#taken,
      late: this.#slots.late,
      idleConnections: this.#supply.idle,
    };
  }

  lacks({ workload, awaited }: Placed, quickCallsAround: boolean): Lacks {
    const { workers, cores } = this.options;
    const slowWorkers = this.#slowWorkers;
    return lacks({ workload, awaited, workers, freeWorkers: this.free, slowWorkers, cores, quickCallsAround });
  }

  take(placed: Placed, onFreed: () => void): Slot {
    const line = this.#supply.pop();
    const slot = new WorkerSlot(this, line, placed, onFreed);
    this.#taken += 1;
    if (slot.isSlow) this.#slowWorkers += 1;
    this.options.cores?.take(slot);
    if (line !== undefined) this.#busy.add(line);
    this.#slots.add(slot);
    return slot;
  }

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

  probe(): Promise<Worker> {
    return this.#supply.probe();
  }

  close(): Promise<void> {
    this.#supply.stop();
    return this.#slots.emptied();
  }

  destroy(): void {
    this.#supply.stop();
    this.#slots.destroy();
  }

  async obtain(): Promise<Line> {
    const line = await this.#supply.obtain();
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
        this.#supply.park(line);
      }
      this.options.cores?.give(taken);
    }
    this.options.onFree();
  }

  told(line: Line, meta: Meta): void {
    this.#supply.told(line, meta);
  }
}

export interface FpmBackendOptions
  extends Omit<BackendOptions, 'address'>,
    WorkerSource,
    Omit<ConnectedSupplyOptions, 'open' | 'onUp'> {}

/** The workers of a php-fpm, and where they come from. */
export const fpmWorkers = (options: FpmBackendOptions): { backend: SerialBackend; supply: ConnectedSupply } => {
  const open = (): Promise<Worker> => openWorker(options);
  const supply = new ConnectedSupply({ ...options, open, onUp: options.onFree });
  return { backend: new SerialBackend({ ...options, address: formatAddress(options.address) }, supply), supply };
};

export const fpmBackend = (options: FpmBackendOptions): SerialBackend => fpmWorkers(options).backend;
