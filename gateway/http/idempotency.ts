/** The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a string in quotes, or the key as it is. */
import type { GatewayFunction } from '../invoke/function.ts';
import { keyFor } from '../invoke/key.ts';
import type { CallRequest } from './call-request.ts';

/** The others change nothing, or should not. */
const CHANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** An sf-string (RFC 9651), without parameters. */
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;

/** What is no key at all, and is shown as it came. */
const unquoted = (text: string): string => {
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1');
  // Half quoted, or several in one header: a space makes it invalid, and is what a repeated one is joined with.
  return text.includes('"') ? `${text} ` : text;
};

/** Undefined: none, or it means nothing here. Throws `idempotency-key-missing` or `idempotency-key-invalid`. */
export const keyOf = (request: CallRequest, fn: GatewayFunction): string | undefined => {
  const sent = request.header('idempotency-key');
  if (sent === undefined && fn.idempotencyKey !== 'required') return undefined;
  if (!CHANGES.has(request.method)) return undefined;
  return keyFor(fn, sent === undefined ? undefined : unquoted(sent));
};
