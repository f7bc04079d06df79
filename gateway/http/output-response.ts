/** A function's output as an HTTP answer. */
import type { Settings } from '../config.ts';
import { GatewayError } from '../errors.ts';
import type { Output, ResponseHead } from '../invoke/answer.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { OutputStream } from '../invoke/output-stream.ts';
import type { HttpContext } from './context.ts';
import { type ProblemContext, problemBody } from './problem.ts';
import { assertAcceptable } from './request-rules.ts';
import { StreamBody } from './stream-body.ts';
import { chooseFormat, streamTypes } from './stream-format.ts';

export interface AnswerParts {
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: ProblemContext;
  readonly http: Settings['http'];
}

/** GET brings HEAD with it (RFC 9110, 9.3.2). */
export const offeredMethods = ({ methods }: GatewayFunction): string[] =>
  methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));

/** Throws `not-acceptable` before anything runs. */
export const assertAnswerable = ({ output }: GatewayFunction, accept: string | undefined): void => {
  if (output.kind !== 'stream') {
    assertAcceptable(accept, output.kind === 'json' ? 'application/json' : output.mediaType);
  } else if (chooseFormat(output.item, accept) === undefined) {
    assertAcceptable(accept, streamTypes(output.item).join(' or '));
  }
};

/** A transform in an output schema may make what JSON has no word for, such as a bigint. */
const writeJson = (fn: string, value: unknown): string => {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (cause) {
    throw new GatewayError('contract-error', `The parsed output of ${fn} cannot be written as JSON.`, {
      executed: 'yes',
      cause,
      privateDetail: String(cause),
    });
  }
};

/** Of a script's headers those that tell of its own bytes, which are written anew. */
const ABOUT_BYTES = new Set(['content-type', 'content-encoding', 'etag', 'accept-ranges', 'content-range']);

/** Ours, where the script says nothing; the script's; and those nobody else may set. */
const headersOf = (
  head: ResponseHead | undefined,
  contentType: string | undefined,
  keepsBytes: boolean,
  own: Readonly<Record<string, string>>,
): Record<string, string> | [string, string][] => {
  const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  const type: Record<string, string> = contentType === undefined ? {} : { 'content-type': contentType };
  if (head === undefined) return { ...type, ...common, ...own };
  const said = head.headers.filter(([name]) => keepsBytes || !ABOUT_BYTES.has(name));
  const names = new Set(said.map(([name]) => name));
  const missing = Object.entries({ ...common, ...type }).filter(([name]) => !names.has(name));
  return [...said.map(([name, value]): [string, string] => [name, value]), ...missing, ...Object.entries(own)];
};

/** RFC 9110: these have no body, whatever a script printed. */
const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304;

export const outputResponse = (c: HttpContext, fn: string, output: Output, parts: AnswerParts): Response => {
  if (output.kind === 'stream') return streamResponse(c, output.stream, parts);
  const { head } = output;
  const status = head?.status ?? 200;
  // A script that is asked for its head alone gives no more, so that its length is not known.
  const headOnly = head !== undefined && c.req.method === 'HEAD';
  if (output.kind === 'json') {
    const headers = headersOf(head, 'application/json', false, parts.headers);
    return new Response(headOnly ? null : writeJson(fn, output.value), { status, headers });
  }
  const headers = headersOf(head, head === undefined ? output.mediaType : undefined, true, parts.headers);
  // A Buffer is a Uint8Array over an ArrayBuffer; its type allows a shared one, which sockets never give.
  const body = headOnly || hasNoBody(status) ? null : (output.bytes as Uint8Array<ArrayBuffer>);
  return new Response(body, { status, headers });
};

const streamResponse = (c: HttpContext, stream: OutputStream, parts: AnswerParts): Response => {
  const { head, item } = stream;
  const { http, problem } = parts;
  const status = head?.status ?? 200;
  // Accept was looked at before; what a script refuses with is sent whatever it is.
  const format = chooseFormat(item, c.req.header('accept')) ?? chooseFormat(item, undefined);
  if (format === undefined) throw new GatewayError('internal-error', 'A stream has no format.');
  const isBytes = item.kind === 'binary';
  const headers = headersOf(head, format.mediaType, isBytes, parts.headers);
  if (c.req.method === 'HEAD' || hasNoBody(status)) {
    stream.cancel(new GatewayError('client-closed', 'Nobody asked for the body of the stream.', { executed: 'yes' }));
    return new Response(null, { status, headers });
  }
  const { heartbeatMs, idleWriteTimeoutMs } = http;
  const options = { format, heartbeatMs, idleWriteTimeoutMs, cut: c.env?.cut };
  const body = new StreamBody(stream, { ...options, problem: (error) => problemBody(error, problem) });
  return new Response(body.readable(), { status, headers });
};
