/** One call on its walk: what it asks for, the function it is for, and what its attempts share. */
import type { Caller } from '../caller.ts';
import type { Engine } from '../contract.ts';
import type { Deadline } from '../deadline.ts';
import { GatewayError } from '../errors.ts';
import type { Slot } from '../pool/backend.ts';
import type { Leak } from '../pool/envelope.ts';
import type { Worker } from '../pool/worker.ts';
import type { Workload } from '../pool/workload.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import type { Admission } from './admission.ts';
import type { Ancestry } from './ancestry.ts';
import type { Output } from './answer.ts';
import type { Circuit, Pass } from './breaker.ts';
import type { GatewayFunction } from './function.ts';
import type { EncodedInput } from './handler-body.ts';
import type { OpenCall } from './nesting.ts';
import type { FunctionOutcome } from './outcomes.ts';
import type { FreeRepeats, RetryBudget } from './retry.ts';
import type { CallerKey } from './rows.ts';
import type { RunningCall } from './running.ts';
import type { RequestView } from './script-request.ts';
import type { CallInput } from './written.ts';

/** A function joined with the pool that runs it. */
export interface Target {
  readonly fn: GatewayFunction;
  /** Where it runs now: a function that leaks may have moved. */
  readonly engine: Engine;
  readonly admission: Admission;
  readonly workload: Workload;
  readonly retryBudget: RetryBudget;
  /** Learns how each of its calls ended. */
  readonly outcome: FunctionOutcome;
  /** Of its pool. */
  readonly freeRepeats: FreeRepeats;
  readonly circuit: Circuit;
  readonly connectTimeoutMs: number;
  /** FastCGI parameters that never change, by script path; one entry with an empty path for a handler. */
  readonly encodedParams: ReadonlyMap<string, Buffer>;
  /** PHP is about to keep files for a call; the result is called when they are no longer needed (`SlotRequest.onFreed`). */
  readonly beginUpload: () => (isGone: boolean) => void;
  /** A call of it left something behind in its resident worker. */
  readonly onLeaks: (leaks: readonly Leak[]) => void;
}

export interface Call {
  readonly name: string;
  readonly input: CallInput;
  /** Which of a function's scripts, and what it sees of the request; undefined for handlers. */
  readonly script: { readonly path: string; readonly view: RequestView } | undefined;
  readonly trace: CallTrace;
  /** Less than the contract allows, if given, ms. */
  readonly timeoutMs: number | undefined;
  /** The header that says so. */
  readonly timeoutBy?: string | undefined;
  /** Instead of what the contract allows for waiting, ms. */
  readonly queueTimeoutMs?: number;
  /** It leaves while the call waits: it never runs. Later: as its contract's `onDisconnect` says; a stream is stopped. */
  readonly caller: Caller;
  /** With whom it shares its turns where calls wait; undefined: with all of this process. */
  readonly callerKey?: CallerKey;
  /** The call whose PHP made this one; undefined: none did. */
  readonly outer: Ancestry | undefined;
  /** With an Idempotency-Key: gives the answer there is, if any. Such a call runs on when its caller leaves. */
  readonly operation?: { readonly begin: () => Promise<Output | undefined> };
}

/** What the attempts of a call share. */
export interface Prepared extends Pass {
  readonly open: OpenCall;
  readonly running: RunningCall;
  readonly input: EncodedInput;
  readonly encodedParams: Buffer;
  readonly deadline: Deadline;
  /** Of the latest attempt, once it has one. */
  slot: Slot | undefined;
  /** Of the latest attempt, once it is connected. */
  worker: Worker | undefined;
  /** Attempts that ended there before they had begun. */
  moves: number;
  /** What PHP was given in the latest one. */
  timeLimitMs: number | undefined;
}

/** PHP keeps a larger body in a file, whatever it holds (SAPI_POST_BLOCK_SIZE). */
const PHP_KEEPS_BYTES = 16_384;

/** PHP holds files of its own while such a call runs. */
export const keepsFiles = ({ hasFiles, body }: EncodedInput, engine: Engine): boolean =>
  hasFiles || (engine === 'fpm' && body.length > PHP_KEEPS_BYTES);

/** It may stand behind others on a worker. */
export const mayShare = ({ fn, freeRepeats }: Target, { moves, input }: Prepared): boolean =>
  moves === 0 &&
  freeRepeats.mayShare &&
  fn.code.kind === 'handler' &&
  fn.output.kind !== 'stream' &&
  !keepsFiles(input, 'fpm');

/** A function that calls others is one caller, however many calls of it do. */
export const callerKeyOf = ({ callerKey, outer }: Call): CallerKey => callerKey ?? outer?.path.at(-1) ?? IN_PROCESS;

const IN_PROCESS = '';

/** Throws `not-found`. */
export const scriptOf = ({ fn, encodedParams }: Target, { script }: Call): Buffer => {
  const path = script?.path ?? '';
  const found = encodedParams.get(path);
  if (found !== undefined) return found;
  throw new GatewayError('not-found', `${fn.name} has no script ${JSON.stringify(path.slice(0, 200))}.`);
};

/** Waiting, connecting and running, or what the caller allows if that is less. */
export const budgetMs = ({ fn, connectTimeoutMs }: Target, { queueTimeoutMs, timeoutMs }: Call): number =>
  Math.min(
    (queueTimeoutMs ?? fn.queueTimeoutMs) + connectTimeoutMs + fn.timeoutMs,
    (fn.debugged ? undefined : timeoutMs) ?? Number.POSITIVE_INFINITY,
  );
