/**
 * Which calls wait for which. A function that calls a function keeps its worker meanwhile, so the calls of a pool can
 * all come to wait for each other. This finds whom to help, and tells workers whose call only waits. Pure.
 *
 * A call gets on if it runs and waits for nobody; if it waits for calls of which one gets on; or if it waits for a
 * worker in a pool where one is free, or where a call that has one gets on. What does not follow from this is stuck.
 *
 * The deepest of all stuck calls is helped first, with a worker that its pool keeps in reserve. A pool needs no more of
 * them than there can be levels below the first, limits.callDepthMax - 1, because a call that is helped is deeper than
 * all that have such a worker in its pool already. Suppose it is not: some call O there is at least as deep. O does
 * not get on, else the other would wait for its worker. So O waits for calls that do not get on, and each of these
 * is deeper than O; following them down ends at a stuck call that waits for a worker, and this one would be helped first.
 * The exception is a stream whose reader waits: each such stream may keep one of them, and what then gets none is refused.
 */
import type { Ancestry } from './ancestry.ts';

/** What a call has of a worker. */
export interface Held {
  /** It stands behind another call, which has the worker. */
  readonly isBehind: boolean;
  /** Its call waits for another one: it burns no CPU until `resume`. */
  rest(): void;
  resume(): void;
}

/** A call that waits for a worker. */
export interface Stuck {
  /** It gets a worker that is kept in reserve, or an error, at once. */
  rescue(): void;
}

const NONE: readonly string[] = [];

/** One call under way: from its beginning until it is answered and its worker free. */
export class OpenCall {
  readonly id: string;
  readonly name: string;
  /** The functions outside of it, the outermost first. */
  readonly outer: readonly string[];
  /** The call it was made in, if that one ran here then. */
  readonly parent: OpenCall | undefined;
  /** How many calls wait for it, one inside the other, each with a worker: 0 for those that nobody here waits for. */
  readonly level: number;
  /** Calls it waits for. */
  children: Set<OpenCall> | undefined;
  /** The one of them that goes before other calls. */
  first: OpenCall | undefined;
  /** Of its latest attempt. */
  held: Held | undefined;
  /** Workers it has, those of earlier attempts that are not free yet included. */
  workers = 0;
  /** Where it waits for a worker. */
  waits: { readonly pool: PoolCalls; readonly as: Stuck } | undefined;
  isAnswered = false;
  /** Its pool slept, and woke for it. */
  wokePool = false;
  /** Its output streams into this call, which takes it when it likes: it goes on only if that one does. */
  reader: OpenCall | undefined;

  constructor(id: string, name: string, outer: Ancestry | undefined, parent: OpenCall | undefined) {
    this.id = id;
    this.name = name;
    this.parent = parent;
    this.outer = parent === undefined ? (outer?.path ?? NONE) : [...parent.outer, parent.name];
    // A parent without a worker is at its next attempt: the one that asked is gone.
    this.level = outer?.awaited === true && parent?.held !== undefined ? parent.level + 1 : 0;
  }

  /**
   * Whether it goes before other calls: it frees the worker of the call it is in. One in each call does: the rest of many
   * at once wait their turn, else one caller's fan-out would keep everybody else from the pool.
   */
  claimFirst(): boolean {
    if (this.level === 0 || this.parent === undefined) return false;
    this.parent.first ??= this;
    return this.parent.first === this;
  }

  /** `live`: pools where those who wait get on. Ends, because children are deeper and readers outside of all of them. */
  getsOn(live: ReadonlySet<PoolCalls>): boolean {
    if (this.waits !== undefined) return live.has(this.waits.pool);
    if (this.reader !== undefined && !this.reader.getsOn(live)) return false;
    if (this.held === undefined || this.children === undefined || this.children.size === 0) return true;
    for (const child of this.children) if (child.getsOn(live)) return true;
    return false;
  }
}

/** The calls of one pool. */
export class PoolCalls {
  readonly holders = new Map<Held, OpenCall>();
  /** Those that others wait for. */
  readonly waiting = new Set<OpenCall>();
  readonly #isFull: () => boolean;

  /** `isFull`: there are workers, and none is free now. A pool that is down, or asleep, is no matter of calls. */
  constructor(isFull: () => boolean) {
    this.#isFull = isFull;
  }

