/** The answer to a call as plain data, and the two ways it is given: written to a socket, or as a web `Response`. */
import type { ServerResponse } from 'node:http';
import { giveBack } from '../fastcgi/index.ts';
import { BatchBody } from './batch-body.ts';
import { StreamBody } from './stream-body.ts';

export interface HttpAnswer {
  readonly status: number;
  /** Name, value, name, value …; a name may come several times. */
  readonly headers: string[];
  /** Null: none, and no length is told. */
  readonly body: string | Uint8Array | StreamBody | BatchBody | null;
}

/** With all of its body at hand. */
export interface WholeAnswer extends HttpAnswer {
  readonly body: string | Uint8Array | null;
}

export const flatHeaders = (headers: Readonly<Record<string, string>>): string[] => {
  const flat: string[] = [];
  for (const name in headers) flat.push(name, headers[name] ?? '');
  return flat;
};

const hasHeader = (headers: readonly string[], name: string): boolean => {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return true;
  return false;
};

/** Of shorter ones nothing is given back. */
const LARGE_BYTES = 32_768;

/**
 * Throws what is wrong with the answer, before anything of it is sent. `keepAlive`: what callers are told of how long
 * their connection is kept.
 */
export const writeAnswer = (
  { status, headers, body }: HttpAnswer,
  outgoing: ServerResponse,
  keepAlive: string | undefined,
): void => {
  const isKept = outgoing.shouldKeepAlive && !outgoing.hasHeader('connection') && !hasHeader(headers, 'connection');
  if (keepAlive !== undefined && isKept) headers.push('keep-alive', keepAlive);
  // A script may say nothing of its bytes; what goes through the router gets the same then.
  if (body !== null && !hasHeader(headers, 'content-type')) headers.push('content-type', 'text/plain; charset=UTF-8');
  if (body instanceof StreamBody || body instanceof BatchBody) {
    outgoing.writeHead(status, headers);
    void body.writeTo(outgoing);
  } else if (body === null) {
    outgoing.writeHead(status, headers).end();
  } else {
    // With a length, head and body leave in one write.
    const length = Buffer.byteLength(body);
    headers.push('content-length', String(length));
    // Of ASCII alone the bytes are the same, and need no look at every character.
    outgoing.writeHead(status, headers).end(body, length === body.length ? 'latin1' : 'utf8');
    if (typeof body !== 'string' && body.length >= LARGE_BYTES) {
      outgoing.once('finish', () => {
        // An answer that was cut off finishes, too, and some of it may still be on its way.
        if (!outgoing.req.socket.destroyed) giveBack(body);
      });
    }
  }
};

export const toResponse = ({ status, headers: flat, body }: HttpAnswer): Response => {
  const headers: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) headers.push([flat[at] ?? '', flat[at + 1] ?? '']);
  // A Buffer is a Uint8Array over an ArrayBuffer; its type allows a shared one, which sockets never give.
  return new Response(
    body instanceof StreamBody || body instanceof BatchBody
      ? body.readable()
      : (body as string | Uint8Array<ArrayBuffer> | null),
    {
      status,
      headers,
    },
  );
};
