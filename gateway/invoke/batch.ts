/**
 * Many calls made as one. Each item is a call of its own, on the same walk as any other; the batch says only when it
 * begins. It never stands in line for others with more than a few calls of a function, so that whoever calls beside it
 * is soon served, and no function's items hold up those of another.
 */
import type { Deadline } from '../deadline.ts';
import { GatewayError } from '../errors.ts';
import type { SpanContext } from '../trace/traceparent.ts';
import type { GatewayFunction } from './function.ts';
import { type EndedItem, ItemCall, type ItemCalls } from './item-call.ts';

export interface BatchItem {
  /** Its position in the batch, from 0. */
  readonly index: number;
  readonly id: string;
  readonly function: string;
  /** Which of a function's scripts, '' for the function itself. */
  readonly script: string;
  readonly input: unknown;
  /** From its turn on, ms; undefined: what its contract and the batch allow. */
  readonly timeoutMs: number | undefined;
  readonly idempotencyKey: string | undefined;
  /** Whose call it is, where that is not the caller of the batch. */
  readonly caller: SpanContext | undefined;
  /** As sent: what it takes while it waits. */
  readonly bytes: number;
}

export interface BatchOptions {
  /** Items in flight at once. */
  readonly concurrency: number;
  /** An item that fails keeps those that have not begun from running. */
  readonly stopOnError: boolean;
  readonly deadline: Pick<Deadline, 'remainingMs'>;
  /** What stops it when that has passed. */
  readonly tooLate: () => GatewayError;
  readonly functions: ReadonlyMap<string, Pick<GatewayFunction, 'inFlightMax'>>;
  readonly calls: ItemCalls;
  /** Told of each item once, in the order in which they end. */
  readonly onEnded: (ended: EndedItem) => void;
  /** Whether there is room for the result of this item; when that changes, call `goOn()`. */
  readonly mayStart: (index: number) => boolean;
}

/** Calls of one function that may wait for a worker at once: enough for each worker that becomes free to find one. */
const WAITING_MAX = 8;
/** Read ahead of those in flight: enough to find work for every function, little to hold. */
const HELD_MAX = 100;
const HELD_MAX_BYTES = 4 * 1_048_576;

/** The items of one function. */
interface Lane {
  readonly cap: number;
  /** A Set keeps order and is cheap at its front. */
  readonly held: Set<BatchItem>;
  inFlight: number;
  /** Of them those that wait for a worker. */
  waiting: number;
}

