/** GatewayError → problem+json (RFC 9457): the only place that writes error bodies. */
import type { GatewayError } from '../errors.ts';
import { isCode } from '../errors.ts';
import { type Timing, timingText } from '../trace/call-trace.ts';
import { flatHeaders, toResponse, type WholeAnswer } from './http-answer.ts';

export interface ProblemContext {
  readonly callId: string | undefined;
  readonly traceId: string | undefined;
  /** Tell what PHP said. */
  readonly expose: boolean;
  /** Where the time went: for those who may know about load. */
  readonly timing?: Timing;
  /** That its function may have. */
  readonly attemptsMax?: number;
}

/** Failures that are about time. */
const TIMED: ReadonlySet<string> = new Set([
  'function-timeout',
  'deadline-exceeded',
  'queue-timeout',
  'pool-unavailable',
]);

const detailOf = ({ code, message }: GatewayError, { timing, attemptsMax }: ProblemContext): string =>
  timing !== undefined && TIMED.has(code) ? `${message} ${timingText(timing, attemptsMax ?? 1)}` : message;

export const problemBody = (error: GatewayError, context: ProblemContext): Record<string, unknown> => {
  const { callId, traceId, expose, timing } = context;
  return {
    // Codes of the table are explained by the gateway itself; declared ones by the function's contract.
    type: isCode(error.code) ? `/errors/${error.code}` : 'about:blank',
    title: error.title,
    status: error.status,
    detail: detailOf(error, context),
    ...(callId === undefined ? {} : { instance: `urn:uuid:${callId}` }),
    code: error.code,
    source: error.source,
    executed: error.executed,
    retryable: error.retryable,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    ...(traceId === undefined ? {} : { traceId }),
    ...(error.issues.length === 0 ? {} : { errors: error.issues }),
    ...(error.truncated ? { truncated: true } : {}),
    ...(error.data === undefined ? {} : { data: error.data }),
    // A declared error is an answer of the function.
    ...(timing === undefined || !isCode(error.code) ? {} : { timing }),
    ...(expose && error.privateDetail !== undefined ? { debug: error.privateDetail } : {}),
  };
};

/** Retry-After in whole seconds, ±20 % so that callers do not return in step, never 0. */
const retryAfter = (ms: number): string => String(Math.max(1, Math.round((ms * (0.8 + 0.4 * Math.random())) / 1000)));

export const problemHeaders = (error: GatewayError): Record<string, string> => ({
  'content-type': 'application/problem+json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  ...(error.retryAfterMs === undefined ? {} : { 'retry-after': retryAfter(error.retryAfterMs) }),
  ...error.headers,
});

export const problemAnswer = (
  error: GatewayError,
  context: ProblemContext,
  headers: Readonly<Record<string, string>>,
): WholeAnswer => ({
  // 499 is for logs: nobody is there to read it.
  status: error.status,
  headers: flatHeaders({ ...problemHeaders(error), ...headers }),
  body: JSON.stringify(problemBody(error, context)),
});

export const problemResponse = (
  error: GatewayError,
  context: ProblemContext,
  headers: Readonly<Record<string, string>>,
): Response => toResponse(problemAnswer(error, context, headers));
