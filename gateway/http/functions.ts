/** `/functions/{name}`: one call over HTTP, traced and logged whatever becomes of it. */
import type { Settings } from '../config.ts';
import { type GatewayError, toGatewayError } from '../errors.ts';
import type { KeyStore } from '../idempotency/store.ts';
import { newCallId } from '../ids.ts';
import type { Output } from '../invoke/answer.ts';
import type { Call } from '../invoke/call.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { scriptUrl } from '../invoke/function-params.ts';
import type { Invoker } from '../invoke/invoke.ts';
import { invokeOnce } from '../invoke/operation.ts';
import { REPLAYED_HEADER } from '../invoke/stored-answer.ts';
import type { Turns } from '../invoke/turns.ts';
import { type Log, writes } from '../log.ts';
import type { Spool } from '../spool.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { round } from '../trace/clock.ts';
import { parseTraceparent } from '../trace/traceparent.ts';
import type { Tracer } from '../trace/tracer.ts';
import { readCallInput } from './call-input.ts';
import { isPathOf, unknownFunction, unknownPath } from './call-path.ts';
import type { CallRequest } from './call-request.ts';
import type { HttpAnswer } from './http-answer.ts';
import { keyOf } from './idempotency.ts';
import { originOf } from './origin.ts';
import { assertAnswerable, offeredMethods, outputAnswer } from './output-response.ts';
import type { TrustsPeer } from './peer.ts';
import { type ProblemContext, problemAnswer } from './problem.ts';
import { assertProtocol, OUTPUT_HEADER, PROTOCOL_HEADER, PROTOCOL_VERSION } from './protocol.ts';
import { assertMethod, assertRequest, hintName, timeoutHint } from './request-rules.ts';
import { requestView } from './script-view.ts';
import type { Shedding } from './shedding.ts';

export interface FunctionsRoute {
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly invoker: Invoker;
  readonly tracer: Tracer;
  readonly settings: Settings;
  readonly trustsPeer: TrustsPeer;
  readonly spool: Spool;
  readonly turns: Turns;
  readonly keys: KeyStore;
  readonly shedding: Shedding;
  readonly log: Log;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** What the caller calls its request, or else what we do. */
export const requestIdOf = (request: CallRequest, callId: string): string => {
  const sentId = request.header('x-request-id');
  return sentId !== undefined && REQUEST_ID.test(sentId) ? sentId : callId;
};

export class FunctionsHandler {
  readonly #route: FunctionsRoute;

  constructor(route: FunctionsRoute) {
    this.#route = route;
  }

  /** Never rejects. */
  async handle(request: CallRequest): Promise<HttpAnswer> {
    const { functions, tracer, trustsPeer, settings } = this.#route;
    const fn = functions.get(request.functionName);
    const callId = newCallId();
    const trusted = trustsPeer(request.peer);
    const traceparent = request.header('traceparent');
    const caller = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    // An unknown name is the caller's text: it must not become a span name.
    const trace = tracer.begin({ callId, function: fn?.name ?? 'unknown function', caller, trusted });
    const requestId = requestIdOf(request, callId);
    const protocol = request.header(PROTOCOL_HEADER);
    const problem: ProblemContext = { callId, traceId: trace.traceId, expose: settings.exposeErrors };
    try {
      assertProtocol(protocol);
      const output = await this.#call(request, fn, trace, trusted);
      const headers = ['trace-id', trace.traceId, 'request-id', requestId];
      if (protocol !== undefined) {
        headers.push(PROTOCOL_HEADER, PROTOCOL_VERSION);
        // Bytes may have the media type of JSON: only the contract tells them from a value.
        if (output.kind === 'binary') headers.push(OUTPUT_HEADER, 'bytes');
      }
      if (output.kind !== 'stream' && output.replayed) headers.push(REPLAYED_HEADER, 'true');
      if (this.#showsTiming(trusted)) headers.push('server-timing', trace.serverTiming());
      const answer = outputAnswer(request, fn?.name ?? '', output, { headers, problem, http: settings.http });
      const { status } = answer;
      if (output.kind === 'stream')
        void output.stream.ended.then((error) => this.#end(request, trace, requestId, status, error));
      else this.#end(request, trace, requestId, status, undefined);
      return answer;
    } catch (thrown) {
      const error = this.#route.invoker.explainRequest(toGatewayError(thrown), fn);
      this.#end(request, trace, requestId, error.status, error);
      const timing = this.#showsTiming(trusted) ? trace.timing : undefined;
      // A request that came to no call has met no queue.
      const isTimed = timing?.queueMs !== undefined;
      const told = isTimed ? { ...problem, timing, attemptsMax: fn?.retry.attempts ?? 1 } : problem;
      return problemAnswer(error, told, {
        'trace-id': trace.traceId,
        'request-id': requestId,
        ...(protocol === undefined ? {} : { [PROTOCOL_HEADER]: PROTOCOL_VERSION }),
      });
    }
  }

  #showsTiming(trusted: boolean): boolean {
    const { serverTiming: show } = this.#route.settings.http;
    return show === 'always' || (show === 'trusted' && trusted);
  }

  async #call(
    request: CallRequest,
    fn: GatewayFunction | undefined,
    trace: CallTrace,
    trusted: boolean,
  ): Promise<Output> {
    const { invoker, settings, spool, keys, shedding } = this.#route;
    const { buffers } = shedding;
    assertRequest(request, settings.http.allowedHosts);
    if (fn === undefined) throw unknownFunction(request.functionName);
    const script = scriptCall(request, fn, trusted);
    if (!fn.methods.some((method) => method === request.method)) assertMethod(request.method, offeredMethods(fn));
    assertAnswerable(fn, request.header('accept'));
    const hints = {
      requestTimeoutMs: request.header('x-request-timeout-ms'),
      grpcTimeout: request.header('grpc-timeout'),
      prefer: request.header('prefer'),
    };
    const timeoutMs = timeoutHint(hints);
    const timeoutBy = timeoutMs === undefined ? undefined : hintName(hints, timeoutMs);
    const origin = originOf(request, trusted);
    const key = keyOf(request, fn);
    // With a key there may be an answer already, and inside of a call others wait for it.
    if (key === undefined && origin.outer === undefined) invoker.assertRoom(fn, origin.callerKey);
    shedding.assertOnTime(origin.outer !== undefined);
    const { input, bodyBytes, heldBytes, dispose } = await readCallInput(request, fn, { settings, spool, buffers });
    let output: Output | undefined;
    try {
      trace.set({ 'http.request.body.size': bodyBytes });
      const call: Call = { name: fn.name, input, script, trace, timeoutMs, timeoutBy, ...origin };
      output = await (key === undefined ? invoker.invoke(call) : invokeOnce({ invoker, keys, fn }, call, key));
      return output;
    } finally {
      // A script may still be reading its body while its output streams.
      if (output?.kind === 'stream') {
        void output.stream.ended.then(() => {
          buffers.give(heldBytes);
          return dispose();
        });
      } else {
        buffers.give(heldBytes);
        const removing = dispose();
        if (removing !== undefined) await removing;
      }
    }
  }