export class Batch {
  readonly #options: BatchOptions;
  readonly #lanes = new Map<string, Lane>();
  /** Those with items that are held, first in turn first. */
  readonly #ready = new Set<Lane>();
  readonly #running = new Set<ItemCall>();
  #held = 0;
  #heldBytes = 0;
  #stopped: GatewayError | undefined;
  #pumpIsDue = false;
  #room: (() => void) | undefined;
  #idle: (() => void) | undefined;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Why nothing begins any more. What its time ends may hear of that before the timer of the batch does. */
  get stopped(): GatewayError | undefined {
    if (this.#stopped === undefined && this.#options.deadline.remainingMs() === 0) this.stop(this.#options.tooLate());
    return this.#stopped;
  }

  add(item: BatchItem): void {
    if (this.#stopped !== undefined) {
      this.#cancel(item, this.#stopped);
      return;
    }
    const lane = this.#laneOf(item.function);
    lane.held.add(item);
    this.#ready.add(lane);
    this.#held += 1;
    this.#heldBytes += item.bytes;
    this.#pump();
  }

  /** Resolves when another item may be added; undefined: now. */
  room(): Promise<void> | undefined {
    if (this.#hasRoom) return undefined;
    return new Promise((resolve) => (this.#room = resolve));
  }

  /** Resolves when every item that was added has ended. */
  async ended(): Promise<void> {
    if (this.#held + this.#running.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** What has not begun never will. Running calls go on to their end. */
  stop(error: GatewayError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    for (const { held } of this.#ready) {
      for (const item of held) this.#cancel(item, error);
      held.clear();
    }
    this.#ready.clear();
    this.#held = 0;
    this.#heldBytes = 0;
    for (const call of this.#running) call.leave();
    this.#tell();
  }

  /** Nobody reads its results any more: running calls are left by their caller, too. */
  abandon(error: GatewayError): void {
    this.stop(error);
    for (const call of this.#running) call.abandon();
  }

  /** There may be room for results again. */
  goOn(): void {
    if (this.#held > 0) this.#pump();
  }

  get #hasRoom(): boolean {
    return this.#held < HELD_MAX && this.#heldBytes < HELD_MAX_BYTES;
  }

  /** Names nobody knows share one: as many as callers write would have to be looked at for each item. */
  #laneOf(name: string): Lane {
    const fn = this.#options.functions.get(name);
    const key = fn === undefined ? '' : name;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { cap: fn?.inFlightMax ?? Number.POSITIVE_INFINITY, held: new Set(), inFlight: 0, waiting: 0 };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #pump(): void {
    while (this.#stopped === undefined && this.#running.size < this.#options.concurrency) {
      const next = this.#next();
      if (next === undefined) break;
      this.#begin(next.item, next.lane);
    }
    this.#tell();
  }

  /** The first item of the lane whose turn it is. */
  #next(): { readonly item: BatchItem; readonly lane: Lane } | undefined {
    for (const lane of this.#ready) {
      const [item] = lane.held;
      if (item === undefined || lane.inFlight >= lane.cap || lane.waiting >= WAITING_MAX) continue;
      if (!this.#options.mayStart(item.index)) continue;
      lane.held.delete(item);
      // The others have their turn before it has another.
      this.#ready.delete(lane);
      if (lane.held.size > 0) this.#ready.add(lane);
      return { item, lane };
    }
    return undefined;
  }

  #begin(item: BatchItem, lane: Lane): void {
    this.#held -= 1;
    this.#heldBytes -= item.bytes;
    lane.inFlight += 1;
    const onWaiting = (waits: boolean): void => {
      lane.waiting += waits ? 1 : -1;
      if (!waits) this.#pumpSoon();
    };
    const { calls, deadline } = this.#options;
    const call = new ItemCall(item, calls, { deadline, stopped: () => this.stopped, onWaiting });
    this.#running.add(call);
    void call.run().then((ended) => this.#ended(call, lane, ended));
  }

  #ended(call: ItemCall, lane: Lane, ended: EndedItem): void {
    this.#running.delete(call);
    lane.inFlight -= 1;
    const { onEnded, calls } = this.#options;
    try {
      onEnded(ended);
    } finally {
      // What failed at the deadline failed for that.
      if (ended.status === 'failed' && this.stopped === undefined) this.#stopAfterError(ended.item.index);
      calls.turns.pass(ended.item.function);
      this.#pumpSoon();
    }
  }

  /** For an item that could not even be read, too. */
  failed(index: number): void {
    this.#stopAfterError(index);
  }

  #stopAfterError(index: number): void {
    if (this.#options.stopOnError)
      this.stop(new GatewayError('batch-stopped', `The batch stopped at item ${index}, which failed (stopOnError).`));
  }

  #cancel(item: BatchItem, error: GatewayError): void {
    this.#options.onEnded({ item, status: 'cancelled', error, trace: undefined });
  }

  /**
   * Behind all that has come from PHP by now: whoever else waits has had its turn, what has ended is on its way to the
   * caller, and what begins goes to PHP in fewer writes.
   */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    setImmediate(() => {
      this.#pumpIsDue = false;
      this.#pump();
    });
  }

  #tell(): void {
    if (this.#room !== undefined && this.#hasRoom) {
      const resolve = this.#room;
      this.#room = undefined;
      resolve();
    }
    if (this.#idle !== undefined && this.#held + this.#running.size === 0) {
      const resolve = this.#idle;
      this.#idle = undefined;
      resolve();
    }
  }
}
