/**
 * One worker we hold and the calls written to it, which it serves strictly in this order. Watches the first: that it
 * begins, and that it ends in time. When the worker dies, those behind it have not begun, which their pings prove.
 */
import type { Exchange } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { DueTimer } from './due-timer.ts';
import { GRACE_MS } from './grace.ts';
import { askToEnd, holdWorker, letGo, stopWorker, type Worker } from './worker.ts';
import { LINE_MAX_CALLS, LINE_MAX_MS } from './workload.ts';

/** On a busy machine a healthy worker may take this long to come to its turn. */
const BEGIN_MIN_MS = 1000;
/** A first call that takes far longer than short ones do: nothing more is put behind it. */
const MOVING_MAX_MS = 5 * LINE_MAX_MS;
/** What nobody wants may run so long all the same: to let a short call end costs less than another worker. */
const UNWANTED_MAX_MS = MOVING_MAX_MS;

/** A call that was written and is not answered yet. */
export interface LineCall {
  readonly attemptId: string;
  readonly exchange: Exchange;
  /** How long PHP may run. */
  readonly timeLimitMs: number;
  /** When its caller waits no longer, on the `performance.now()` clock. */
  readonly givesUpAtMs: number;
  /** Its caller has been told so already. */
  readonly late: boolean;
  /** It is to be ended: nobody waits for it any more. */
  readonly unwanted: boolean;
  /** Its time is up: tells its caller. `hasBegun`: PHP had it; else it still stood behind others. */
  giveUp(hasBegun: boolean): void;
  /** It was to be ended, and its worker cannot be. */
  cannotBeEnded(): void;
}

/** What a call takes up while it has its place. */
interface Share {
  /** Mean time it takes, ms. */
  readonly expectedMs: number;
  /** Of a core. */
  readonly cpuShare: number;
  readonly isSlow: boolean;
}

/** What a slot asks for. */
export interface Place extends Share {
  /** Of a concurrent worker: what one call of this function takes of it. */
  readonly workerShare: number;
  /** Another call waits for it. */
  readonly awaited: boolean;
}

/** One worker we hold, as the slots of its calls see it. */
export interface WorkerLine {
  readonly worker: Worker;
  readonly usable: boolean;
  /** Calls that have a place here, written or not yet; 0: it is idle. */
  readonly places: number;
  /** Since when it is idle, if it is; on the `performance.now()` clock. */
  readonly sinceMs: number;
  /** Something was written to it and is not answered. */
  readonly isServing: boolean;
  /** Each call runs beside the others, in a Fiber: none can be ended with the worker alone. */
  readonly isConcurrent: boolean;
  /** Its turn has come. */
  isRunning(call: LineCall | undefined): boolean;
  join(place: Place, mayShare: boolean): void;
  /** True when it is idle now. */
  leave(place: Place): boolean;
  begin(call: LineCall): void;
  /** `refused`: it never began, for want of memory. */
  end(call: LineCall, refused: boolean): void;
  /** One of its calls is. */
  unwanted(): void;
  /** No further calls. */
  keepOthersAway(): void;
  destroy(): void;
}

const NOTHING: Share = { expectedMs: 0, cpuShare: 0, isSlow: false };

export interface LineOptions {
  readonly log: Log;
  readonly connectTimeoutMs: number;
}

/** Its calls run one after the other, in the order written. */
export class Line implements WorkerLine {
  readonly isConcurrent = false;
  readonly worker: Worker;
  readonly #options: LineOptions;
  /** Written and unanswered, the running one first. */
  readonly #calls: LineCall[] = [];
  /** Calls that have a place here, written or not yet; 0: it is idle. */
  #places = 0;
  /** Mean time they take together, ms. */
  #expectedMs = 0;
  /** Others may stand behind the first. */
  #shared = false;
  /** Since when the first call runs, or the line is idle; on the `performance.now()` clock. */
  sinceMs = performance.now();
  /** What the first call took, given back when the line is idle: one call runs at a time. */
  #taken: Share = NOTHING;
  /** Its first call only waits for another one: what it took of the CPU is given back meanwhile. */
  #rests = false;
  #stopping = false;
  readonly #due = new DueTimer(() => this.#strike());

