/** What PHP answered → the function's output, or the error that tells exactly what went wrong. Pure. */
import { GatewayError } from '../errors.ts';
import type { CgiResponse } from '../fastcgi/index.ts';
import { assertIJson } from '../ijson.ts';
import type { Envelope, Meta, PhpException } from '../pool/envelope.ts';
import type { GatewayFunction, WholeOutput } from './function.ts';
import { outputJson } from './output-json.ts';
import type { OutputStream } from './output-stream.ts';
import { validate } from './validate.ts';

/** What a script says of its answer besides the body; a handler says nothing. */
export interface ResponseHead {
  readonly status: number;
  /** Those that may pass, in the order sent, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export type Output =
  | {
      readonly kind: 'json';
      readonly value: unknown;
      readonly head: ResponseHead | undefined;
      /** It is the answer of an earlier call with the same Idempotency-Key. */
      readonly replayed?: true;
    }
  | {
      readonly kind: 'binary';
      readonly bytes: Buffer;
      readonly mediaType: string;
      readonly head: ResponseHead | undefined;
      readonly replayed?: true;
    }
  | { readonly kind: 'stream'; readonly stream: OutputStream };

export interface AnswerLimits {
  /** Of the result itself. */
  readonly responseMaxBytes: number;
  readonly issuesMax: number;
}

/** A Failure's message is for people; what programs need goes into its data. */
const FAILURE_MAX_CHARS = 1000;
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(?:; ?[a-z0-9-]+=(?:[A-Za-z0-9._-]+|"[A-Za-z0-9._ -]*"))*$/i;

/** The output of a good answer; throws GatewayError for any other. `executed` is yes in every case: PHP answered. */
export const readOutput = (fn: GatewayFunction, response: Ended, envelope: Envelope, limits: AnswerLimits): Output => {
  if (envelope.kind === 'none') throw noEnvelope(fn, response, envelope.stray);
  const { meta, payload } = envelope;
  if (payload.length > limits.responseMaxBytes) throw tooLarge(fn, limits, `${payload.length} bytes`);
  if (meta.outcome !== 'output' && meta.outcome !== 'failure') throw phpError(fn, meta);
  if (envelope.stray !== '') throw strayOutput(fn, envelope.stray);
  if (meta.outcome === 'failure') throw declaredError(fn, meta, payload, limits);
  return meta.encoding === 'binary' ? binaryOutput(fn, meta.mediaType, payload) : jsonOutput(fn, payload, limits);
};

/** The end of a handler's stream; throws for any but a good one. */
export const assertStreamed = (
  fn: GatewayFunction,
  response: Ended,
  envelope: Envelope,
  limits: AnswerLimits,
): void => {
  if (envelope.kind === 'none') throw noEnvelope(fn, response, envelope.stray);
  const { meta, payload, stray } = envelope;
  if (meta.outcome === 'failure') throw declaredError(fn, meta, payload, limits);
  if (meta.outcome !== 'streamed') throw phpError(fn, meta);
  if (stray !== '') throw strayOutput(fn, stray);
};

/** What is known of PHP when its answer is over. */
type Ended = Pick<CgiResponse, 'status' | 'stderr'>;

const strayOutput = (fn: GatewayFunction, stray: string): GatewayError => {
  const detail = `${fn.name} printed something besides its result (an echo, or text outside <?php … ?>).`;
  return new GatewayError('function-stray-output', detail, { privateDetail: `It printed: ${stray}` });
};

/** `met`: how large it is, as far as that is known. */
export const tooLarge = (fn: GatewayFunction, limits: AnswerLimits, met: string): GatewayError =>
  new GatewayError(
    'response-too-large',
    `${fn.name} returned ${met}; limits.responseMaxBytes is ${limits.responseMaxBytes}.`,
  );

const jsonOutput = (fn: GatewayFunction, payload: Buffer, limits: AnswerLimits): Output => {
  const { output } = fn;
  if (output.kind === 'binary') throw wrongKind(fn, 'JSON', `a Binary of ${output.mediaType}`);
  if (output.kind === 'stream') throw wrongKind(fn, 'one value', STREAM);
  return { kind: 'json', value: readJson(fn, output, payload, limits), head: undefined };
};

export type JsonOutput = Extract<WholeOutput, { kind: 'json' }>;

/** The validated value of these bytes. */
export const readJson = (fn: GatewayFunction, output: JsonOutput, payload: Buffer, limits: AnswerLimits): unknown => {
  const value = parseJson(fn, payload);
  const subject = `output of ${fn.name}`;
  try {
    const { issuesMax } = limits;
    return validate(output.schema, value, { code: 'invalid-function-output', subject, issuesMax });
  } catch (error) {
    throw value === null ? noValue(fn, error) : withEmptyArrayHint(error, payload);
  }
};

const binaryOutput = (fn: GatewayFunction, mediaType: string | null, bytes: Buffer): Output => {
  if (fn.output.kind !== 'binary') throw wrongKind(fn, 'a Binary', fn.output.kind === 'stream' ? STREAM : 'JSON');
  const expected = fn.output.mediaType;
  const isFamily = expected.endsWith('/*');
  const actual = mediaType ?? (isFamily ? undefined : expected);
  const matches =
    actual !== undefined &&
    MEDIA_TYPE.test(actual) &&
    (isFamily ? actual.startsWith(expected.slice(0, -1)) : actual === expected);
  if (!matches || actual === undefined) {
    throw wrongKind(
      fn,
      `a Binary of ${actual === undefined ? 'no media type' : JSON.stringify(actual)}`,
      `one of ${expected}`,
    );
  }
  return { kind: 'binary', bytes, mediaType: actual, head: undefined };
};

