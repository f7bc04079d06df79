/** Whom a call is made for, and who wants to know when it leaves. */

export interface LeaveListener {
  callerLeft(): void;
  /** False: PHP has the call already. Absent: it waits, for a worker or its turn. */
  readonly waits?: boolean;
  /** It need not begin any more, and runs on where it has; absent: the same as `callerLeft`. */
  notToBegin?(): void;
}

export interface Caller {
  readonly hasLeft: boolean;
  /** Told once, when the caller leaves before its answer; takes the place of the one before. Not told of the past. */
  whenLeft(listener: LeaveListener | undefined): void;
}

/** One that whoever sees it leave says so of. */
export class LeavingCaller implements Caller {
  #hasLeft = false;
  /** One call waits for one thing at a time. */
  #listener: LeaveListener | undefined;

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  whenLeft(listener: LeaveListener | undefined): void {
    this.#listener = listener;
  }

  /** Idempotent. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#listener?.callerLeft();
  }
}

/** A caller that leaves by aborting a signal. */
export class SignalCaller implements Caller {
  readonly #signal: AbortSignal | undefined;
  #listener: LeaveListener | undefined;
  #listens = false;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  get hasLeft(): boolean {
    return this.#signal?.aborted ?? false;
  }

  whenLeft(listener: LeaveListener | undefined): void {
    this.#listener = listener;
    if (this.#signal === undefined || this.#listens === (listener !== undefined)) return;
    this.#listens = listener !== undefined;
    if (this.#listens) this.#signal.addEventListener('abort', this.#onAbort);
    else this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#listener?.callerLeft();
}

/** Of a call that runs whether anybody waits for it or not. */
export const staysForever: Caller = { hasLeft: false, whenLeft: () => {} };
