/** The public listener's routes, in the order a request meets them. */
import { Hono } from 'hono';
import type { Settings } from '../config.ts';
import { type Code, codes, GatewayError, isCode, toGatewayError } from '../errors.ts';
import type { NestedCall } from '../fastcgi/index.ts';
import type { KeyStore } from '../idempotency/store.ts';
import type { FunctionOutput, GatewayFunction } from '../invoke/function.ts';
import type { Invoker } from '../invoke/invoke.ts';
import type { Turns } from '../invoke/turns.ts';
import type { Log } from '../log.ts';
import type { Spool } from '../spool.ts';
import type { Tracer } from '../trace/tracer.ts';
import { BatchHandler } from './batch.ts';
import { isPathOf, plainBatchPath, plainCallPath } from './call-path.ts';
import { SocketRequest } from './call-request.ts';
import { acceptedTypes } from './contents.ts';
import { callRequest, type HttpContext, type HttpEnv, requestHead } from './context.ts';
import { docsFiles, docsResponse } from './docs.ts';
import type { Exchange } from './exchange.ts';
import { FunctionsHandler } from './functions.ts';
import { type HttpAnswer, toResponse, writeAnswer } from './http-answer.ts';
import { NestedHandler } from './nested.ts';
import { type OpenApiInfo, openApiDocument } from './openapi.ts';
import { offeredMethods } from './output-response.ts';
import { trustsPeer } from './peer.ts';
import { problemResponse } from './problem.ts';
import { assertMethod, assertRequest } from './request-rules.ts';
import type { Shedding } from './shedding.ts';
import { StreamBody } from './stream-body.ts';

export interface AppOptions {
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly invoker: Invoker;
  readonly tracer: Tracer;
  readonly settings: Settings;
  readonly spool: Spool;
  readonly turns: Turns;
  readonly keys: KeyStore;
  readonly shedding: Shedding;
  readonly info: OpenApiInfo;
  readonly log: Log;
  /** Why calls would not work now, or undefined when they would. */
  readonly notReady: () => string | undefined;
}

const READ_METHODS = ['GET', 'HEAD'];

const describeOutput = (output: FunctionOutput): object => {
  if (output.kind === 'stream') return { stream: describeOutput(output.item) };
  return output.kind === 'json' ? output.jsonSchema : { mediaType: output.mediaType };
};

const listing = (functions: Iterable<GatewayFunction>): object[] =>
  [...functions].map((fn) => ({
    name: fn.name,
    summary: fn.summary,
    methods: offeredMethods(fn),
    contents: fn.contents,
    files: Object.fromEntries(fn.files),
    scripts: fn.code.kind === 'script' ? [...fn.code.files.keys()] : undefined,
    pool: fn.pool,
    timeoutMs: fn.timeoutMs,
    idempotent: fn.idempotent,
    input: fn.inputJsonSchema,
    output: describeOutput(fn.output),
    errors: Object.fromEntries(
      [...fn.errors].map(([code, { status, jsonSchema }]) => [code, { status, data: jsonSchema }]),
    ),
  }));

/** The public interface, as the listener and programs use it. */
export interface App {
  readonly fetch: (request: Request, env?: object) => Response | Promise<Response>;
  /** Answers a plain call over a socket without router and web objects; undefined for the rest, which `fetch` answers. */
  readonly serve: (exchange: Exchange) => Promise<void> | undefined;
  /** Answers a call that a concurrent worker makes inside of its calls. Never throws. */
  readonly nested: (call: NestedCall) => void;
  /** Batches that still arrive or run end with this. */
  readonly stopBatches: (error: GatewayError) => void;
}

/** What the router would take for a host without a second look. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::(?:[1-5]\d{3,4}|[6-9]\d{3}))?$/;

/** A stream is a call under way behind the head of its answer: its release must not end before. */
const streamEnded = ({ body }: HttpAnswer): Promise<void> | undefined =>
  body instanceof StreamBody ? body.ended.then(() => {}) : undefined;