const STREAM = 'stream(): yield, or return something iterable';

const wrongKind = (fn: GatewayFunction, got: string, wanted: string): GatewayError =>
  new GatewayError('invalid-function-output', `${fn.name} returned ${got}; its contract says ${wanted}.`, {
    reason: 'kind',
  });

/** json_decode's own limit; json_encode stops there, too. */
const OUTPUT_DEPTH = 512;

const parseJson = (fn: GatewayFunction, payload: Buffer): unknown => {
  const text = payload.toString('utf8');
  // PHP's integers reach further than JavaScript's: 9007199254740993 would arrive as …992. Only then a scan pays.
  if (/\d{16}/.test(text)) assertExact(fn, text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('bad-function-response', `The result of ${fn.name} is no JSON.`, { executed: 'yes', cause });
  }
};

const assertExact = (fn: GatewayFunction, text: string): void => {
  try {
    assertIJson(text, OUTPUT_DEPTH);
  } catch (cause) {
    const why = cause instanceof GatewayError ? cause.message : String(cause);
    throw new GatewayError('invalid-function-output', `The result of ${fn.name} is not I-JSON: ${why}`, {
      reason: 'not-json',
      cause,
    });
  }
};

const noValue = (fn: GatewayFunction, cause: unknown): GatewayError =>
  new GatewayError(
    'function-no-result',
    `${fn.name} returned null; its contract asks for a value. Is a return missing?`,
    {
      reason: 'null',
      cause,
    },
  );

/** PHP's one array type writes an empty map as `[]`: the most common surprise, so the message names its cure. */
const withEmptyArrayHint = (error: unknown, payload: Buffer): unknown => {
  if (!(error instanceof GatewayError) || error.code !== 'invalid-function-output' || !payload.includes('[]'))
    return error;
  const { message, issues, truncated } = error;
  const hint = `${message} PHP writes an empty array as []; return (object) [] where an empty object is meant.`;
  return new GatewayError('invalid-function-output', hint, { issues, truncated, cause: error });
};

const declaredError = (
  fn: GatewayFunction,
  meta: { readonly code: string; readonly message: string },
  payload: Buffer,
  limits: AnswerLimits,
): GatewayError => {
  const declared = fn.errors.get(meta.code);
  if (declared === undefined) {
    const detail = `${fn.name} threw the Failure ${JSON.stringify(meta.code.slice(0, 64))}, which its contract does not declare.`;
    return new GatewayError('function-error', detail, { reason: 'undeclared-failure', privateDetail: meta.message });
  }
  try {
    const subject = `data of the error ${meta.code} of ${fn.name}`;
    const options = { code: 'invalid-function-output', subject, issuesMax: limits.issuesMax } as const;
    const data = validate(declared.schema, parseJson(fn, payload), options);
    // What transforms make of it has to be written, too.
    outputJson(fn.name, data);
    return GatewayError.declared({
      code: meta.code,
      status: declared.status,
      message: meta.message.slice(0, FAILURE_MAX_CHARS),
      data,
    });
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
};

const describe = ({ class: name, message, file, line, trace }: PhpException): string =>
  [`${name}: ${message} in ${file}:${line}`, trace].filter(Boolean).join('\n');

export const phpError = (fn: GatewayFunction, meta: Meta): GatewayError => {
  switch (meta.outcome) {
    case 'exception':
      return new GatewayError('function-error', `${fn.name} threw an exception.`, {
        reason: 'exception',
        privateDetail: describe(meta.exception),
      });
    case 'fatal':
      return new GatewayError('function-error', `${fn.name} ended with a fatal error.`, {
        reason: 'fatal',
        privateDetail: describe(meta.exception),
      });
    case 'out-of-memory':
      return new GatewayError('function-out-of-memory', `${fn.name} used up the memory_limit of its pool.`, {
        privateDetail: describe(meta.exception),
      });
    case 'unencodable':
      return new GatewayError(
        'invalid-function-output',
        `The result of ${fn.name} cannot be written as JSON: ${meta.message}.`,
        {
          reason: 'not-json',
        },
      );
    case 'exit':
      return new GatewayError('function-no-result', `${fn.name} called exit() or die() instead of returning a value.`, {
        reason: 'exit',
      });
    case 'deadline':
      return new GatewayError('function-timeout', `${fn.name} was ended while it waited: its time was up.`, {
        executed: 'yes',
      });
    default:
      return new GatewayError('bad-function-response', `${fn.name} answered ${meta.outcome}.`, { executed: 'yes' });
  }
};

/** The runtime did not come to write its envelope: a worse fatal error, or `fastcgi_finish_request()`. */
const noEnvelope = (fn: GatewayFunction, response: Ended, stray: string): GatewayError => {
  const { stderr, status } = response;
  const privateDetail = `status ${status}; STDERR: ${stderr || 'nothing'}; body: ${stray || 'nothing'}`;
  if (stderr.includes('Allowed memory size of')) {
    return new GatewayError('function-out-of-memory', `${fn.name} used up the memory_limit of its pool.`, {
      privateDetail,
    });
  }
  if (stderr.includes('PHP Fatal error') || status >= 500) {
    return new GatewayError('function-error', `${fn.name} ended with a fatal error.`, {
      reason: 'fatal',
      privateDetail,
    });
  }
  const detail = `${fn.name} ended its answer before the runtime could write the result (fastcgi_finish_request()?).`;
  return new GatewayError('function-no-result', detail, { reason: 'ended-early', privateDetail });
};
