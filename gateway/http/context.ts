/** What a Hono handler can ask of a request, whether it came over a socket or was made in process. */

import type { Context } from 'hono';
import { SignalCaller } from '../caller.ts';
import type { BodySource } from './body.ts';
import type { CallRequest } from './call-request.ts';
import type { Exchange } from './exchange.ts';
import type { RequestHead } from './request-rules.ts';

export interface HttpEnv {
  /** The listener gives the whole exchange; in process there is none. */
  Bindings: Partial<Pick<Exchange, 'incoming' | 'peer' | 'cut' | 'lasts'>>;
}

export type HttpContext = Context<HttpEnv>;

/** For every route, whatever it is. */
export const requestHead = (c: HttpContext): RequestHead => {
  const incoming = c.env?.incoming;
  if (incoming === undefined)
    return { target: c.req.raw.url, headers: [...c.req.raw.headers].flat(), hostRequired: false };
  const { url = c.req.raw.url, rawHeaders, httpVersion } = incoming;
  return { target: url, headers: rawHeaders, hostRequired: httpVersion !== '1.0' };
};

/** A call that came through the router. */
export const callRequest = (c: HttpContext): CallRequest => {
  const incoming = c.env?.incoming;
  const { url, method, path } = c.req;
  const body: BodySource = incoming ?? c.req.raw;
  return {
    ...requestHead(c),
    method,
    scheme: url.slice(0, url.indexOf(':')),
    path,
    functionName: c.req.param('name') ?? '',
    script: c.req.param('path') ?? '',
    body,
    incoming,
    peer: c.env?.peer,
    caller: incoming === undefined ? new SignalCaller(c.req.raw.signal) : (c.env as Exchange),
    cut: c.env?.cut,
    header: (name) => c.req.header(name),
  };
};
