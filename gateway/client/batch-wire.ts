/** Batches as they go over the wire: one line for each item, one for each result. Pure. */
import type { Executed } from '../errors.ts';
import type { CallError } from './call-error.ts';
import { type AnswerIds, errorOfProblem, executedOf, isObject, type Members } from './problem.ts';

/** One item, its input already written. */
export interface BatchLine {
  readonly name: string;
  readonly inputText: string;
  readonly id?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly traceparent?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

export interface ItemTiming {
  readonly queueMs: number;
  readonly phpMs: number;
  readonly totalMs: number;
}

/** What is known of an item besides its output or error. */
export interface ItemFacts {
  readonly executed: Executed;
  /** It is that of an earlier call with the same Idempotency-Key. */
  readonly replayed: boolean;
  /** In the gateway; 0: it never began. */
  readonly attempts: number;
  readonly timing: ItemTiming | undefined;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
}

export type ItemEnd = ItemFacts &
  (
    | { readonly ok: true; readonly status: 'succeeded'; readonly output: unknown }
    | { readonly ok: false; readonly status: 'failed' | 'cancelled'; readonly error: CallError }
  );

/** A line of the answer: the end of one item, or of the whole batch before its end. */
export type BatchNews =
  | { readonly kind: 'item'; readonly index: number; readonly end: ItemEnd }
  | { readonly kind: 'broken-off'; readonly error: CallError };

export const encodeLine = ({ name, inputText, ...others }: BatchLine): string => {
  // What is undefined is left out. The input was written when it was given, once.
  const rest = JSON.stringify({ function: name, ...others }).slice(1);
  return `{"input":${inputText},${rest}\n`;
};

const timingOf = (value: unknown): ItemTiming | undefined => {
  if (!isObject(value)) return undefined;
  const ms = (name: string): number => (typeof value[name] === 'number' ? value[name] : 0);
  return { queueMs: ms('queueMs'), phpMs: ms('phpMs'), totalMs: ms('totalMs') };
};

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Binary outputs come in base64 and leave as `Blob`, as they do alone. */
const outputOf = ({ output, encoding }: Members): unknown => {
  if (encoding !== 'base64' || !isObject(output) || typeof output.base64 !== 'string') return output;
  return new Blob([bytesOf(output.base64)], { type: String(output.mediaType) });
};

const factsOf = (line: Members, ids: AnswerIds): ItemFacts => ({
  executed: executedOf(line.executed),
  replayed: line.replayed === true,
  attempts: typeof line.attempts === 'number' ? line.attempts : 0,
  timing: timingOf(line.timing),
  traceId: typeof line.traceId === 'string' ? line.traceId : ids.traceId,
  spanId: typeof line.spanId === 'string' ? line.spanId : undefined,
});

const endOf = (line: Members, name: string, ids: AnswerIds): ItemEnd => {
  const facts = factsOf(line, ids);
  if (line.status === 'succeeded') return { ...facts, ok: true, status: 'succeeded', output: outputOf(line) };
  const status = line.status === 'cancelled' ? 'cancelled' : 'failed';
  const error = errorOfProblem(name, line.error, { ...ids, traceId: facts.traceId });
  return { ...facts, ok: false, status, error };
};

/** Undefined: nothing the protocol knows. `names`: of the items, in order. */
export const parseNews = (text: string, names: readonly string[], ids: AnswerIds): BatchNews | undefined => {
  const line: unknown = JSON.parse(text);
  if (!isObject(line)) return undefined;
  const name = typeof line.index === 'number' ? names[line.index] : undefined;
  if (typeof line.index === 'number' && name !== undefined)
    return { kind: 'item', index: line.index, end: endOf(line, name, ids) };
  if (line.index !== null || !isObject(line.error)) return undefined;
  return { kind: 'broken-off', error: errorOfProblem('batch', line.error, ids) };
};

/** The end that the caller set. */
const OVER = new Set(['aborted', 'client-timeout']);

/** Of an item the gateway told nothing about. What its caller stopped before it was sent never began. */
export const endWithout = (error: CallError): ItemEnd => ({
  ok: false,
  status: OVER.has(error.code) && error.executed === 'no' ? 'cancelled' : 'failed',
  error,
  executed: error.executed,
  replayed: false,
  attempts: 0,
  timing: undefined,
  traceId: error.traceId,
  spanId: undefined,
});
