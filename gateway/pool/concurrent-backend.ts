/**
 * Concurrent workers: each runs many calls at once, each call in a Fiber. A call takes the part of a worker that its
 * contract's `concurrency` says, of the worker that has most left; those that others wait for have as much again, and
 * a few in reserve beyond that.
 */
import { GatewayError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Backend, BackendStatus } from './backend.ts';
import type { ConcurrentLine } from './concurrent-line.ts';
import type { Meta } from './envelope.ts';
import type { Lacks } from './places.ts';
import { type Placed, type Slot, type SlotOwner, WorkerSlot } from './slot.ts';
import { Slots } from './slots.ts';
import type { WarmSupply } from './warm-supply.ts';
import type { Worker } from './worker.ts';

export interface ConcurrentBackendOptions {
  /** For people. */
  readonly address: string;
  readonly connectTimeoutMs: number;
  readonly log: Log;
  readonly onFree: () => void;
}

const FROM_OUTSIDE = { workerShare: 0, awaited: false };
export class ConcurrentBackend implements Backend, SlotOwner {
  readonly options: ConcurrentBackendOptions;
  readonly #supply: WarmSupply<ConcurrentLine>;
  readonly #slots = new Slots();
  /** What a call was refused that others wait for. */
  #largestShare = 0;

  constructor(options: ConcurrentBackendOptions, supply: WarmSupply<ConcurrentLine>) {
    this.options = options;
    this.#supply = supply;
  }

  get up(): boolean {
    return this.#supply.up;
  }

  get free(): number {
    let free = 0;
    for (const line of this.#supply.lines) if (line.roomFor(FROM_OUTSIDE) > 0) free += 1;
    return free;
  }

  /** For the largest of those that asked: one that waits while smaller ones have room waits for what they wait for. */
  get isFull(): boolean {
    const largest = { workerShare: this.#largestShare, awaited: true };
    for (const line of this.#supply.lines) if (line.roomFor(largest) >= 0) return false;
    return true;
  }

  get calls(): number {
    return this.#slots.size;
  }

  get status(): BackendStatus {
    return {
      address: this.options.address,
      up: this.up,
      workers: this.#supply.workers,
      taken: [...this.#supply.lines].filter(({ places }) => places > 0).length,
      calls: this.#slots.size,
      behind: 0,
      late: this.#slots.late,
      idleConnections: this.#supply.idle,
    };
  }

  lacks(placed: Placed): Lacks {
    if (this.#roomiest(placed) !== undefined) return 'nothing';
    if (placed.awaited) this.#largestShare = Math.max(this.#largestShare, 1 / placed.workload.concurrency);
    return 'worker';
  }

  take(placed: Placed, onFreed: () => void): Slot {
    return this.#takeOn(this.#roomiest(placed), placed, onFreed);
  }

  /** Nobody stands behind others here. */
  takeBehind(): undefined {
    return undefined;
  }

  /** There is a worker that takes calls, however many it has. */
  get takesMore(): boolean {
    return this.#emptiest() !== undefined;
  }

  /** A place beyond those there are: throws where there are none. */
  takeMore(placed: Placed, onFreed: () => void): Slot {
    return this.#takeOn(this.#emptiest(), placed, onFreed);
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

  obtain(): Promise<ConcurrentLine> {
    return Promise.reject(new GatewayError('internal-error', 'A call took no place on a concurrent worker.'));
  }

  /** A Fiber that waits takes no CPU, and nobody counts what it takes. */
  rest(): void {}

  resume(): void {}

  freed(slot: WorkerSlot, line: ConcurrentLine | undefined): void {
    this.#slots.delete(slot);
    if (line?.leave(slot)) this.#supply.park(line);
    this.options.onFree();
  }

  told(line: ConcurrentLine, meta: Meta): void {
    this.#supply.told(line, meta);
  }

  #takeOn(line: ConcurrentLine | undefined, placed: Placed, onFreed: () => void): Slot {
    if (line === undefined) throw new GatewayError('internal-error', 'There is no place on a concurrent worker.');
    this.#supply.claim(line);
    const slot = new WorkerSlot(this, line, placed, onFreed);
    this.#slots.add(slot);
    return slot;
  }

  #emptiest(): ConcurrentLine | undefined {
    let best: ConcurrentLine | undefined;
    for (const line of this.#supply.lines)
      if (line.usable && (best === undefined || line.places < best.places)) best = line;
    return best;
  }

  #roomiest({ workload, awaited }: Placed): ConcurrentLine | undefined {
    const share = { workerShare: 1 / workload.concurrency, awaited };
    let best: ConcurrentLine | undefined;
    let most = -1;
    for (const line of this.#supply.lines) {
      const room = line.roomFor(share);
      if (room <= most) continue;
      best = line;
      most = room;
    }
    return best;
  }
}

/** Places for calls that all others would wait for, for ever (invoke/nesting.ts). They need no workers of their own. */
export class ConcurrentReserve implements Backend {
  readonly #backend: ConcurrentBackend;
  readonly #places: number;
  #taken = 0;

  constructor(backend: ConcurrentBackend, places: number) {
    this.#backend = backend;
    this.#places = places;
  }

  get up(): boolean {
    return this.#backend.up;
  }

  get free(): number {
    return this.#backend.takesMore ? this.#places - this.#taken : 0;
  }

  get isFull(): boolean {
    return this.free <= 0;
  }

  get calls(): number {
    return this.#taken;
  }

  get status(): BackendStatus {
    const address = `${this.#backend.options.address}.reserve`;
    const counts = { workers: this.#places, taken: this.#taken, calls: this.#taken };
    return { address, up: this.up, ...counts, behind: 0, late: 0, idleConnections: 0 };
  }

  lacks(): Lacks {
    return this.isFull ? 'worker' : 'nothing';
  }

  take(placed: Placed, onFreed: () => void): Slot {
    const slot = this.#backend.takeMore(placed, () => {
      this.#taken -= 1;
      onFreed();
    });
    this.#taken += 1;
    return slot;
  }

  takeBehind(): undefined {
    return undefined;
  }

  probe(): Promise<Worker> {
    return this.#backend.probe();
  }

  /** Its calls are the backend's. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {}
}
