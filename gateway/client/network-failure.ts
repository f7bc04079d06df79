/**
 * What a failed `fetch` means, in Node, Bun, Deno and browsers. All reject with little more than a text; what counts is
 * whether the connection was never made, because then nothing can have run.
 */
import { type CallError, clientError } from './call-error.ts';

/** Node's and Bun's, of a name that was not found or an address that nobody answers at. */
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  // A unix socket that is not there, or not for us.
  'ENOENT',
  'EACCES',
  'UND_ERR_CONNECT_TIMEOUT',
  'ConnectionRefused',
  'FailedToOpenSocket',
]);

const CAUSES_MAX = 5;

interface Trouble {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

/** Node hides the reason in `cause`, and where a name has several addresses in `errors` of that. */
const troubles = (error: unknown, depth: number): Trouble[] => {
  if (typeof error !== 'object' || error === null || depth > CAUSES_MAX) return [];
  const { cause } = error as Trouble;
  return [error as Trouble, ...troubles(cause, depth + 1)];
};

const isUnconnected = ({ code, syscall, message, errors }: Trouble): boolean => {
  // All addresses must have failed so, else one of them was reached.
  if (Array.isArray(errors) && errors.length > 0) return errors.every((each: Trouble) => isUnconnected(each));
  if (syscall === 'connect' || syscall === 'getaddrinfo') return true;
  if (typeof code === 'string' && NEVER_CONNECTED.has(code)) return true;
  // Deno says it in words alone.
  return typeof message === 'string' && /client error \(Connect\)|dns error/.test(message);
};

/** The text that names the trouble: `fetch failed` does not. */
const reasonOf = (found: readonly Trouble[]): string => {
  const last = found.at(-1);
  const text = typeof last?.message === 'string' && last.message !== '' ? last.message : last?.code;
  return typeof text === 'string' ? text : 'no reason given';
};

/** `network-failed`. In browsers, which tell nothing, whether it ran is never known. */
export const networkFailure = (functionName: string, error: unknown): CallError => {
  const found = troubles(error, 0);
  const reason = reasonOf(found);
  if (found.some(isUnconnected))
    return clientError('network-failed', functionName, `The gateway cannot be reached: ${reason}`, {
      executed: 'no',
      retryable: true,
      cause: error,
    });
  return clientError('network-failed', functionName, `The connection failed before the answer: ${reason}`, {
    cause: error,
  });
};
