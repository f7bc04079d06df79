/** What operators do with releases: see them, load the project again, go back. */
import type { Hono } from 'hono';
import { GatewayError } from '../errors.ts';
import { formatProblem, StartupError } from '../startup.ts';
import type { HttpEnv } from './context.ts';
import { problemBody, problemHeaders } from './problem.ts';

/** The releases of a server, as far as an operator needs them. */
export interface ReleaseControl {
  readonly status: object;
  reload(): Promise<{ readonly number: number }>;
  restore(): Promise<{ readonly number: number }>;
}

const rejected = ({ problems }: StartupError): Response => {
  const detail = `Nothing has changed: ${problems.length === 1 ? 'one thing is' : `${problems.length} things are`} wrong. ${problems.map(formatProblem).join(' ')}`;
  const error = new GatewayError('release-rejected', detail);
  const context = { callId: undefined, traceId: undefined, expose: false };
  // Each with its file and line, as at a start.
  const body = JSON.stringify({ ...problemBody(error, context), problems });
  return new Response(body, { status: error.status, headers: problemHeaders(error) });
};

/** `GET /admin/releases`, `POST /admin/reload`, `POST /admin/rollback`. */
export const releaseActions = (app: Hono<HttpEnv>, releases: ReleaseControl): void => {
  const change = async (work: () => Promise<{ readonly number: number }>): Promise<Response> => {
    const startedMs = performance.now();
    try {
      const { number } = await work();
      const ms = Math.round(performance.now() - startedMs);
      return Response.json({ release: number, ms, ...releases.status });
    } catch (error) {
      if (error instanceof StartupError) return rejected(error);
      throw error;
    }
  };
  app.get('/admin/releases', (c) => c.json(releases.status));
  app.post('/admin/reload', () => change(() => releases.reload()));
  app.post('/admin/rollback', () => change(() => releases.restore()));
};