  #end(
    request: CallRequest,
    trace: CallTrace,
    requestId: string,
    status: number,
    error: GatewayError | undefined,
  ): void {
    const { tracer, log } = this.#route;
    if (trace.recording) trace.set(attributesOf(request, trace, { requestId, status, error }));
    if (error !== undefined) trace.recordError(error);
    const record = tracer.end(trace, error?.code);
    if (error === undefined && !writes(log, 'info')) return;
    const line = {
      function: record.function,
      method: request.method,
      status,
      code: error?.code,
      ms: round(record.endMs - record.startMs),
      attempts: trace.attempts,
      traceId: record.traceId,
      callId: record.callId,
      detail: error?.message,
      // With a success `ms` says it all, and this would be one object more.
      timing: error === undefined ? undefined : trace.timing,
      cause: error?.privateDetail,
    };
    // The path is the caller's text and may hold anything; the function's name is ours.
    if (status >= 500) log.error(line, 'call failed');
    else if (error !== undefined && status < 400) log.warn(line, 'stream cut off');
    else if (error !== undefined) log.warn(line, 'call refused');
    else log.info(line, 'call');
  }
}

interface Ending {
  readonly requestId: string;
  readonly status: number;
  readonly error: GatewayError | undefined;
}

/** What OpenTelemetry calls the facts of an HTTP request. */
const attributesOf = (request: CallRequest, trace: CallTrace, { requestId, status, error }: Ending) => {
  const { method } = request;
  const known = METHODS.has(method);
  return {
    // A verb of the caller's own making would be one more value of an attribute that people group by.
    'http.request.method': known ? method : '_OTHER',
    'http.request.method_original': known ? undefined : method,
    'url.scheme': request.scheme,
    'http.route': '/functions/{name}',
    'url.path': request.path,
    'http.response.status_code': status,
    'client.address': request.peer,
    'user_agent.original': request.header('user-agent'),
    'faas.trigger': 'http',
    'faas.invocation_id': trace.callId,
    'fpm_gateway.attempts': trace.attempts,
    'fpm_gateway.request_id': requestId,
    'error.type': error?.code,
    'fpm_gateway.executed': error?.executed,
  };
};

/** Which of the function's files, looked up in its contract's list; undefined for a handler. */
const scriptCall = (request: CallRequest, fn: GatewayFunction, trusted: boolean): Call['script'] => {
  if (!isPathOf(request, fn)) throw unknownPath(request.path, fn);
  if (fn.code.kind === 'handler') return undefined;
  const path = request.script;
  return { path, view: requestView(request, fn, scriptUrl(fn.name, path), trusted) };
};
