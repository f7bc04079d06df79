/**
 * The calls under way: who they are, where they stand, and how each is ended by itself, for its caller's sake or an
 * operator's. One record per call, made when it begins and dropped when it is answered.
 */
import type { Caller, LeaveListener } from '../caller.ts';
import type { Deadline } from '../deadline.ts';
import { type Executed, GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { nowMs } from '../trace/clock.ts';
import type { GatewayFunction } from './function.ts';
import type { OutputStream } from './output-stream.ts';

/** `queued`: PHP does not have it. */
export type CallPhase = 'queued' | 'running';

export interface CallStatus {
  readonly id: string;
  readonly function: string;
  readonly pool: string;
  readonly phase: CallPhase;
  /** Since it came, ms. */
  readonly sinceMs: number;
  /** The latest, from 1; 0: it has had no worker yet. */
  readonly attempt: number;
  /** Of the worker it is on. */
  readonly pid: number | undefined;
  readonly traceId: string;
  /** Until its deadline, ms; undefined: its input is being read still. */
  readonly remainingMs: number | undefined;
}

interface BegunCall {
  readonly trace: CallTrace;
  readonly caller: Caller;
  /** It has an Idempotency-Key: whoever repeats it gets its answer, so it runs to its end. */
  readonly operation?: object | undefined;
}

export class RunningCalls {
  /** In the order in which they came. */
  readonly #calls = new Map<string, RunningCall>();

  get size(): number {
    return this.#calls.size;
  }

  begin(fn: GatewayFunction, { trace, caller, operation }: BegunCall): RunningCall {
    const call = new RunningCall(trace, fn, caller, operation === undefined ? fn.onDisconnect : 'finish');
    this.#calls.set(trace.callId, call);
    return call;
  }

  end({ id }: RunningCall): void {
    this.#calls.delete(id);
  }

  /** The oldest first, so many at most. */
  list(max: number): CallStatus[] {
    const listed: CallStatus[] = [];
    for (const call of this.#calls.values()) {
      if (listed.length === max) break;
      listed.push(call.status);
    }
    return listed;
  }

  /** Where it stood; undefined: there is none of this id, or it is over. */
  cancel(id: string): CallPhase | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    const { phase } = call.status;
    call.cancel();
    return phase;
  }
}

/** One call: to those it waits for it is its caller, and its caller tells it that it left. */
export class RunningCall implements Caller, LeaveListener {
  readonly #trace: CallTrace;
  readonly #fn: GatewayFunction;
  readonly #caller: Caller;
  readonly #onDisconnect: GatewayFunction['onDisconnect'];
  /** Who holds it while it waits for a worker. */
  #waiter: LeaveListener | undefined;
  /** While PHP has it. */
  #slot: Slot | undefined;
  #pid: number | undefined;
  #stream: OutputStream | undefined;
  #isCancelled = false;
  deadline: Deadline | undefined;
  waits = true;

  constructor(trace: CallTrace, fn: GatewayFunction, caller: Caller, onDisconnect: GatewayFunction['onDisconnect']) {
    this.#trace = trace;
    this.#fn = fn;
    this.#caller = caller;
    this.#onDisconnect = onDisconnect;
  }

  get id(): string {
    return this.#trace.callId;
  }

  /** An operator who cancels it speaks for its caller. */
  get hasLeft(): boolean {
    return this.#isCancelled || this.#caller.hasLeft;
  }

  get status(): CallStatus {
    const { callId: id, traceId, startMs, attempts: attempt } = this.#trace;
    const { name, pool } = this.#fn;
    return {
      id,
      function: name,
      pool,
      phase: this.#slot === undefined ? 'queued' : 'running',
      sinceMs: nowMs() - startMs,
      attempt,
      pid: this.#pid,
      traceId,
      remainingMs: this.deadline?.remainingMs(),
    };
  }

  /** For who lets it wait. */
  whenLeft(listener: LeaveListener | undefined): void {
    this.#waiter = listener;
    this.waits = true;
    this.#caller.whenLeft(listener === undefined ? undefined : this);
  }

  /** Before another attempt: for so long, or until nobody wants it any more. */
  async pauses(ms: number): Promise<void> {
    if (this.hasLeft) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.whenLeft({ callerLeft: resolve });
    await promise;
    clearTimeout(timer);
    this.whenLeft(undefined);
  }

  /** Throws where nobody wants it any more. */
  assertWanted(executed: Executed): void {
    if (this.hasLeft) throw this.asEnded(callerLeft('before its call ran', executed));
  }

  /** It is written to this worker. */
  begins(slot: Slot, pid: number): void {
    this.#slot = slot;
    this.#pid = pid;
    const isBehind = slot.isBehind;
    // What runs to its end whether or not its caller stays need not know of it.
    if (!isBehind && this.#onDisconnect === 'finish') return;
    this.waits = isBehind;
    this.#caller.whenLeft(this);
  }

  /** Until its head is out, its caller can leave; then its reader can. */
  streams(stream: OutputStream): void {
    this.#stream = stream;
    this.waits = false;
    this.#caller.whenLeft(this);
    if (this.#caller.hasLeft) this.callerLeft();
  }

  headIsOut(): void {
    this.#caller.whenLeft(undefined);
  }

  /** Its attempt is answered. */
  attempted(): void {
    this.#slot = undefined;
    this.#pid = undefined;
    this.#stream = undefined;
    this.#caller.whenLeft(undefined);
  }

  callerLeft(): void {
    if (this.#waiter !== undefined) this.#waiter.callerLeft();
    else if (this.#stream !== undefined) this.#stream.cancel(callerLeft('before its stream began', 'yes'));
    else if (this.#onDisconnect === 'cancel')
      this.#slot?.cancel(callerLeft('while its call ran (onDisconnect: cancel)', 'unknown'), false);
    else this.notToBegin();
  }

  notToBegin(): void {
    if (this.#waiter !== undefined) this.#waiter.callerLeft();
    // It is taken back, and may have begun all the same.
    else this.#slot?.takeBack(callerLeft('while its call stood behind another one on its worker', 'unknown'));
  }

  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    if (this.#waiter !== undefined) this.#waiter.callerLeft();
    else if (this.#stream !== undefined) this.#stream.cancel(cancelled('yes'));
    else this.#slot?.cancel(cancelled('unknown'), false);
  }

  /** Those that let it wait know of its caller alone. */
  asEnded(error: GatewayError): GatewayError {
    return this.#isCancelled && error.code === 'client-closed' ? cancelled(error.executed) : error;
  }
}

const callerLeft = (when: string, executed: Executed): GatewayError =>
  new GatewayError('client-closed', `The caller left ${when}.`, { executed });

const cancelled = (executed: Executed): GatewayError => {
  const detail = executed === 'no' ? 'It was cancelled before it reached PHP.' : 'It was cancelled while PHP had it.';
  return new GatewayError('cancelled', detail, { executed });
};
