/** What a Hono handler can ask of a request, whether it came over a socket or was made in process. */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import type { RequestHead } from './request-rules.ts';

export interface HttpEnv {
  /** Given by the listener; absent in process. */
  Bindings: {
    readonly incoming?: IncomingMessage;
    /** Address of the peer as it was when it connected; undefined for unix sockets. */
    readonly peer?: string | undefined;
    /** Aborted when the caller leaves before its answer. */
    readonly left?: AbortSignal;
    /** Breaks the connection in the middle of an answer, which its reader cannot take for a whole one. */
    readonly cut?: () => void;
  };
}

export type HttpContext = Context<HttpEnv>;

const pairs = (raw: readonly string[]): [string, string][] => {
  const result: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) result.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return result;
};

/** What the request line names, as sent: a path, or a whole URL. */
export const requestTarget = (c: HttpContext): string => c.env?.incoming?.url ?? c.req.raw.url;

export const requestHead = (c: HttpContext): RequestHead => {
  const incoming = c.env?.incoming;
  if (incoming !== undefined) {
    const { rawHeaders, httpVersion } = incoming;
    return { target: requestTarget(c), headers: pairs(rawHeaders), hostRequired: httpVersion !== '1.0' };
  }
  return { target: requestTarget(c), headers: [...c.req.raw.headers], hostRequired: false };
};

/** Undefined for unix sockets and calls in process. */
export const peerAddress = (c: HttpContext): string | undefined => c.env?.peer;

/** Aborted when the caller leaves before its answer. */
export const callerSignal = (c: HttpContext): AbortSignal => c.env?.left ?? c.req.raw.signal;
