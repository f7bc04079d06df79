/** `/functions/{name}`: one call over HTTP, traced and logged whatever becomes of it. */
import type { Settings } from '../config.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import { newCallId } from '../ids.ts';
import { parseIJson } from '../ijson.ts';
import type { Output } from '../invoke/answer.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { Invoker } from '../invoke/invoke.ts';
import type { Log } from '../log.ts';
import { type CallTrace, round } from '../trace/call-trace.ts';
import { parseTraceparent } from '../trace/traceparent.ts';
import type { Tracer } from '../trace/tracer.ts';
import { callerSignal, type HttpContext, peerAddress, readBody, requestHead } from './context.ts';
import type { TrustsPeer } from './peer.ts';
import { problemResponse } from './problem.ts';
import { assertAcceptable, assertJsonContent, assertMethod, assertRequest, timeoutHint } from './request-rules.ts';

export interface FunctionsRoute {
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly invoker: Invoker;
  readonly tracer: Tracer;
  readonly settings: Settings;
  readonly trustsPeer: TrustsPeer;
  readonly log: Log;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

const mediaTypeOf = ({ output }: GatewayFunction): string =>
  output.kind === 'json' ? 'application/json' : output.mediaType;

/** `validate;dur=0.1, queue;dur=0, …`: the phases of the walk in its own words. */
const serverTiming = (trace: CallTrace): string =>
  Object.entries(trace.phases)
    .map(([phase, ms]) => `${phase};dur=${round(ms)}`)
    .join(', ');

export class FunctionsHandler {
  readonly #route: FunctionsRoute;

  constructor(route: FunctionsRoute) {
    this.#route = route;
  }

  async handle(c: HttpContext): Promise<Response> {
    const { functions, tracer, trustsPeer, settings } = this.#route;
    const fn = functions.get(c.req.param('name') ?? '');
    const callId = newCallId();
    const trusted = trustsPeer(peerAddress(c));
    const caller = parseTraceparent(c.req.header('traceparent'));
    // An unknown name is the caller's text: it must not become a span name.
    const trace = tracer.begin({ callId, function: fn?.name ?? 'unknown function', caller, trusted });
    const sentId = c.req.header('x-request-id') ?? '';
    const requestId = REQUEST_ID.test(sentId) ? sentId : callId;
    const headers: Record<string, string> = { 'trace-id': trace.traceId, 'request-id': requestId };
    try {
      const output = await this.#call(c, fn, trace);
      const { serverTiming: show } = settings.http;
      if (show === 'always' || (show === 'trusted' && trusted)) headers['server-timing'] = serverTiming(trace);
      const response = outputResponse(fn?.name ?? '', output, headers);
      this.#end(c, trace, requestId, response.status, undefined);
      return response;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      this.#end(c, trace, requestId, error.status, error);
      return problemResponse(error, { callId, traceId: trace.traceId, expose: settings.exposeErrors }, headers);
    }
  }

  async #call(c: HttpContext, fn: GatewayFunction | undefined, trace: CallTrace): Promise<Output> {
    const { invoker, settings } = this.#route;
    const { limits, http } = settings;
    assertRequest(requestHead(c), http.allowedHosts);
    const name = c.req.param('name') ?? '';
    if (fn === undefined) throw unknownFunction(name);
    assertMethod(c.req.method, fn.methods);
    assertAcceptable(c.req.header('accept'), mediaTypeOf(fn));
    assertJsonContent(c.req.header('content-type'), c.req.header('content-encoding'));
    const timeoutMs = timeoutHint({
      requestTimeoutMs: c.req.header('x-request-timeout-ms'),
      grpcTimeout: c.req.header('grpc-timeout'),
      prefer: c.req.header('prefer'),
    });
    const signal = callerSignal(c);
    const body = await readBody(c, limits.bodyMaxBytes);
    trace.set({ 'http.request.body.size': body.length });
    const input = parseIJson(body, limits.jsonDepth);
    return await invoker.invoke({ name: fn.name, input, trace, timeoutMs, signal });
  }

  #end(c: HttpContext, trace: CallTrace, requestId: string, status: number, error: GatewayError | undefined): void {
    const { tracer, log } = this.#route;
    trace.set({
      ...methodAttributes(c.req.method),
      'url.scheme': c.req.url.slice(0, c.req.url.indexOf(':')),
      'http.route': '/functions/{name}',
      'url.path': c.req.path,
      'http.response.status_code': status,
      'client.address': peerAddress(c),
      'user_agent.original': c.req.header('user-agent'),
      'faas.trigger': 'http',
      'faas.invocation_id': trace.callId,
      'fpm_gateway.attempts': trace.attempts,
      'fpm_gateway.request_id': requestId,
      'error.type': error?.code,
      'fpm_gateway.executed': error?.executed,
    });
    if (error !== undefined) trace.recordError(error);
    const record = tracer.end(trace, error?.code);
    const line = {
      function: record.function,
      method: c.req.method,
      status,
      code: error?.code,
      ms: round(record.endMs - record.startMs),
      attempts: trace.attempts,
      traceId: record.traceId,
      callId: record.callId,
      detail: error?.message,
      cause: error?.privateDetail,
    };
    // The path is the caller's text and may hold anything; the function's name is ours.
    if (status >= 500) log.error(line, 'call failed');
    else if (error !== undefined) log.warn(line, 'call refused');
    else log.info(line, 'call');
  }
}

/** A verb of the caller's own making would be one more value of an attribute that people group by. */
const methodAttributes = (method: string): Record<string, string> =>
  METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method };

const unknownFunction = (name: string): GatewayError =>
  new GatewayError(
    'not-found',
    `There is no function named ${JSON.stringify(name.slice(0, 128))}; GET /functions lists them.`,
  );

/** A transform in an output schema may make what JSON has no word for, such as a bigint. */
const writeJson = (fn: string, value: unknown): string => {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (cause) {
    throw new GatewayError('contract-error', `The parsed output of ${fn} cannot be written as JSON.`, {
      executed: 'yes',
      cause,
      privateDetail: String(cause),
    });
  }
};

const outputResponse = (fn: string, output: Output, headers: Record<string, string>): Response => {
  const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers };
  return output.kind === 'json'
    ? new Response(writeJson(fn, output.value), {
        headers: { 'content-type': 'application/json', ...common },
      })
    : // A Buffer is a Uint8Array over an ArrayBuffer; its type allows a shared one, which sockets never give.
      new Response(output.bytes as Uint8Array<ArrayBuffer>, {
        headers: { 'content-type': output.mediaType, ...common },
      });
};
