/** What a call asks of its HTTP request, whichever way that came: from a socket, through the router, made in process. */
import type { IncomingMessage } from 'node:http';
import type { Caller } from '../caller.ts';
import type { BodySource } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { RequestHead } from './request-rules.ts';

export interface CallRequest extends RequestHead {
  readonly method: string;
  readonly scheme: string;
  /** Of the URL, percent signs undone where that is safe: for messages and traces. */
  readonly path: string;
  /** As the path names it. */
  readonly functionName: string;
  /** What follows the function's name in the path, '' for nothing. */
  readonly script: string;
  readonly body: BodySource;
  /** Undefined in process. */
  readonly incoming: IncomingMessage | undefined;
  /** Undefined for unix sockets and in process. */
  readonly peer: string | undefined;
  readonly caller: Caller;
  /** Breaks the connection in the middle of an answer; undefined in process. */
  readonly cut: (() => void) | undefined;
  /** By its name in lower case; one that came several times is joined with commas. */
  header(name: string): string | undefined;
}

/** Of these Node keeps the first alone, and would hide that there were two. */
const KEPT_ONCE = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

const joined = (raw: readonly string[], name: string): string | undefined => {
  let value: string | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const sent = raw[at] ?? '';
    if (sent.length !== name.length || sent.toLowerCase() !== name) continue;
    value = value === undefined ? raw[at + 1] : `${value}, ${raw[at + 1]}`;
  }
  return value;
};

/** Straight from the socket. Its path is one that decoding does not change. */
export class SocketRequest implements CallRequest {
  readonly scheme = 'http';
  readonly hostRequired = true;
  readonly incoming: IncomingMessage;
  readonly caller: Exchange;
  readonly path: string;
  readonly functionName: string;
  readonly script: string;

  constructor(
    exchange: Exchange,
    { path, functionName, script }: { path: string; functionName: string; script: string },
  ) {
    this.incoming = exchange.incoming;
    this.caller = exchange;
    this.path = path;
    this.functionName = functionName;
    this.script = script;
  }

  get method(): string {
    return this.incoming.method ?? '';
  }

  get target(): string {
    return this.incoming.url ?? '';
  }

  get headers(): readonly string[] {
    return this.incoming.rawHeaders;
  }

  get body(): IncomingMessage {
    return this.incoming;
  }

  get peer(): string | undefined {
    return this.caller.peer;
  }

  get cut(): () => void {
    return this.caller.cut;
  }

  header(name: string): string | undefined {
    const value = this.incoming.headers[name];
    if (value === undefined) return undefined;
    return typeof value === 'string' && !KEPT_ONCE.has(name) ? value : joined(this.incoming.rawHeaders, name);
  }
}
