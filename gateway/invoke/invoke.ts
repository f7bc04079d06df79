import { Deadline } from '../deadline.ts';
import { type Executed, GatewayError, isGatewayError, toGatewayError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Slot } from '../pool/backend.ts';
import type { AttemptTrace } from '../trace/attempt-trace.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { nowMs } from '../trace/clock.ts';
import { assertDepth, pathWith } from './ancestry.ts';
import type { Output } from './answer.ts';
import { type Attempt, type AttemptLimits, runAttempt } from './attempt.ts';
import { enterCircuit, leaveCircuit, verdictOnFunction } from './breaker.ts';
import {
  budgetMs,
  type Call,
  callerKeyOf,
  keepsFiles,
  mayShare,
  type Prepared,
  scriptOf,
  type Target,
} from './call.ts';
import type { GatewayFunction } from './function.ts';
import { type EncodedInput, encodeHandlerInput } from './handler-body.ts';
import type { LimitsTold } from './limit-struck.ts';
import type { Nesting, OpenCall } from './nesting.ts';
import { isFreeRetry, retryDelayMs } from './retry.ts';
import type { CallerKey } from './rows.ts';
import type { RunningCall, RunningCalls } from './running.ts';
import { encodeScriptRequest } from './script-request.ts';
import { isReplayedError } from './stored-answer.ts';
import { validate } from './validate.ts';

export interface InvokerParts {
  readonly log: Log;
  readonly nesting: Nesting;
  readonly running: RunningCalls;
  /** Tells callers which limit struck; without it errors say less. */
  readonly limitsTold?: LimitsTold;
}

export interface InvokerLimits extends AttemptLimits {
  readonly callDepthMax: number;
}

export class Invoker {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #limits: InvokerLimits;
  readonly #log: Log;
  readonly #nesting: Nesting;
  readonly #running: RunningCalls;
  readonly #limitsTold: LimitsTold | undefined;

  /** `log` receives what handlers log. */
  constructor(
    targets: ReadonlyMap<string, Target>,
    limits: InvokerLimits,
    { log, nesting, running, limitsTold }: InvokerParts,
  ) {
    this.#targets = targets;
    this.#limits = limits;
    this.#log = log;
    this.#nesting = nesting;
    this.#running = running;
    this.#limitsTold = limitsTold;
  }

  /** Resolves with the validated output; rejects with GatewayError. */
  async invoke(call: Call): Promise<Output> {
    const { trace, operation } = call;
    const target = this.#find(call.name);
    const open = this.#nesting.begin(trace.callId, call.name, call.outer);
    const running = this.#running.begin(target.fn, call);
    let output: Output | undefined;
    let prepared: Prepared | undefined;
    let failure: GatewayError | undefined;
    try {
      prepared = this.#prepare(call, target, open, running);
      if (operation !== undefined) output = await operation.begin();
      output ??= await this.#walk(target, call, prepared);
      return output;
    } catch (thrown) {
      failure = toGatewayError(thrown);
      // What is told again was explained then, and may be of another release.
      if (!isReplayedError(failure)) failure = this.#explain(failure, target, call, prepared?.timeLimitMs);
      throw failure;
    } finally {
      if (failure === undefined || !isReplayedError(failure)) target.outcome.ended(failure);
      this.#nesting.answered(open, output?.kind === 'stream');
      // What streams runs on behind its head.
      if (output?.kind === 'stream') void output.stream.ended.then(() => this.#running.end(running));
      else this.#running.end(running);
    }
  }

  /** Attempt after attempt, until one succeeds or another would be of no use. */
  async #walk(target: Target, call: Call, prepared: Prepared): Promise<Output> {
    const { trace } = call;
    const { running } = prepared;
    enterCircuit(target.circuit, prepared);
    let executed: Executed = 'no';
    let failure: GatewayError | undefined;
    try {
      for (;;) {
        const queuedMs = nowMs();
        try {
          prepared.slot = undefined;
          const slot = admit(target, prepared) ?? (await enter(target, call, prepared));
          const output = await this.#attempt(target, call, prepared, { slot, queuedMs });
          target.freeRepeats.answered();
          failure = undefined;
          return output;
        } catch (thrown) {
          const error = running.asEnded(toGatewayError(thrown).afterAttempt(executed));
          failure = error;
          executed = error.executed;
          if (hasToMove(error, target, prepared)) {
            trace.event('moved', { 'fpm_gateway.detail': error.message }, nowMs());
            continue;
          }
          // It has waited for a worker, for as long as it may, or was told why that is of no use.
          if (prepared.slot === undefined) {
            trace.phase('queue', queuedMs);
            throw error;
          }
          const waitMs = this.#retryAfter(error, target, trace, prepared);
          if (waitMs === undefined) throw error;
          trace.event('retry', { 'fpm_gateway.code': error.code, 'fpm_gateway.delay_ms': waitMs }, nowMs());
          if (waitMs > 0) await running.pauses(waitMs);
          running.assertWanted(executed);
        }
      }
    } finally {
      leaveCircuit(target.circuit, prepared, failure, prepared.slot !== undefined);
    }
  }

