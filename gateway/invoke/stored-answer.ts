/** An answer as bytes that outlive the gateway, and back. Pure. */
import { type Code, type ErrorSource, type Executed, GatewayError, type Issue, isCode } from '../errors.ts';
import type { Output, ResponseHead } from './answer.ts';
import { outputJson } from './output-json.ts';

export const REPLAYED_HEADER = 'idempotency-replayed';

/** It is what became of an earlier call with the same Idempotency-Key. */
export const isReplayedError = ({ headers }: Pick<GatewayError, 'headers'>): boolean =>
  headers[REPLAYED_HEADER] !== undefined;

/** A line of JSON, and behind it the body. */
type Head =
  | { readonly kind: 'json'; readonly head?: ResponseHead }
  | { readonly kind: 'binary'; readonly mediaType: string; readonly head?: ResponseHead }
  | { readonly kind: 'error'; readonly error: StoredError };

interface StoredError {
  readonly code: string;
  readonly status: number;
  readonly source: ErrorSource;
  readonly message: string;
  readonly executed: Executed;
  readonly reason?: string | undefined;
  readonly issues: readonly Issue[];
  readonly truncated: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly privateDetail?: string | undefined;
  readonly data?: unknown;
}

const LF = 10;

const written = (head: Head, body: string | Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), typeof body === 'string' ? Buffer.from(body) : body]);

/** Throws `contract-error` where the output is nothing JSON has a word for. */
export const storedOutput = (name: string, output: Exclude<Output, { kind: 'stream' }>): Buffer => {
  const head = output.head === undefined ? {} : { head: output.head };
  if (output.kind === 'json') return written({ kind: 'json', ...head }, outputJson(name, output.value));
  return written({ kind: 'binary', mediaType: output.mediaType, ...head }, output.bytes);
};

export const storedError = (error: GatewayError): Buffer => {
  const { code, status, source, message, executed, reason, issues, truncated, headers, privateDetail, data } = error;
  const stored = { code, status, source, message, executed, reason, issues, truncated, headers, privateDetail, data };
  return written({ kind: 'error', error: stored }, '');
};

const errorOf = ({
  code,
  status,
  message,
  data,
  headers,
  reason,
  privateDetail,
  ...facts
}: StoredError): GatewayError =>
  isCode(code)
    ? new GatewayError(code satisfies Code, message, {
        ...facts,
        headers: { ...headers, [REPLAYED_HEADER]: 'true' },
        ...(reason === undefined ? {} : { reason }),
        ...(privateDetail === undefined ? {} : { privateDetail }),
      })
    : Object.assign(GatewayError.declared({ code, status, message, data }), { headers: { [REPLAYED_HEADER]: 'true' } });

/** Throws the error where the answer was one. */
export const replayed = (stored: Uint8Array): Output => {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const end = bytes.indexOf(LF);
  const read = JSON.parse(bytes.toString('utf8', 0, end)) as Head;
  if (read.kind === 'error') throw errorOf(read.error);
  const body = bytes.subarray(end + 1);
  const { head } = read;
  if (read.kind === 'binary') return { kind: 'binary', bytes: body, mediaType: read.mediaType, head, replayed: true };
  return { kind: 'json', value: JSON.parse(body.toString('utf8')), head, replayed: true };
};