  constructor(worker: Worker, options: LineOptions) {
    this.worker = worker;
    this.#options = options;
  }

  get usable(): boolean {
    return this.worker.connection.usable;
  }

  get places(): number {
    return this.#places;
  }

  /** Of the CPU, and of the workers that slow calls may have. */
  get taken(): Pick<Share, 'cpuShare' | 'isSlow'> {
    return this.#taken;
  }

  isRunning(call: LineCall | undefined): boolean {
    return this.#calls[0] === call;
  }

  /** False: it is so already. */
  rest(): boolean {
    const begins = !this.#rests;
    this.#rests = true;
    return begins;
  }

  /** False: it did not rest. */
  resume(): boolean {
    const ends = this.#rests;
    this.#rests = false;
    return ends;
  }

  /** Something was written to it and is not answered. */
  get isServing(): boolean {
    return this.#calls.length > 0;
  }

  /** A place for its first call, or behind others. `mayShare`: others may stand behind it, if it is the first. */
  join(share: Share, mayShare: boolean): void {
    if (this.#places === 0) {
      this.#shared = mayShare;
      this.#taken = share;
    }
    this.#places += 1;
    this.#expectedMs += share.expectedMs;
  }

  /** True when it is idle now. */
  leave({ expectedMs }: Pick<Share, 'expectedMs'>): boolean {
    this.#places -= 1;
    this.#expectedMs = this.#places === 0 ? 0 : this.#expectedMs - expectedMs;
    if (this.#places > 0) return false;
    this.#shared = false;
    this.sinceMs = performance.now();
    return true;
  }

  /** Whether another short call may be put behind those that are here, if together they take no longer than this. */
  hasRoom(nowMs: number, maxMs: number): boolean {
    return (
      this.#shared &&
      !this.#stopping &&
      // Its first call takes as long as another one does.
      !this.#rests &&
      this.#places < LINE_MAX_CALLS &&
      this.#expectedMs <= maxMs &&
      (this.#calls.length === 0 || nowMs - this.sinceMs < MOVING_MAX_MS) &&
      this.worker.pings &&
      this.usable
    );
  }

  /** From now on nobody is put behind those that are here. */
  keepOthersAway(): void {
    this.#shared = false;
  }

  unwanted(): void {
    this.#due.watch(this.#nextDueMs());
  }

  /** Its request was written. */
  begin(call: LineCall): void {
    this.#calls.push(call);
    if (this.#calls.length === 1) this.sinceMs = performance.now();
    this.#due.watch(this.#dueOf(call, this.#calls.length === 1));
  }

  /** Its answer is in, or the connection has ended. */
  end(call: LineCall): void {
    const at = this.#calls.indexOf(call);
    if (at === -1) return;
    this.#calls.splice(at, 1);
    if (at > 0) return;
    this.#stopping = false;
    const [next] = this.#calls;
    if (next === undefined) return;
    this.sinceMs = performance.now();
    this.#due.watch(this.#dueOf(next, true));
  }

  destroy(): void {
    this.#due.stop();
    this.worker.connection.destroy();
  }

  #strike(): void {
    if (this.#nextDueMs() <= performance.now()) this.#enforce();
    this.#due.watch(this.#nextDueMs());
  }

  #beginLimitMs(): number {
    return Math.max(BEGIN_MIN_MS, this.#options.connectTimeoutMs);
  }

  /** Of the first. One whose caller left while it stood behind others has its whole time all the same. */
  #endsAtMs({ late, unwanted, givesUpAtMs, timeLimitMs }: LineCall): number {
    const limitMs = this.sinceMs + (unwanted ? Math.min(timeLimitMs, UNWANTED_MAX_MS) : timeLimitMs);
    return late ? limitMs : Math.min(limitMs, givesUpAtMs);
  }

  /** The next moment at which somebody's time is up. */
  #nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) dueMs = Math.min(dueMs, this.#dueOf(call, call === this.#calls[0]));
    return dueMs;
  }

  #dueOf(call: LineCall, isFirst: boolean): number {
    if (!isFirst) return call.late ? Number.POSITIVE_INFINITY : call.givesUpAtMs;
    const endsAtMs = this.#endsAtMs(call);
    if (this.#stopping) return call.late ? Number.POSITIVE_INFINITY : endsAtMs;
    return hasNotBegun(call) ? Math.min(endsAtMs, this.sinceMs + this.#beginLimitMs()) : endsAtMs;
  }

  #enforce(): void {
    const nowMs = performance.now();
    const [first, ...behind] = this.#calls;
    for (const call of behind) if (!call.late && call.givesUpAtMs <= nowMs) call.giveUp(false);
    if (first === undefined) return;
    if (this.#stopping) {
      // Of a worker that cannot be stopped from here.
      if (!first.late && this.#endsAtMs(first) <= nowMs) first.giveUp(true);
    } else if (this.#endsAtMs(first) <= nowMs) {
      this.#endCall(first, behind.length === 0);
      if (!first.late) first.giveUp(true);
    } else if (hasNotBegun(first) && this.sinceMs + this.#beginLimitMs() <= nowMs) {
      // Stopped, or busy behind an answer that a shutdown function finished early. Its end proves that the call has not
      // run, so that it moves to another worker.
      const isStillSo = (): boolean => this.#calls[0] === first && hasNotBegun(first);
      this.#endIf(isStillSo, () => this.#end('it did not begin its call'));
    }
  }

  #endCall(first: LineCall, isAlone: boolean): void {
    const why = first.unwanted ? 'nobody waits for its call any more' : 'its call ran past the time limit';
    const isStillFirst = (): boolean => this.#calls[0] === first;
    const end = (): void => this.#end(why);
    if (this.#asksForGrace(first)) this.#endIf(isStillFirst, () => this.#letCleanUp(first, why));
    // Nobody else's call can be hit, and its time is over whether or not it ends just now.
    else if (isAlone && !first.unwanted) end();
    else this.#endIf(isStillFirst, end);
  }

  #asksForGrace({ attemptId }: LineCall): boolean {
    const { grace, facts } = this.worker;
    return grace?.asks(facts.pid, attemptId) === true;
  }

  /** Of a worker that is held. What it asked for may be over meanwhile, and its call not. */
  #letCleanUp(first: LineCall, why: string): void {
    const { grace, facts } = this.worker;
    const isAsked =
      this.#asksForGrace(first) &&
      grace?.tell(facts.pid, first.unwanted ? 'cancelled' : 'timeout') === true &&
      askToEnd(this.worker);
    if (!isAsked) {
      this.#end(why);
      return;
    }
    this.#stopping = true;
    this.#options.log.info({ pid: facts.pid }, `call asked to clean up and end: ${why}`);
    const isStillFirst = (): boolean => this.#calls[0] === first;
    setTimeout(() => {
      if (isStillFirst())
        this.#endIf(isStillFirst, () => this.#end(`${why}, nor did it clean up within ${GRACE_MS} ms`));
    }, GRACE_MS).unref();
  }

  /**
   * The worker may have gone on to its next call, or have begun this one, by the time a signal arrives: it is held
   * first, what it has sent is read, and it is ended only if that is still so.
   */
  #endIf(isStillSo: () => boolean, end: () => void): void {
    if (!holdWorker(this.worker)) {
      end();
      return;
    }
    this.#stopping = true;
    // The second is behind a whole turn of reading.
    setImmediate(() =>
      setImmediate(() => {
        this.#stopping = false;
        if (isStillSo()) end();
        letGo(this.worker);
        this.#due.watch(this.#nextDueMs());
      }),
    );
  }

  #end(why: string): void {
    this.#stopping = true;
    const stopped = stopWorker(this.worker);
    const [first] = this.#calls;
    if (stopped) this.worker.grace?.clear(this.worker.facts.pid);
    else if (first?.unwanted) first.cannotBeEnded();
    const what = stopped ? 'worker stopped' : 'worker cannot be stopped from here and keeps its slot until it answers';
    this.#options.log.warn({ pid: this.worker.facts.pid, stopped }, `${what}: ${why}`);
  }
}

const hasNotBegun = ({ exchange }: LineCall): boolean => exchange.progress.ping === 'unanswered';