  /** Throws what a call from outside would be told anyway, before anything is done for it. */
  assertRoom(fn: GatewayFunction, callerKey: CallerKey): void {
    const refusal = this.#find(fn.name).admission.refusesNow(fn, callerKey);
    if (refusal !== undefined) throw refusal;
  }

  /** Says which limit a request met before its call was made. */
  explainRequest(error: GatewayError, fn: GatewayFunction | undefined): GatewayError {
    return fn === undefined ? error : (this.#limitsTold?.explainRequest(error, fn) ?? error);
  }

  #explain(error: GatewayError, target: Target, call: Call, timeLimitMs: number | undefined): GatewayError {
    const { fn, connectTimeoutMs } = target;
    const { timeoutMs, timeoutBy: callerBy } = call;
    const queueTimeoutMs = call.queueTimeoutMs ?? fn.queueTimeoutMs;
    const callerMs = fn.debugged ? undefined : timeoutMs;
    const struck = { fn, connectTimeoutMs, queueTimeoutMs, callerMs, callerBy, timeLimitMs };
    return this.#limitsTold?.explain(error, struck) ?? error;
  }

  /** All of a call that has no need of a worker. */
  #prepare(call: Call, target: Target, open: OpenCall, running: RunningCall): Prepared {
    if (call.outer !== undefined) this.#nest(call, open);
    const startedMs = nowMs();
    const encodedParams = scriptOf(target, call);
    const input = this.#encodeInput(target, call);
    call.trace.phase('validate', startedMs);
    const deadline = new Deadline(budgetMs(target, call));
    running.deadline = deadline;
    target.retryBudget.deposit();
    return {
      open,
      running,
      input,
      encodedParams,
      deadline,
      slot: undefined,
      worker: undefined,
      moves: 0,
      fnTicket: 0,
      poolTicket: 0,
      timeLimitMs: undefined,
    };
  }

  /** Throws `not-found`. */
  function(name: string): GatewayFunction {
    return this.#find(name).fn;
  }

  #find(name: string): Target {
    const target = this.#targets.get(name);
    if (target !== undefined) return target;
    throw new GatewayError('not-found', `There is no function named ${JSON.stringify(name.slice(0, 128))}.`);
  }

  #nest({ name, trace }: Call, { outer }: OpenCall): void {
    trace.set({ 'fpm_gateway.call_path': pathWith(outer, name) });
    assertDepth(outer, name, this.#limits.callDepthMax);
  }

  /** PHP gets the validated value written anew, defaults applied, never the caller's bytes. */
  #encodeInput({ fn, engine }: Target, { input, script }: Call): EncodedInput {
    const { issuesMax } = this.#limits;
    const subject = `input of ${fn.name}`;
    const value = validate(fn.input, input.value, { code: 'validation-failed', subject, issuesMax });
    try {
      return script === undefined
        ? encodeHandlerInput(value, fn.files.size > 0, engine)
        : encodeScriptRequest(value, input, script.view);
    } catch (cause) {
      if (isGatewayError(cause)) throw cause;
      throw new GatewayError('contract-error', `The parsed input of ${fn.name} cannot be written as JSON.`, {
        executed: 'no',
        cause,
        privateDetail: String(cause),
      });
    }
  }

  async #attempt(target: Target, call: Call, prepared: Prepared, { slot, queuedMs }: Admitted): Promise<Output> {
    const { fn } = target;
    const { trace } = call;
    const { deadline } = prepared;
    prepared.slot = slot;
    const admittedMs = trace.phase('queue', queuedMs);
    const record = trace.beginAttempt();
    // Behind the answer of a script, or without an envelope, PHP may go on (`fastcgi_finish_request()`).
    const release = (error: GatewayError | undefined): void => {
      const endedEarly = error?.reason === 'ended-early';
      if (endedEarly) target.workload.recordWorkingOn();
      const mayGoOn = fn.code.kind === 'script' || fn.output.kind === 'stream' || endedEarly || wasCutShort(error);
      slot.release(mayGoOn);
    };
    prepared.worker = undefined;
    try {
      const connected = slot.connect(deadline.remainingMs());
      const worker = connected instanceof Promise ? await connected : connected;
      prepared.worker = worker;
      // While its body came, it waited for another attempt, or for a connection.
      prepared.running.assertWanted('no');
      trace.phase('connect', admittedMs);
      const output = await runAttempt(this.#attemptOf(target, call, prepared, slot, record), worker);
      // A stream's worker is free when PHP has ended, though its reader may be far behind.
      release(undefined);
      if (output.kind === 'stream') void output.stream.ended.then((error) => endStream(target, record, error));
      else record.end(undefined);
      return output;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (prepared.worker === undefined) trace.phase('connect', admittedMs);
      record.end(error.code);
      release(error);
      throw error;
    }
  }

  #attemptOf(target: Target, call: Call, prepared: Prepared, slot: Slot, record: AttemptTrace): Attempt {
    const { trace } = call;
    const { fn, engine, workload, beginUpload, onLeaks } = target;
    const { open, running, input, encodedParams, deadline } = prepared;
    const remainingMs = deadline.remainingMs();
    const timeLimitMs = Math.min(fn.timeoutMs, remainingMs);
    if (timeLimitMs <= 0)
      throw new GatewayError('deadline-exceeded', `The deadline of ${fn.name} passed before it began.`);
    prepared.timeLimitMs = timeLimitMs;
    const onFreed = keepsFiles(input, engine) ? beginUpload() : undefined;
    return {
      fn,
      engine,
      workload,
      slot,
      trace,
      record,
      input,
      encodedParams,
      timeLimitMs,
      remainingMs,
      limits: this.#limits,
      log: this.#log,
      running,
      outer: open.outer,
      onFreed,
      onLeaks,
      // A stream may fail long after this walk.
      explain: fn.output.kind === 'stream' ? (error) => this.#explain(error, target, call, timeLimitMs) : undefined,
    };
  }

  #retryAfter(error: GatewayError, target: Target, trace: CallTrace, prepared: Prepared): number | undefined {
    const { fn, retryBudget, freeRepeats, circuit } = target;
    const { deadline, moves } = prepared;
    if (!circuit.fn.passes || !circuit.pool.passes) return undefined;
    const attempt = trace.attempts - moves;
    const waitMs = retryDelayMs({ error, fn, attempt, remainingMs: deadline.remainingMs(), random: Math.random() });
    if (waitMs === undefined) return undefined;
    // Where no worker took it, PHP had no work with it.
    const isFree = prepared.worker === undefined || (isFreeRetry(error, attempt) && freeRepeats.take());
    return isFree || retryBudget.withdraw() ? waitMs : undefined;
  }
}

