/** What a Hono handler can ask of a request, whether it came over a socket or was made in process. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import { readIncoming, readRequest } from './body.ts';
import type { RawHeaders } from './request-rules.ts';

export interface HttpEnv {
  Bindings: { readonly incoming?: IncomingMessage; readonly outgoing?: ServerResponse };
}

export type HttpContext = Context<HttpEnv>;

const pairs = (raw: readonly string[]): [string, string][] => {
  const result: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) result.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return result;
};

export const rawHeaders = (c: HttpContext): RawHeaders =>
  c.env?.incoming === undefined ? [...c.req.raw.headers] : pairs(c.env.incoming.rawHeaders);

/** Undefined for unix sockets and calls in process. */
export const peerAddress = (c: HttpContext): string | undefined => c.env?.incoming?.socket.remoteAddress;

export const readBody = (c: HttpContext, maxBytes: number): Promise<Buffer> =>
  c.env?.incoming === undefined ? readRequest(c.req.raw, maxBytes) : readIncoming(c.env.incoming, maxBytes);

/** Aborted when the caller leaves before its answer. */
export const callerSignal = (c: HttpContext): AbortSignal => {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) return c.req.raw.signal;
  const controller = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller.signal;
};