export const createApp = (options: AppOptions): App => {
  const { functions, settings, info, log, notReady } = options;
  const app = new Hono<HttpEnv>();
  const route = { ...options, trustsPeer: trustsPeer(settings.http.trustedPeers) };
  const calls = new FunctionsHandler(route);
  const batches = new BatchHandler(route);
  const openapi = openApiDocument(functions.values(), info);
  const list = { functions: listing(functions.values()) };

  const page = (path: string, respond: (c: HttpContext) => Response): void => {
    app.all(path, (c) => {
      assertRequest(requestHead(c), settings.http.allowedHosts);
      assertMethod(c.req.method, READ_METHODS);
      c.header('cache-control', 'no-store');
      c.header('x-content-type-options', 'nosniff');
      return respond(c);
    });
  };

  const call = async (c: HttpContext): Promise<Response> => {
    const answer = await calls.handle(callRequest(c));
    if (c.env !== undefined) c.env.lasts = streamEnded(answer);
    return toResponse(answer);
  };
  app.on('OPTIONS', ['/functions/:name', '/functions/:name/:path{.+}'], async (c: HttpContext) => {
    const fn = functions.get(c.req.param('name') ?? '');
    const request = callRequest(c);
    if (fn === undefined || !isPathOf(request, fn) || fn.methods.includes('OPTIONS')) return await call(c);
    assertRequest(requestHead(c), settings.http.allowedHosts);
    const allow = [...offeredMethods(fn), 'OPTIONS'].join(', ');
    return c.body(null, 204, { allow, 'accept-post': acceptedTypes(fn).join(', ') });
  });
  const batch = async (c: HttpContext): Promise<Response> => {
    const { answer, ended } = await batches.handle(callRequest(c), c.req.param('name'));
    if (c.env !== undefined) c.env.lasts = ended;
    return toResponse(answer);
  };
  app.all('/batch', batch);
  app.all('/functions/:name/batch', batch);
  app.all('/functions/:name', call);
  app.all('/functions/:name/:path{.+}', call);
  page('/functions', (c) => c.json(list));
  page('/openapi.json', (c) => c.json(openapi));
  if (settings.http.docs) for (const file of docsFiles()) page(file.path, (c) => docsResponse(c, file));
  page('/healthz', (c) => c.json({ status: 'ok' }));
  page('/readyz', (c) => {
    const why = notReady();
    return why === undefined ? c.json({ status: 'ready' }) : c.json({ status: 'not ready', detail: why }, 503);
  });
  page('/errors/:code', (c) => {
    const code = c.req.param('code') ?? '';
    if (!isCode(code)) throw new GatewayError('not-found', 'There is no such error code.');
    return c.json({ code, ...codes[code satisfies Code] });
  });

  app.notFound((c) => {
    assertRequest(requestHead(c), settings.http.allowedHosts);
    const error = new GatewayError('not-found', `There is nothing at ${JSON.stringify(c.req.path.slice(0, 200))}.`);
    return problemResponse(error, { callId: undefined, traceId: undefined, expose: false }, {});
  });
  app.onError((thrown) => {
    const error = toGatewayError(thrown);
    if (error.code === 'internal-error') log.error({ err: thrown }, 'a bug of the gateway');
    return problemResponse(error, { callId: undefined, traceId: undefined, expose: settings.exposeErrors }, {});
  });
  const serveBatch = (exchange: Exchange, url: string): Promise<void> | undefined => {
    const path = plainBatchPath(url, functions);
    if (path === undefined) return undefined;
    return batches.handle(new SocketRequest(exchange, path), path.ofFunction).then(async ({ answer, ended }) => {
      writeAnswer(answer, exchange.outgoing, exchange.keepAlive);
      await ended;
    });
  };
  const nested = new NestedHandler({ functions, settings, calls, batches, fetch: (request) => app.fetch(request) });
  return {
    nested: (call) => nested.handle(call),
    stopBatches: (error) => batches.stop(error),
    fetch: (request, env) => app.fetch(request, env),
    serve: (exchange) => {
      const { method, url = '', headers } = exchange.incoming;
      if (method === 'HEAD' || method === 'OPTIONS' || !PLAIN_HOST.test(headers.host ?? '')) return undefined;
      const path = plainCallPath(url, functions);
      if (path === undefined) return serveBatch(exchange, url);
      const { outgoing, keepAlive } = exchange;
      // Not an async function: while the call waits, that is 400 bytes more.
      return calls.handle(new SocketRequest(exchange, path)).then((answer) => {
        writeAnswer(answer, outgoing, keepAlive);
        return streamEnded(answer);
      });
    },
  };
};