/**
 * What stood behind a call that took its worker with it moves to another one, whatever its retries: it was our choice to
 * put it there. From then on it gets a worker for itself, so that this happens to a call but once.
 */
const hasToMove = (error: GatewayError, { freeRepeats }: Target, prepared: Prepared): boolean => {
  const isGone = error.code === 'worker-crashed' || error.code === 'pool-unavailable';
  if (!isGone || error.executed !== 'no' || !prepared.slot?.stoodBehind) return false;
  freeRepeats.moved();
  prepared.moves += 1;
  return true;
};

/** What PHP does then to clean up may go on behind its answer, too. */
const wasCutShort = (error: GatewayError | undefined): boolean =>
  error !== undefined && error.executed !== 'no' && CUT_SHORT.has(error.code);

const CUT_SHORT = new Set(['function-timeout', 'cancelled', 'client-closed']);

/** Its head went out long ago: what fails now is counted beside the answer that it was. */
const endStream = ({ circuit }: Target, record: AttemptTrace, error: GatewayError | undefined): void => {
  record.end(error?.code);
  if (verdictOnFunction(error) === 'failed') circuit.fn.failedLate(performance.now());
};

interface Admitted {
  readonly slot: Slot;
  /** When it asked for one. */
  readonly queuedMs: number;
}

const admit = (target: Target, prepared: Prepared): Slot | undefined =>
  target.admission.enterNow({ fn: target.fn, mayShare: mayShare(target, prepared), call: prepared.open });

const enter = async (target: Target, call: Call, prepared: Prepared): Promise<Slot> => {
  const { fn, admission } = target;
  const { queueTimeoutMs, trace } = call;
  const granted = admission.enter({
    fn,
    queueTimeoutMs: queueTimeoutMs ?? fn.queueTimeoutMs,
    remainingMs: prepared.deadline.remainingMs(),
    mayShare: mayShare(target, prepared),
    caller: prepared.running,
    callerKey: callerKeyOf(call),
    isPatient: queueTimeoutMs !== undefined,
    call: prepared.open,
  });
  try {
    return await granted;
  } finally {
    if (prepared.open.wokePool) trace.set({ 'fpm_gateway.woke_pool': fn.pool });
  }
};
