/** What a script answered → status, the headers that may pass, and its body; or the error that tells what went wrong. Pure. */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../errors.ts';
import type { CgiHead, CgiResponse } from '../fastcgi/index.ts';
import { FATAL, type Meta } from '../pool/envelope.ts';
import { isMediaTypeIn } from '../upload.ts';
import {
  type AnswerLimits,
  type JsonOutput,
  type Output,
  phpError,
  type ResponseHead,
  readJson,
  tooLarge,
} from './answer.ts';
import type { GatewayFunction, WholeOutput } from './function.ts';

/** What scripts usually say and no proxy or connection depends on. Framing, and the gateway's own, never pass. */
const USUAL = new Set([
  'accept-ranges',
  'allow',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'content-security-policy',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'pragma',
  'referrer-policy',
  'refresh',
  'retry-after',
  'set-cookie',
  'vary',
  'www-authenticate',
  'x-content-type-options',
  'x-frame-options',
  'x-robots-tag',
]);

/** Of which one more than once would contradict the other. */
const REPEATABLE = new Set(['set-cookie', 'link', 'vary', 'www-authenticate', 'cache-control']);

/** Names of headers that do not reach the caller, for traces: the first thing asked when one is missed. */
export const droppedHeaders = (fn: GatewayFunction, { headers }: CgiHead): string | undefined => {
  const dropped = headers.filter(([name]) => !USUAL.has(name) && !fn.responseHeaders.includes(name));
  return dropped.length === 0 ? undefined : dropped.map(([name]) => name).join(', ');
};

export const responseHead = (fn: GatewayFunction, { status, headers }: CgiHead): ResponseHead => {
  const passing = headers.filter(([name]) => USUAL.has(name) || fn.responseHeaders.includes(name));
  const seen = new Set<string>();
  for (const [name] of passing) {
    if (seen.has(name) && !REPEATABLE.has(name) && !fn.responseHeaders.includes(name)) {
      throw new GatewayError('bad-function-response', `${fn.name} sent the header ${name} twice.`, { executed: 'yes' });
    }
    seen.add(name);
  }
  return { status, headers: passing };
};

/** Of what it printed instead, in traces. */
const SHOWN_BYTES = 500;

const essence = (contentType: string): string => (contentType.split(';')[0] ?? '').trim().toLowerCase();

export const contentTypeOf = ({ headers }: CgiHead): string | undefined =>
  headers.find(([name]) => name === 'content-type')?.[1];

/** Redirects, refusals and failures of a script's own are its answer as they are; what it promised is a good one. */
export const isGood = (status: number): boolean => status >= 200 && status < 300;

/** Whether what the contract promises must be there: a 204 or 205 is a good answer without it. */
const keepsPromise = (status: number): boolean => isGood(status) && status !== 204 && status !== 205;

/** The Content-Type of a good answer must be the promised one. */
export const assertMediaType = (fn: GatewayFunction, item: WholeOutput, head: CgiHead): void => {
  const contentType = contentTypeOf(head);
  if (item.kind !== 'binary' || !keepsPromise(head.status)) return;
  if (contentType !== undefined && isMediaTypeIn(essence(contentType), [item.mediaType])) return;
  const met =
    contentType === undefined ? 'no Content-Type' : `the Content-Type ${JSON.stringify(contentType.slice(0, 100))}`;
  throw new GatewayError(
    'invalid-function-output',
    `${fn.name} answered with ${met}; its contract says ${item.mediaType}.`,
    {
      reason: 'kind',
    },
  );
};

/** Throws for a script that died, whatever it had printed by then: its answer is not whole. */
export const assertWhole = (
  fn: GatewayFunction,
  { status, stderr, stderrIsCut }: Pick<CgiResponse, 'status' | 'stderr' | 'stderrIsCut'>,
  meta: Meta | undefined,
): void => {
  if (meta !== undefined && meta.outcome !== 'script-ended') throw phpError(fn, meta);
  // Without its mark PHP died too hard to write it, or it is lost among what was dropped; or PHP had closed its answer.
  if (meta !== undefined || !(stderrIsCut || FATAL.test(stderr))) return;
  const privateDetail = `status ${status}; STDERR: ${stderr}`;
  if (stderr.includes('Allowed memory size of'))
    throw new GatewayError('function-out-of-memory', `${fn.name} used up the memory_limit of its pool.`, {
      privateDetail,
    });
  throw new GatewayError('function-error', `${fn.name} ended with a fatal error.`, { reason: 'fatal', privateDetail });
};

/** A script's own JSON, unlike a handler's, is whatever it printed. */
const readPrintedJson = (fn: GatewayFunction, output: JsonOutput, body: Buffer, limits: AnswerLimits): unknown => {
  if (isUtf8(body)) {
    try {
      return readJson(fn, output, body, limits);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'bad-function-response') throw error;
    }
  }
  const what = body.length === 0 ? 'nothing' : 'something else';
  throw new GatewayError('invalid-function-output', `${fn.name} printed ${what}; its contract says JSON.`, {
    reason: 'not-json',
    privateDetail: `It printed ${JSON.stringify(body.toString('utf8', 0, SHOWN_BYTES))}.`,
  });
};

export interface ScriptAnswer {
  readonly response: CgiResponse;
  readonly meta: Meta | undefined;
  /** Nobody asked for its body, so that there is none to check. */
  readonly headOnly: boolean;
}

/** The output of a script whose whole answer is here. */
export const readScriptOutput = (
  fn: GatewayFunction,
  output: WholeOutput,
  { response, meta, headOnly }: ScriptAnswer,
  limits: AnswerLimits,
): Output => {
  assertWhole(fn, response, meta);
  const { body } = response;
  if (body.length > limits.responseMaxBytes) throw tooLarge(fn, limits, `${body.length} bytes`);
  const head = responseHead(fn, response);
  if (output.kind === 'json' && keepsPromise(head.status)) {
    const value = headOnly ? undefined : readPrintedJson(fn, output, body, limits);
    return { kind: 'json', value, head };
  }
  assertMediaType(fn, output, response);
  return { kind: 'binary', bytes: body, mediaType: contentTypeOf(response) ?? 'application/octet-stream', head };
};
