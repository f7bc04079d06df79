/** One attempt on a worker: the request PHP gets, and the answer read as its contract promises it. */
import type { Engine } from '../contract.ts';
import { type GatewayError, toGatewayError } from '../errors.ts';
import {
  type CgiResponse,
  collect,
  giveBack,
  type ResponseLimits,
  stream as receiveStream,
  type StreamedResponse,
} from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import type { Slot } from '../pool/backend.ts';
import { decodeEnvelope, type Leak, type Meta, takeScriptMark } from '../pool/envelope.ts';
import { STREAM_TYPE } from '../pool/frames.ts';
import { callParams, residentCallParams, scriptCallParams } from '../pool/runtime.ts';
import type { SlotRequest } from '../pool/slot.ts';
import type { Worker } from '../pool/worker.ts';
import type { Workload } from '../pool/workload.ts';
import type { AttemptTrace } from '../trace/attempt-trace.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { nowMs } from '../trace/clock.ts';
import { within } from '../within.ts';
import { type Output, type ResponseHead, readOutput, tooLarge } from './answer.ts';
import {
  BytesDecoder,
  type Decoder,
  EnvelopeDecoder,
  FrameDecoder,
  LinesDecoder,
  type StreamLimits,
} from './decoders.ts';
import type { GatewayFunction, WholeOutput } from './function.ts';
import type { EncodedInput } from './handler-body.ts';
import { recordAnswer, recordWorker } from './observe.ts';
import { OutputStream } from './output-stream.ts';
import type { RunningCall } from './running.ts';
import {
  assertMediaType,
  contentTypeOf,
  droppedHeaders,
  isGood,
  readScriptOutput,
  responseHead,
} from './script-answer.ts';

export interface AttemptLimits extends ResponseLimits, StreamLimits {}

export interface Attempt {
  readonly fn: GatewayFunction;
  readonly engine: Engine;
  /** Learns what the call was like. */
  readonly workload: Workload;
  readonly slot: Slot;
  readonly trace: CallTrace;
  readonly record: AttemptTrace;
  readonly input: EncodedInput;
  /** FastCGI parameters that never change. */
  readonly encodedParams: Buffer;
  readonly timeLimitMs: number;
  readonly remainingMs: number;
  readonly limits: AttemptLimits;
  readonly log: Log;
  /** Ends it where nobody wants it any more. */
  readonly running: RunningCall;
  /** The functions outside of it, the outermost first. */
  readonly outer: readonly string[];
  /** The worker is free again: its files can be cleared away. */
  readonly onFreed: SlotRequest['onFreed'];
  /** What it left behind in a resident worker. */
  readonly onLeaks: (leaks: readonly Leak[]) => void;
  /** Says which limit it was, for streams. */
  readonly explain: ((error: GatewayError) => GatewayError) | undefined;
}

/** An early failure gets its own status; a first item that comes later than this does not hold up the head. */
const HEAD_WAIT_MS = 1000;

const attemptIdOf = ({ trace, record }: Attempt): string => `${trace.callId}.${record.number}`;

const requestOf = (attempt: Attempt): SlotRequest => {
  const { fn, engine, trace, record, input, encodedParams, timeLimitMs, remainingMs, outer, onFreed } = attempt;
  const call = {
    attemptId: attemptIdOf(attempt),
    budgetMs: timeLimitMs,
    traceparent: trace.phpTraceparent(record),
    outer,
  };
  const params =
    engine === 'resident'
      ? residentCallParams(fn.name, call)
      : fn.code.kind === 'handler'
        ? callParams(call)
        : scriptCallParams(call);
  params.push(...input.params);
  const { attemptId } = call;
  return { attemptId, encodedParams, params, body: input.body, timeLimitMs, remainingMs, onFreed };
};

const contextOf = ({ fn, trace, log }: Attempt) => ({
  log,
  function: fn.name,
  callId: trace.callId,
  traceId: trace.traceId,
});

/** Resolves with a checked output; rejects with GatewayError. */
export const runAttempt = (attempt: Attempt, worker: Worker): Promise<Output> => {
  const { output } = attempt.fn;
  // Of one that left while its worker was connected.
  attempt.running.assertWanted('no');
  recordWorker(attempt.record, worker);
  return output.kind === 'stream' ? runStream(attempt, worker, output.item) : runWhole(attempt, worker, output);
};

const runWhole = async (attempt: Attempt, worker: Worker, output: WholeOutput): Promise<Output> => {
  const { slot, fn, trace, limits, running } = attempt;
  const startedMs = nowMs();
  let response: CgiResponse;
  try {
    const answer = slot.run(requestOf(attempt), (connection, request, over) =>
      collect(connection, request, limits, over),
    );
    running.begins(slot, worker.facts.pid);
    response = await answer;
  } catch (thrown) {
    trace.phase('php', startedMs);
    throw ownLimit(toGatewayError(thrown), fn, limits);
  } finally {
    running.attempted();
  }
  const answeredMs = trace.phase('php', startedMs);
  try {
    return fn.code.kind === 'script'
      ? readScript(attempt, worker, output, response)
      : readHandler(attempt, worker, response);
  } finally {
    trace.phase('output', answeredMs);
  }
};

