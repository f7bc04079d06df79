/** `/batch` and `/functions/{name}/batch`: many calls in one request, traced as one. */
import { type GatewayError, toGatewayError } from '../errors.ts';
import { newCallId } from '../ids.ts';
import type { BatchItem } from '../invoke/batch.ts';
import type { EndedItem } from '../invoke/item-call.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { round } from '../trace/clock.ts';
import { isThinned } from '../trace/thinning.ts';
import { parseTraceparent } from '../trace/traceparent.ts';
import { batchRequest, mediaTypeOf } from './batch-options.ts';
import { type BatchCounts, BatchRun } from './batch-run.ts';
import { unknownFunction } from './call-path.ts';
import type { CallRequest } from './call-request.ts';
import { type FunctionsRoute, requestIdOf } from './functions.ts';
import type { HttpAnswer } from './http-answer.ts';
import { originOf } from './origin.ts';
import { problemAnswer } from './problem.ts';
import { assertProtocol, PROTOCOL_HEADER, PROTOCOL_VERSION } from './protocol.ts';
import { assertMethod, assertRequest } from './request-rules.ts';

export interface BatchAnswer {
  readonly answer: HttpAnswer;
  /** Nothing of the batch runs any more. Never rejects. */
  readonly ended: Promise<void>;
}

const OVER = Promise.resolve();
/** Of the items of one batch, so that it does not fill the ring or the log. */
const IN_RING_MAX = 100;
const LOGGED_MAX = 100;

/** Of one batch while it runs. */
interface Whole {
  readonly request: CallRequest;
  readonly trace: CallTrace;
  readonly trusted: boolean;
  /** As OpenTelemetry wants it: one name for all functions. */
  readonly httpRoute: string;
  failuresInRing: number;
  failuresLogged: number;
}

interface Begun {
  readonly run: BatchRun;
  readonly mediaType: string;
  /** A function that runs has made it, and waits for it. */
  readonly isNested: boolean;
}

export class BatchHandler {
  readonly #route: FunctionsRoute;
  /** Those that end when the gateway does. */
  readonly #open = new Set<BatchRun>();
  #stopped: GatewayError | undefined;

  constructor(route: FunctionsRoute) {
    this.#route = route;
  }

