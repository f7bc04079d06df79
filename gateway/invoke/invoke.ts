/**
 * The walk of a call: find → parse input → one deadline → admission → worker → FastCGI → parse output → free the slot.
 * HTTP, CLI and every later way to call enter here; nothing else reaches PHP.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Deadline } from '../deadline.ts';
import { type Executed, GatewayError, toGatewayError } from '../errors.ts';
import type { ResponseLimits } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import type { Slot } from '../pool/backend.ts';
import { decodeEnvelope } from '../pool/envelope.ts';
import { callParams } from '../pool/runtime.ts';
import { type AttemptTrace, type CallTrace, nowMs } from '../trace/call-trace.ts';
import type { Admission } from './admission.ts';
import { type AnswerLimits, type Output, readOutput, tooLarge } from './answer.ts';
import type { GatewayFunction } from './function.ts';
import { recordAnswer, recordWorker } from './observe.ts';
import { isFreeRetry, type RetryBudget, retryDelayMs } from './retry.ts';
import { validate } from './validate.ts';

/** A function joined with the pool that runs it. */
export interface Target {
  readonly fn: GatewayFunction;
  readonly admission: Admission;
  readonly retryBudget: RetryBudget;
  readonly connectTimeoutMs: number;
  /** FastCGI parameters that never change. */
  readonly encodedParams: Buffer;
}

export interface InvokeLimits extends ResponseLimits, AnswerLimits {}

export interface Call {
  readonly name: string;
  readonly input: unknown;
  readonly trace: CallTrace;
  /** Less than the contract allows, if given, ms. */
  readonly timeoutMs: number | undefined;
  /** Aborted while the call waits: it never runs. Aborted later: it runs to its end. */
  readonly signal: AbortSignal | undefined;
}

export class Invoker {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #limits: InvokeLimits;
  readonly #log: Log;

  /** `log` receives what handlers log. */
  constructor(targets: ReadonlyMap<string, Target>, limits: InvokeLimits, log: Log) {
    this.#targets = targets;
    this.#limits = limits;
    this.#log = log;
  }

  /** Resolves with the validated output; rejects with GatewayError. */
  async invoke(call: Call): Promise<Output> {
    const { trace } = call;
    const target = this.#find(call.name);
    const startedMs = nowMs();
    const body = this.#parseInput(target.fn, call.input);
    trace.phase('validate', startedMs);
    const deadline = new Deadline(budgetMs(target, call.timeoutMs));
    target.retryBudget.deposit();
    let executed: Executed = 'no';
    for (;;) {
      try {
        return await this.#attempt(target, call, body, deadline);
      } catch (thrown) {
        const error = toGatewayError(thrown).afterAttempt(executed);
        executed = error.executed;
        const waitMs = this.#retryAfter(error, target, trace, deadline);
        if (waitMs === undefined) throw error;
        trace.event('retry', { 'fpm_gateway.code': error.code, 'fpm_gateway.delay_ms': waitMs }, nowMs());
        if (waitMs > 0) await delay(waitMs);
      }
    }
  }

  #find(name: string): Target {
    const target = this.#targets.get(name);
    if (target !== undefined) return target;
    throw new GatewayError('not-found', `There is no function named ${JSON.stringify(name.slice(0, 128))}.`);
  }

  /** PHP gets the validated value written anew, defaults applied, never the caller's bytes. */
  #parseInput(fn: GatewayFunction, input: unknown): Buffer {
    const { issuesMax } = this.#limits;
    const value = validate(fn.input, input, { code: 'validation-failed', subject: `input of ${fn.name}`, issuesMax });
    try {
      return Buffer.from(JSON.stringify(value) ?? 'null');
    } catch (cause) {
      throw new GatewayError('contract-error', `The parsed input of ${fn.name} cannot be written as JSON.`, {
        executed: 'no',
        cause,
        privateDetail: String(cause),
      });
    }
  }

  async #attempt(target: Target, call: Call, body: Buffer, deadline: Deadline): Promise<Output> {
    const { fn, admission } = target;
    const { trace, signal } = call;
    const queuedMs = nowMs();
    const slot = await admission.enter({ fn, remainingMs: deadline.remainingMs(), signal });
    const admittedMs = trace.phase('queue', queuedMs);
    const attempt = trace.beginAttempt();
    try {
      const output = await this.#run(slot, target, { trace, attempt, body, deadline, admittedMs });
      attempt.end(undefined);
      slot.release(false);
      return output;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      attempt.end(error.code);
      // Without an envelope the script may go on behind its answer.
      slot.release(error.reason === 'ended-early');
      throw error;
    }
  }

  async #run(slot: Slot, target: Target, run: Run): Promise<Output> {
    const { fn, encodedParams } = target;
    const { trace, attempt, body, deadline, admittedMs } = run;
    const worker = await slot.connect(deadline.remainingMs());
    recordWorker(attempt, worker);
    const connectedMs = trace.phase('connect', admittedMs);
    const timeLimitMs = Math.min(fn.timeoutMs, deadline.remainingMs());
    if (timeLimitMs <= 0)
      throw new GatewayError('deadline-exceeded', `The deadline of ${fn.name} passed before it began.`);
    const attemptId = `${trace.callId}.${attempt.number}`;
    const traceparent = trace.phpTraceparent(attempt);
    const params = callParams({
      callId: trace.callId,
      attemptId,
      attempt: attempt.number,
      budgetMs: timeLimitMs,
      traceparent,
    });
    const request = { encodedParams, params, body, limits: this.#limits, timeLimitMs };
    const response = await slot
      .run(request)
      .catch((thrown) => {
        throw this.#ownLimit(toGatewayError(thrown), fn);
      })
      .finally(() => trace.phase('php', connectedMs));
    const answeredMs = nowMs();
    const envelope = decodeEnvelope(response.body, attemptId);
    const { callId, traceId } = trace;
    recordAnswer(attempt, { worker, response, envelope }, { log: this.#log, function: fn.name, callId, traceId });
    try {
      return readOutput(fn, response, envelope, this.#limits);
    } finally {
      trace.phase('output', answeredMs);
    }
  }

  /** The connection ends a little above the limit that people set, which the error must name. */
  #ownLimit(error: GatewayError, fn: GatewayFunction): GatewayError {
    if (error.code !== 'response-too-large') return error;
    return tooLarge(fn, this.#limits, `more than ${this.#limits.responseMaxBytes} bytes`);
  }

  #retryAfter(error: GatewayError, target: Target, trace: CallTrace, deadline: Deadline): number | undefined {
    const { fn, retryBudget } = target;
    const attempt = trace.attempts;
    const waitMs = retryDelayMs({ error, fn, attempt, remainingMs: deadline.remainingMs(), random: Math.random() });
    if (waitMs === undefined) return undefined;
    return isFreeRetry(error, attempt) || retryBudget.withdraw() ? waitMs : undefined;
  }
}

interface Run {
  readonly trace: CallTrace;
  readonly attempt: AttemptTrace;
  readonly body: Buffer;
  readonly deadline: Deadline;
  readonly admittedMs: number;
}

/** Waiting, connecting and running, or what the caller allows if that is less. */
const budgetMs = ({ fn, connectTimeoutMs }: Target, callerMs: number | undefined): number =>
  Math.min(fn.queueTimeoutMs + connectTimeoutMs + fn.timeoutMs, callerMs ?? Number.POSITIVE_INFINITY);