const readHandler = (attempt: Attempt, worker: Worker, response: CgiResponse): Output => {
  const { fn, record, limits } = attempt;
  const envelope = decodeEnvelope(response.body, attemptIdOf(attempt));
  const meta = envelope.kind === 'envelope' ? envelope.meta : undefined;
  if (meta !== undefined) noteWorker(attempt, meta);
  const { stderr, stderrBytes } = response;
  recordAnswer(record, { worker, stderr, stderrBytes, meta }, contextOf(attempt));
  const output = readOutput(fn, response, envelope, limits);
  // What JSON says has been read out of it.
  if (output.kind === 'json') giveBack(response.body);
  return output;
};

const readScript = (attempt: Attempt, worker: Worker, output: WholeOutput, response: CgiResponse): Output => {
  const { fn, workload, record, limits } = attempt;
  const { meta, stderr } = takeScriptMark(response.stderr, attemptIdOf(attempt));
  if (meta !== undefined) workload.record(meta);
  const { stderrBytes } = response;
  recordAnswer(record, { worker, stderr, stderrBytes, meta }, contextOf(attempt));
  const { headOnly } = attempt.input;
  record.set({ 'fpm_gateway.dropped_headers': droppedHeaders(fn, response) });
  return readScriptOutput(fn, output, { response: { ...response, stderr }, meta, headOnly }, limits);
};

/** What it says of its worker, and of calls like it. */
const noteWorker = ({ workload, slot, onLeaks }: Attempt, meta: Meta): void => {
  workload.record(meta);
  slot.told(meta);
  if (meta.leaks !== undefined && meta.leaks.length > 0) onLeaks(meta.leaks);
};

/** The connection ends a little above the limit that people set, which the error must name. */
const ownLimit = (error: GatewayError, fn: GatewayFunction, limits: AttemptLimits): GatewayError => {
  if (error.code !== 'response-too-large') return error;
  return tooLarge(fn, limits, `more than ${limits.responseMaxBytes} bytes`);
};

const runStream = async (attempt: Attempt, worker: Worker, item: WholeOutput): Promise<Output> => {
  const { slot, trace, record, limits, running, explain } = attempt;
  const startedMs = nowMs();
  const stream = new OutputStream({
    response: slot.run(requestOf(attempt), (connection, request, over) =>
      receiveStream(connection, request, limits, over),
    ),
    attemptId: attemptIdOf(attempt),
    item,
    begin: (response, emit) => beginStream(attempt, item, response, emit),
    stop: (error) => slot.cancel(error, true),
    explain: explain ?? ((error) => error),
    concluded: ({ stderrBytes }, { meta, stderr }) => {
      if (meta !== undefined) noteWorker(attempt, meta);
      recordAnswer(record, { worker, stderr, stderrBytes, meta }, contextOf(attempt));
    },
  });
  running.begins(slot, worker.facts.pid);
  running.streams(stream);
  try {
    // A script's status and type are in its head; a handler's are known.
    if (attempt.fn.code.kind === 'script') await stream.opened();
    // What fails later fails for the reader, who reads on from it.
    await within(stream.filled(), HEAD_WAIT_MS);
  } catch (thrown) {
    running.attempted();
    throw thrown;
  } finally {
    running.headIsOut();
    trace.phase('php', startedMs);
  }
  return { kind: 'stream', stream };
};

interface Begun {
  readonly decoder: Decoder;
  readonly head: ResponseHead | undefined;
  readonly item: WholeOutput;
}

const beginStream = (
  { fn, limits, record }: Attempt,
  item: WholeOutput,
  response: StreamedResponse,
  emit: (piece: unknown) => void,
): Begun => {
  const contentType = contentTypeOf(response);
  if (fn.code.kind === 'handler') {
    const parts = { fn, item, limits, emit };
    // Without a first item the runtime answers as for any other handler.
    const decoder = contentType === STREAM_TYPE ? new FrameDecoder(parts) : new EnvelopeDecoder(parts);
    return { decoder, head: undefined, item };
  }
  record.set({ 'fpm_gateway.dropped_headers': droppedHeaders(fn, response) });
  const head = responseHead(fn, response);
  assertMediaType(fn, item, response);
  if (item.kind === 'json' && isGood(head.status)) {
    return { decoder: new LinesDecoder({ fn, item, limits, emit }, item), head, item };
  }
  // What a script refuses with is its own to say.
  const bytes: WholeOutput = { kind: 'binary', mediaType: contentType ?? 'application/octet-stream' };
  return { decoder: new BytesDecoder({ fn, item: bytes, limits, emit }), head, item: bytes };
};