  /** `functionName`: of all items, where the path names it. Never rejects. */
  async handle(request: CallRequest, functionName: string | undefined): Promise<BatchAnswer> {
    const { tracer, trustsPeer, settings } = this.#route;
    const callId = newCallId();
    const trusted = trustsPeer(request.peer);
    const caller = parseTraceparent(request.header('traceparent'));
    const trace = tracer.begin({ callId, function: 'batch', caller, trusted });
    const httpRoute = functionName === undefined ? '/batch' : '/functions/{name}/batch';
    const whole: Whole = { request, trace, trusted, httpRoute, failuresInRing: 0, failuresLogged: 0 };
    const headers = ['trace-id', trace.traceId, 'request-id', requestIdOf(request, callId)];
    const protocol = request.header(PROTOCOL_HEADER);
    if (protocol !== undefined) headers.push(PROTOCOL_HEADER, PROTOCOL_VERSION);
    try {
      assertProtocol(protocol);
      const { run, mediaType, isNested } = this.#run(whole, functionName);
      const { ended } = await run.begin();
      if (!isNested) this.#open.add(run);
      if (this.#stopped !== undefined && !isNested) run.close(this.#stopped);
      const over = ended.then((broken) => {
        this.#open.delete(run);
        this.#end(whole, run.counts, 200, broken);
      });
      const own = ['content-type', mediaType, 'cache-control', 'no-store', 'x-content-type-options', 'nosniff'];
      return { answer: { status: 200, headers: [...own, ...headers], body: run.body }, ended: over };
    } catch (thrown) {
      const error = toGatewayError(thrown);
      this.#end(whole, { items: 0, succeeded: 0, failed: 0, cancelled: 0 }, error.status, error);
      const context = { callId, traceId: trace.traceId, expose: settings.exposeErrors };
      const answer = problemAnswer(error, context, {});
      return { answer: { ...answer, headers: [...answer.headers, ...headers] }, ended: OVER };
    }
  }

  /** From now on nothing of a batch begins, but of those that functions under way have made. */
  stop(error: GatewayError): void {
    this.#stopped = error;
    for (const run of this.#open) run.close(error);
  }

  #run(whole: Whole, functionName: string | undefined): Begun {
    const { functions, settings, spool, invoker, turns, keys, shedding } = this.#route;
    const { request, trace, trusted } = whole;
    assertRequest(request, settings.http.allowedHosts);
    assertMethod(request.method, ['POST']);
    if (functionName !== undefined && !functions.has(functionName)) throw unknownFunction(functionName);
    const asked = batchRequest(request, settings.batch);
    const { outer, caller } = originOf(request, trusted);
    shedding.assertOnTime(outer !== undefined);
    const run = new BatchRun({
      request,
      caller,
      asked,
      functionName,
      functions,
      settings,
      spool,
      buffers: shedding.buffers,
      calls: { invoker, keys, outer, turns, begin: (item) => this.#beginItem(whole, item) },
      context: { traceId: trace.traceId, expose: settings.exposeErrors },
      onEnded: (ended) => this.#endItem(whole, ended),
    });
    return { run, mediaType: mediaTypeOf(asked.answered), isNested: outer !== undefined };
  }

  #beginItem({ trace, trusted }: Whole, { function: name, caller, index }: BatchItem): CallTrace {
    const { tracer, functions } = this.#route;
    return tracer.beginPart({
      callId: newCallId(),
      // An unknown name is the caller's text: it must not become a span name.
      function: functions.has(name) ? name : 'unknown function',
      whole: trace,
      caller: trusted ? caller : undefined,
      thinned: isThinned(index),
    });
  }

  #endItem(whole: Whole, ended: EndedItem): void {
    const { trace, item } = ended;
    if (trace === undefined) return;
    const error = ended.status === 'succeeded' ? undefined : ended.error;
    if (trace.recording) {
      trace.set({
        'fpm_gateway.batch.index': item.index,
        'fpm_gateway.batch.status': ended.status,
        'faas.invocation_id': trace.callId,
        'fpm_gateway.attempts': trace.attempts,
        'error.type': error?.code,
        'fpm_gateway.executed': error?.executed,
      });
    }
    let inRing = item.index < IN_RING_MAX;
    if (error !== undefined) {
      trace.recordError(error);
      // In another's trace it is that one's word.
      if (whole.trace.sampled && trace.traceId === whole.trace.traceId) trace.keep();
      whole.failuresInRing += 1;
      inRing ||= whole.failuresInRing <= IN_RING_MAX;
    }
    this.#route.tracer.endPart(trace, error?.code, inRing);
    if (error !== undefined && ended.status === 'failed') this.#logItem(whole, trace, item, error);
  }

  #logItem(whole: Whole, trace: CallTrace, { index, id }: BatchItem, error: GatewayError): void {
    const { log } = this.#route;
    whole.failuresLogged += 1;
    if (whole.failuresLogged > LOGGED_MAX) return;
    const line = {
      function: trace.function,
      item: index,
      id,
      status: error.status,
      code: error.code,
      attempts: trace.attempts,
      traceId: trace.traceId,
      callId: trace.callId,
      detail: error.message,
      cause: error.privateDetail,
    };
    if (error.status >= 500) log.error(line, 'item of a batch failed');
    else log.warn(line, 'item of a batch refused');
  }

  #end(
    { request, trace, httpRoute }: Whole,
    counts: BatchCounts,
    status: number,
    error: GatewayError | undefined,
  ): void {
    const { tracer, log } = this.#route;
    if (trace.recording) {
      trace.set({
        'http.request.method': request.method,
        'url.scheme': request.scheme,
        'http.route': httpRoute,
        'url.path': request.path,
        'http.response.status_code': status,
        'client.address': request.peer,
        'user_agent.original': request.header('user-agent'),
        'faas.trigger': 'http',
        'fpm_gateway.batch.items': counts.items,
        'fpm_gateway.batch.succeeded': counts.succeeded,
        'fpm_gateway.batch.failed': counts.failed,
        'fpm_gateway.batch.cancelled': counts.cancelled,
        'error.type': error?.code,
      });
    }
    if (error !== undefined) trace.recordError(error);
    const { startMs, endMs, traceId, callId } = tracer.end(trace, error?.code);
    const why = { code: error?.code, detail: error?.message, cause: error?.privateDetail };
    const line = { ...counts, status, ms: round(endMs - startMs), traceId, callId, ...why };
    if (status >= 500 || error?.code === 'internal-error') log.error(line, 'batch failed');
    else if (error !== undefined) log.warn(line, status < 400 ? 'batch broken off' : 'batch refused');
    else log.info(line, 'batch');
  }
}