  /** Sooner or later one of its workers is free. */
  getsOn(live: ReadonlySet<PoolCalls>): boolean {
    if (!this.#isFull()) return true;
    for (const [held, call] of this.holders) {
      if (held.isBehind) continue;
      // Of an earlier attempt, or behind an answer nobody reads: it is being ended, or works on by itself.
      if (call.held !== held || call.getsOn(live)) return true;
    }
    return false;
  }
}

export class Nesting {
  readonly #calls = new Map<string, OpenCall>();
  readonly #pools: PoolCalls[] = [];
  #waiting = 0;
  readonly #onEmptied: (() => void)[] = [];

  addPool(isFull: () => boolean): PoolCalls {
    const pool = new PoolCalls(isFull);
    this.#pools.push(pool);
    return pool;
  }

  /** Resolves when no call is under way. */
  async emptied(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => this.#onEmptied.push(resolve));
  }

  begin(id: string, name: string, outer: Ancestry | undefined): OpenCall {
    const parent = outer === undefined ? undefined : this.#calls.get(outer.callId);
    const call = new OpenCall(id, name, outer, parent);
    this.#calls.set(id, call);
    if (parent === undefined || call.level === 0) return call;
    parent.children ??= new Set();
    parent.children.add(call);
    if (parent.children.size === 1) parent.held?.rest();
    return call;
  }

  waits(call: OpenCall, pool: PoolCalls, as: Stuck): void {
    if (call.level === 0) return;
    call.waits = { pool, as };
    pool.waiting.add(call);
    this.#waiting += 1;
  }

  /** It has a worker, or has given up. */
  waitsNoMore(call: OpenCall): void {
    if (call.waits === undefined) return;
    call.waits.pool.waiting.delete(call);
    call.waits = undefined;
    this.#waiting -= 1;
  }

  holds(call: OpenCall, pool: PoolCalls, held: Held): void {
    call.held = held;
    call.workers += 1;
    // What an earlier attempt waited for, this one does not.
    call.children = undefined;
    call.first = undefined;
    pool.holders.set(held, call);
  }

  /** Its worker is about to be free: whoever gets it looks for stuck calls then. */
  freed(call: OpenCall, pool: PoolCalls, held: Held): void {
    pool.holders.delete(held);
    call.workers -= 1;
    if (call.held === held) {
      call.held = undefined;
      call.reader = undefined;
    }
    this.#forget(call);
  }

  /** Nobody waits for it any more. `streams`: what it puts out is read from now on. */
  answered(call: OpenCall, streams: boolean): void {
    call.isAnswered = true;
    const { parent } = call;
    if (parent !== undefined && call.level > 0) {
      parent.children?.delete(call);
      if (parent.first === call) parent.first = undefined;
      if (parent.children?.size === 0 && parent.reader === undefined) parent.held?.resume();
      if (streams && call.held !== undefined) {
        call.reader = parent;
        // At its reader's pace, and not at all while that one waits: its CPU must not be missing elsewhere.
        call.held.rest();
      }
    }
    this.#forget(call);
    this.relieve();
  }

  /** Helps those that would wait for ever. */
  relieve(): void {
    if (this.#waiting === 0) return;
    for (let call = this.#deepestStuck(); call !== undefined; call = this.#deepestStuck()) call.waits?.as.rescue();
  }

  #deepestStuck(): OpenCall | undefined {
    const live = new Set<PoolCalls>();
    for (let before = -1; before < live.size; ) {
      before = live.size;
      for (const pool of this.#pools) if (!live.has(pool) && pool.getsOn(live)) live.add(pool);
    }
    let deepest: OpenCall | undefined;
    for (const pool of this.#pools) {
      if (live.has(pool)) continue;
      // Of several the last: with it the circle was closed.
      for (const call of pool.waiting) if (deepest === undefined || call.level >= deepest.level) deepest = call;
    }
    return deepest;
  }

  #forget(call: OpenCall): void {
    if (!call.isAnswered || call.workers > 0) return;
    this.#calls.delete(call.id);
    if (this.#calls.size > 0) return;
    for (const emptied of this.#onEmptied.splice(0)) emptied();
  }
}
