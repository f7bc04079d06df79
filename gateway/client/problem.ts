/** Problem documents (docs/errors.md) become errors. What is missing in one is read with the least trust. */
import type { ErrorSource, Executed, Issue } from '../errors.ts';
import { CallError, clientError } from './call-error.ts';

export type Members = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where an answer came from, for its errors. */
export interface AnswerIds {
  readonly traceId: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const executedOf = (value: unknown): Executed => (value === 'no' || value === 'yes' ? value : 'unknown');

const SOURCES: readonly unknown[] = ['client', 'function', 'pool', 'gateway'] satisfies ErrorSource[];

const sourceOf = (value: unknown): ErrorSource => (SOURCES.includes(value) ? (value as ErrorSource) : 'gateway');

const isIssue = (value: unknown): value is Issue =>
  isObject(value) && typeof value.pointer === 'string' && typeof value.detail === 'string';

/** Names the first broken rules, so that a log line tells what to change. */
const withIssues = (message: string, issues: readonly Issue[]): string => {
  const [first] = issues;
  if (first === undefined) return message;
  const more = issues.length > 1 ? `, and ${issues.length - 1} more` : '';
  return `${message} (${first.pointer === '' ? 'the input' : first.pointer}: ${first.detail}${more})`;
};

/** An item of a stream may have a member `error` of its own, but none with all of these. */
export const isProblem = (value: unknown): value is Members & { readonly code: string } =>
  isObject(value) && typeof value.code === 'string' && typeof value.executed === 'string' && 'status' in value;

export const errorOfProblem = (functionName: string, problem: unknown, ids: AnswerIds): CallError => {
  if (!isProblem(problem))
    return clientError(
      'unreadable-answer',
      functionName,
      'The gateway sent an error that is no problem document.',
      ids,
    );
  const issues = Array.isArray(problem.errors) ? problem.errors.filter(isIssue) : [];
  const message = text(problem.detail) ?? text(problem.title) ?? problem.code;
  return new CallError(problem.code, functionName, withIssues(message, issues), {
    status: typeof problem.status === 'number' ? problem.status : undefined,
    source: sourceOf(problem.source),
    executed: executedOf(problem.executed),
    retryable: problem.retryable === true,
    reason: text(problem.reason),
    issues,
    data: problem.data,
    traceId: text(problem.traceId) ?? ids.traceId,
    requestId: ids.requestId,
    retryAfterMs: ids.retryAfterMs,
  });
};
