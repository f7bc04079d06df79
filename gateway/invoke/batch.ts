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
  readonly deadline: Deadline;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
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
  /** Those with items first in turn first. */
  readonly #lanes = new Map<string, Lane>();
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

  /** Why nothing begins any more. */
  get stopped(): GatewayError | undefined {
    return this.#stopped;
  }

  add(item: BatchItem): void {
    if (this.#stopped !== undefined) {
      this.#cancel(item, this.#stopped);
      return;
    }
    const lane = this.#laneOf(item.function);
    lane.held.add(item);
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
    for (const { held } of this.#lanes.values()) {
      for (const item of held) this.#cancel(item, error);
      held.clear();
    }
    this.#held = 0;
    this.#heldBytes = 0;
    for (const call of this.#running) call.leave();
    this.#tell();
  }

  /** There may be room for results again. */
  goOn(): void {
    if (this.#held > 0) this.#pump();
  }

  get #hasRoom(): boolean {
    return this.#held < HELD_MAX && this.#heldBytes < HELD_MAX_BYTES;
  }

  #laneOf(name: string): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      const cap = this.#options.functions.get(name)?.concurrency ?? Number.POSITIVE_INFINITY;
      lane = { cap, held: new Set(), inFlight: 0, waiting: 0 };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #pump(): void {
    while (this.#running.size < this.#options.concurrency) {
      const next = this.#next();
      if (next === undefined) break;
      this.#begin(next.item, next.lane);
    }
    this.#tell();
  }

  /** The first item of the lane whose turn it is. */
  #next(): { readonly item: BatchItem; readonly lane: Lane } | undefined {
    for (const [name, lane] of this.#lanes) {
      const [item] = lane.held;
      if (item === undefined || lane.inFlight >= lane.cap || lane.waiting >= WAITING_MAX) continue;
      if (!this.#options.mayStart(item.index)) continue;
      lane.held.delete(item);
      // The others have their turn before it has another.
      if (this.#lanes.size > 1) {
        this.#lanes.delete(name);
        this.#lanes.set(name, lane);
      }
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
      // Told in the middle of admission, which must not be entered anew from there.
      if (!waits) this.#pumpSoon();
    };
    const call = new ItemCall(item, this.#options.calls, { deadline: this.#options.deadline, onWaiting });
    this.#running.add(call);
    void call.run(() => this.#stopped).then((ended) => this.#ended(call, lane, ended));
  }

  #ended(call: ItemCall, lane: Lane, ended: EndedItem): void {
    this.#running.delete(call);
    lane.inFlight -= 1;
    this.#options.onEnded(ended);
    if (ended.status === 'failed') this.#stopAfterError(ended.item.index);
    if (this.#stopped === undefined) this.#pump();
    this.#tell();
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

  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      if (this.#held > 0) this.#pump();
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
