/** A function's output as an HTTP answer. */
import type { Settings } from '../config.ts';
import { GatewayError } from '../errors.ts';
import type { Output, ResponseHead } from '../invoke/answer.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { outputJson } from '../invoke/output-json.ts';
import type { OutputStream } from '../invoke/output-stream.ts';
import type { CallRequest } from './call-request.ts';
import type { HttpAnswer } from './http-answer.ts';
import { type ProblemContext, problemBody } from './problem.ts';
import { assertAcceptable } from './request-rules.ts';
import { StreamBody } from './stream-body.ts';
import { chooseFormat, streamTypes } from './stream-format.ts';

export interface AnswerParts {
  /** Of every answer to this call: name, value, name, value … */
  readonly headers: readonly string[];
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

/** Of a script's headers those that tell of its own bytes, which are written anew. */
const ABOUT_BYTES = new Set(['content-type', 'content-encoding', 'etag', 'accept-ranges', 'content-range']);

/** Ours, where the script says nothing; the script's; and those nobody else may set. */
const headersOf = (
  head: ResponseHead | undefined,
  contentType: string | undefined,
  keepsBytes: boolean,
  own: readonly string[],
): string[] => {
  const usual = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff'];
  if (contentType !== undefined) usual.push('content-type', contentType);
  const headers = head === undefined ? usual : besideScript(head, keepsBytes, usual);
  headers.push(...own);
  return headers;
};

/** A script's word goes before what is usual; it has none on its own bytes where they are written anew. */
const besideScript = (head: ResponseHead, keepsBytes: boolean, usual: readonly string[]): string[] => {
  const cookies: string[] = [];
  const said = new Map<string, string>();
  for (const [name, value] of head.headers) {
    if (name === 'set-cookie') {
      // The one header whose values cannot be joined.
      cookies.push(name, value);
    } else if (keepsBytes || !ABOUT_BYTES.has(name)) {
      const before = said.get(name);
      said.set(name, before === undefined ? value : `${before}, ${value}`);
    }
  }
  for (let at = 0; at < usual.length; at += 2) {
    const name = usual[at] ?? '';
    if (!said.has(name)) said.set(name, usual[at + 1] ?? '');
  }
  return [...[...said].flat(), ...cookies];
};

/** RFC 9110: these have no body, whatever a script printed. */
const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304;

export const outputAnswer = (request: CallRequest, fn: string, output: Output, parts: AnswerParts): HttpAnswer => {
  if (output.kind === 'stream') return streamAnswer(request, output.stream, parts);
  const { head } = output;
  const status = head?.status ?? 200;
  // A script that is asked for its head alone gives no more, so that its length is not known.
  const headOnly = head !== undefined && request.method === 'HEAD';
  if (output.kind === 'json') {
    const headers = headersOf(head, 'application/json', false, parts.headers);
    return { status, headers, body: headOnly ? null : outputJson(fn, output.value) };
  }
  const headers = headersOf(head, head === undefined ? output.mediaType : undefined, true, parts.headers);
  return { status, headers, body: headOnly || hasNoBody(status) ? null : output.bytes };
};

const streamAnswer = (request: CallRequest, stream: OutputStream, parts: AnswerParts): HttpAnswer => {
  const { head, item } = stream;
  const { http, problem } = parts;
  const status = head?.status ?? 200;
  // Accept was looked at before; what a script refuses with is sent whatever it is.
  const format = chooseFormat(item, request.header('accept')) ?? chooseFormat(item, undefined);
  if (format === undefined) throw new GatewayError('internal-error', 'A stream has no format.');
  const headers = headersOf(head, format.mediaType, item.kind === 'binary', parts.headers);
  if (request.method === 'HEAD' || hasNoBody(status)) {
    stream.cancel(new GatewayError('client-closed', 'Nobody asked for the body of the stream.', { executed: 'yes' }));
    return { status, headers, body: null };
  }
  const { heartbeatMs, idleWriteTimeoutMs } = http;
  const options = { format, heartbeatMs, idleWriteTimeoutMs, cut: request.cut };
  const body = new StreamBody(stream, { ...options, problem: (error) => problemBody(error, problem) });
  return { status, headers, body };
};
