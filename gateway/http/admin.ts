/** The admin listener's routes: traces and pools, and in `actions` what operators do. Never on the public one: behind a proxy every peer looks local. */
import { timingSafeEqual } from 'node:crypto';
import { Hono } from 'hono';
import type { Settings } from '../config.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { PoolStatus } from '../pool/pool.ts';
import type { ExportStatus } from '../trace/export-queue.ts';
import type { Tracer } from '../trace/tracer.ts';
import { renderTrace } from '../trace/tree.ts';
import { type HttpEnv, requestHead } from './context.ts';
import { problemResponse } from './problem.ts';
import { assertMethod, assertRequest, isAcceptable } from './request-rules.ts';

export interface AdminOptions {
  readonly tracer: Tracer;
  readonly admin: Settings['admin'];
  readonly pools: () => readonly PoolStatus[];
  /** Undefined while nothing is exported. */
  readonly exported: () => ExportStatus | undefined;
  /** Routes that do something. */
  readonly actions?: ((app: Hono<HttpEnv>) => void) | undefined;
  readonly log: Log;
}

const LIST_MAX = 100;
const OFF = 'No traces are kept: recording is off (trace.enabled, FPMG_TRACE__ENABLED).';

const sameText = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** A page of another site may send a POST without asking; no page has business here. */
const assertNotFromPage = (origin: string | undefined, site: string | undefined): void => {
  if (origin === undefined && (site === undefined || site === 'none')) return;
  throw new GatewayError('forbidden-origin', 'The admin listener takes no requests that change something from pages.');
};

const plainText = (accept: string | undefined): boolean =>
  accept !== undefined && isAcceptable(accept, 'text/plain') && !isAcceptable(accept, 'application/json');

export const createAdminApp = ({ tracer, admin, pools, exported, actions, log }: AdminOptions): Hono<HttpEnv> => {
  const app = new Hono<HttpEnv>();
  const { ring, recording } = tracer;
  // Only these names: a page that rebinds its own DNS name to this machine gets nothing. It cannot know a token, so
  // with one the listener answers by any name, as it must on the network.
  const hosts = admin.token === undefined ? ['localhost', '127.0.0.1', '[::1]', admin.host] : [];

  app.use(async (c, next) => {
    assertRequest(requestHead(c), hosts);
    if (c.req.method === 'POST') assertNotFromPage(c.req.header('origin'), c.req.header('sec-fetch-site'));
    else assertMethod(c.req.method, ['GET', 'HEAD']);
    const sent = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
    if (admin.token !== undefined && !sameText(sent, admin.token)) {
      throw new GatewayError('unauthenticated', 'The admin token is missing or wrong.', {
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    // Traces tell what PHP said, which callers are not told.
    c.header('cache-control', 'no-store');
    c.header('x-content-type-options', 'nosniff');
    await next();
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/admin/pools', (c) => c.json({ pools: pools() }));
  app.get('/traces', (c) =>
    c.json({
      recording,
      ...(recording ? {} : { detail: OFF }),
      // Null: OTEL_* names no collector.
      export: exported() ?? null,
      traces: ring.list(LIST_MAX).map(({ spans: _spans, ...summary }) => summary),
    }),
  );
  app.get('/traces/:id', (c) => {
    const calls = ring.get(c.req.param('id'));
    if (calls.length === 0) {
      throw new GatewayError(
        'not-found',
        recording ? 'This trace is not kept: it is unknown, or older than the last trace.ringMax calls.' : OFF,
      );
    }
    return plainText(c.req.header('accept'))
      ? c.text(calls.map((record) => renderTrace(record, false)).join('\n'))
      : c.json({ traceId: c.req.param('id'), calls });
  });
  actions?.(app);
  app.notFound((c) => {
    const isAction = app.routes.some(({ method, path }) => method === 'POST' && path === c.req.path);
    assertMethod(c.req.method, isAction ? ['POST'] : ['GET', 'HEAD']);
    return problem(new GatewayError('not-found', `There is nothing at ${JSON.stringify(c.req.path.slice(0, 200))}.`));
  });
  app.onError((thrown) => {
    const error = toGatewayError(thrown);
    if (error.code === 'internal-error') log.error({ err: thrown }, 'a bug of the gateway');
    return problem(error);
  });
  return app;
};

const problem = (error: GatewayError): Response =>
  problemResponse(error, { callId: undefined, traceId: undefined, expose: false }, {});
