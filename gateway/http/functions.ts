/** `/functions/{name}`: one call over HTTP, traced and logged whatever becomes of it. */
import type { Settings } from '../config.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import { newCallId } from '../ids.ts';
import type { Output } from '../invoke/answer.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { scriptUrl } from '../invoke/function-params.ts';
import type { Call, Invoker } from '../invoke/invoke.ts';
import type { Log } from '../log.ts';
import type { Spool } from '../spool.ts';
import { type CallTrace, round } from '../trace/call-trace.ts';
import { parseTraceparent } from '../trace/traceparent.ts';
import type { Tracer } from '../trace/tracer.ts';
import { readCallInput } from './call-input.ts';
import { callerSignal, type HttpContext, peerAddress, requestHead } from './context.ts';
import { assertAnswerable, offeredMethods, outputResponse } from './output-response.ts';
import type { TrustsPeer } from './peer.ts';
import { type ProblemContext, problemResponse } from './problem.ts';
import { assertMethod, assertRequest, timeoutHint } from './request-rules.ts';
import { requestView } from './script-view.ts';

export interface FunctionsRoute {
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly invoker: Invoker;
  readonly tracer: Tracer;
  readonly settings: Settings;
  readonly trustsPeer: TrustsPeer;
  readonly spool: Spool;
  readonly log: Log;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

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
    const fn = functions.get(functionName(c));
    const callId = newCallId();
    const trusted = trustsPeer(peerAddress(c));
    const caller = parseTraceparent(c.req.header('traceparent'));
    // An unknown name is the caller's text: it must not become a span name.
    const trace = tracer.begin({ callId, function: fn?.name ?? 'unknown function', caller, trusted });
    const sentId = c.req.header('x-request-id') ?? '';
    const requestId = REQUEST_ID.test(sentId) ? sentId : callId;
    const headers: Record<string, string> = { 'trace-id': trace.traceId, 'request-id': requestId };
    try {
      const output = await this.#call(c, fn, trace, trusted);
      const { serverTiming: show } = settings.http;
      if (show === 'always' || (show === 'trusted' && trusted)) headers['server-timing'] = serverTiming(trace);
      const problem: ProblemContext = { callId, traceId: trace.traceId, expose: settings.exposeErrors };
      const response = outputResponse(c, fn?.name ?? '', output, { headers, problem, http: settings.http });
      const { status } = response;
      if (output.kind === 'stream')
        void output.stream.ended.then((error) => this.#end(c, trace, requestId, status, error));
      else this.#end(c, trace, requestId, status, undefined);
      return response;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      this.#end(c, trace, requestId, error.status, error);
      return problemResponse(error, { callId, traceId: trace.traceId, expose: settings.exposeErrors }, headers);
    }
  }

  async #call(c: HttpContext, fn: GatewayFunction | undefined, trace: CallTrace, trusted: boolean): Promise<Output> {
    const { invoker, settings, spool } = this.#route;
    assertRequest(requestHead(c), settings.http.allowedHosts);
    if (fn === undefined) throw unknownFunction(functionName(c));
    const script = scriptCall(c, fn, trusted);
    assertMethod(c.req.method, offeredMethods(fn));
    assertAnswerable(fn, c.req.header('accept'));
    const timeoutMs = timeoutHint({
      requestTimeoutMs: c.req.header('x-request-timeout-ms'),
      grpcTimeout: c.req.header('grpc-timeout'),
      prefer: c.req.header('prefer'),
    });
    const caller = { signal: callerSignal(c) };
    const { input, bodyBytes, dispose } = await readCallInput(c, fn, { settings, spool });
    let output: Output | undefined;
    try {
      trace.set({ 'http.request.body.size': bodyBytes });
      output = await invoker.invoke({ name: fn.name, input, script, trace, timeoutMs, caller });
      return output;
    } finally {
      // A script may still be reading its body while its output streams.
      if (output?.kind === 'stream') {
        void output.stream.ended.then(dispose);
      } else {
        const removing = dispose();
        if (removing !== undefined) await removing;
      }
    }
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
    else if (error !== undefined && status < 400) log.warn(line, 'stream cut off');
    else if (error !== undefined) log.warn(line, 'call refused');
    else log.info(line, 'call');
  }
}

/** A verb of the caller's own making would be one more value of an attribute that people group by. */
const methodAttributes = (method: string): Record<string, string> =>
  METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method };

const functionName = (c: HttpContext): string => c.req.param('name') ?? '';

/** Whether the function answers at the path of this request. */
export const isPathOf = (c: HttpContext, { code }: GatewayFunction): boolean => {
  const path = c.req.param('path') ?? '';
  // An encoded slash is no slash (RFC 3986, 2.2): a proxy that guards a folder by its path would not see it.
  return (code.kind === 'script' ? code.files.has(path) : path === '') && !/%2f/i.test(c.req.path);
};

/** Which of the function's files, looked up in its contract's list; undefined for a handler. */
const scriptCall = (c: HttpContext, fn: GatewayFunction, trusted: boolean): Call['script'] => {
  const path = c.req.param('path') ?? '';
  if (!isPathOf(c, fn)) throw unknownPath(c, fn);
  if (fn.code.kind === 'handler') return undefined;
  return { path, view: requestView(c, fn, scriptUrl(fn.name, path), trusted) };
};

const LISTED_SCRIPTS_MAX = 5;

const unknownPath = (c: HttpContext, { name, code }: GatewayFunction): GatewayError => {
  const scripts = code.kind === 'script' ? [...code.files.keys()].filter((path) => path !== '') : [];
  if (scripts.length === 0) {
    const detail = `There is nothing at ${JSON.stringify(c.req.path.slice(0, 200))}; GET /functions lists what there is.`;
    return new GatewayError('not-found', detail);
  }
  // As sent: decoded, an encoded slash would look right.
  const asked = c.req.path.split('/').slice(3).join('/');
  const lacking =
    asked === '' ? `${name} itself is no script` : `${name} has no script ${JSON.stringify(asked.slice(0, 200))}`;
  return new GatewayError('not-found', `${lacking}; it has ${fewOf(scripts)}.`);
};

/** `a.php, b.php and 3 more` */
const fewOf = (scripts: readonly string[]): string => {
  const more = scripts.length - LISTED_SCRIPTS_MAX;
  return `${scripts.slice(0, LISTED_SCRIPTS_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

const unknownFunction = (name: string): GatewayError =>
  new GatewayError(
    'not-found',
    `There is no function named ${JSON.stringify(name.slice(0, 128))}; GET /functions lists them.`,
  );
