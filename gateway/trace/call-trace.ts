/**
 * Records one call while it runs: ids, clock reads and plain values, nothing else. Spans are made from it when the
 * call is over.
 */
import { randomFillSync } from 'node:crypto';
import type { GatewayError } from '../errors.ts';
import type { Attributes, SpanEvent, SpanRecord, TraceRecord } from './record.ts';
import { formatTraceparent, type SpanContext } from './traceparent.ts';

/** The walk of a call, in its words. Not spans but attributes, so that exporting every call stays affordable. */
export type Phase = 'validate' | 'queue' | 'connect' | 'php' | 'output';

const EVENTS_MAX = 128;
const TEXT_MAX_CHARS = 4096;

/** Epoch ms on the monotonic clock: a step of the system clock cannot make a span end before it began. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/** Random bytes are fetched in bulk: a system call for each id was 4 % of a call. */
const pool = Buffer.alloc(4096);
let used = pool.length;

const randomHex = (bytes: number): string => {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
};

export const newTraceId = (): string => randomHex(16);
export const newSpanId = (): string => randomHex(8);

const cut = (value: string | number | boolean): string | number | boolean =>
  typeof value === 'string' && value.length > TEXT_MAX_CHARS ? `${value.slice(0, TEXT_MAX_CHARS)}…` : value;

/** Attributes without the undefined ones, texts cut. */
export const attributes = (values: Record<string, string | number | boolean | undefined>): Attributes => {
  const result: Attributes = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) result[key] = cut(value);
  return result;
};

class OpenSpan {
  readonly spanId = newSpanId();
  readonly startMs: number = nowMs();
  readonly attributes: Attributes = {};
  readonly events: SpanEvent[] = [];

  set(values: Record<string, string | number | boolean | undefined>): void {
    Object.assign(this.attributes, attributes(values));
  }

  event(name: string, values: Record<string, string | number | boolean | undefined>, atMs: number = nowMs()): void {
    if (this.events.length < EVENTS_MAX) this.events.push({ name, atMs, attributes: attributes(values) });
  }
}

/** One try to run the function, and the PHP code it ran. */
export class AttemptTrace extends OpenSpan {
  /** Given to PHP before it runs, so that spans made there have a parent. */
  readonly phpSpanId = newSpanId();
  readonly number: number;
  /** Set once PHP has told how long it ran. */
  php: { wallMs: number; attributes: Attributes; events: SpanEvent[]; error: string | undefined } | undefined;
  endMs = 0;
  error: string | undefined;

  constructor(number: number) {
    super();
    this.number = number;
  }

  end(error: string | undefined): void {
    this.endMs = nowMs();
    this.error = error;
  }
}

export interface CallTraceOptions {
  readonly callId: string;
  readonly function: string;
  readonly sampled: boolean;
  readonly parent: SpanContext | undefined;
  readonly link: SpanContext | undefined;
}

export class CallTrace extends OpenSpan {
  readonly traceId: string;
  readonly callId: string;
  readonly sampled: boolean;
  readonly #options: CallTraceOptions;
  readonly #attempts: AttemptTrace[] = [];
  readonly phases: Partial<Record<Phase, number>> = {};

  constructor(options: CallTraceOptions, traceId: string) {
    super();
    this.#options = options;
    this.traceId = traceId;
    this.callId = options.callId;
    this.sampled = options.sampled;
  }

  get attempts(): number {
    return this.#attempts.length;
  }

  get context(): SpanContext {
    return { traceId: this.traceId, spanId: this.spanId, sampled: this.sampled };
  }

  /** Adds the time since `startMs` (`nowMs()`) to a phase; returns now, for the phase that follows. */
  phase(name: Phase, startMs: number): number {
    const now = nowMs();
    this.phases[name] = (this.phases[name] ?? 0) + now - startMs;
    return now;
  }

  /** What went wrong, with what only operators are told. */
  recordError({ code, message, privateDetail }: GatewayError): void {
    this.event('error', {
      'fpm_gateway.code': code,
      'fpm_gateway.detail': message,
      'fpm_gateway.private_detail': privateDetail,
    });
  }

  beginAttempt(): AttemptTrace {
    const attempt = new AttemptTrace(this.#attempts.length + 1);
    this.#attempts.push(attempt);
    return attempt;
  }

  /** The `traceparent` PHP gets: its parent is the span of the PHP code in this attempt. */
  phpTraceparent(attempt: AttemptTrace): string {
    return formatTraceparent({ traceId: this.traceId, spanId: attempt.phpSpanId, sampled: this.sampled });
  }

  end(error: string | undefined): TraceRecord {
    const endMs = nowMs();
    const { callId, sampled, parent, link } = this.#options;
    const name = this.#options.function;
    for (const [phase, ms] of Object.entries(this.phases)) this.set({ [`fpm_gateway.${phase}_ms`]: round(ms) });
    const server: SpanRecord = {
      spanId: this.spanId,
      parentSpanId: parent?.spanId,
      name,
      kind: 'server',
      startMs: this.startMs,
      endMs,
      error,
      attributes: this.attributes,
      events: this.events,
    };
    const spans = [server, ...this.#attempts.flatMap((attempt) => this.#attemptSpans(attempt, name, endMs))];
    return {
      traceId: this.traceId,
      callId,
      function: name,
      sampled,
      parentSpanId: parent?.spanId,
      link: link && { traceId: link.traceId, spanId: link.spanId },
      startMs: this.startMs,
      endMs,
      error,
      spans,
    };
  }

  #attemptSpans(attempt: AttemptTrace, name: string, callEndMs: number): SpanRecord[] {
    const endMs = attempt.endMs || callEndMs;
    const client: SpanRecord = {
      spanId: attempt.spanId,
      parentSpanId: this.spanId,
      name: `${name} attempt`,
      kind: 'client',
      startMs: attempt.startMs,
      endMs,
      error: attempt.error,
      attributes: attempt.attributes,
      events: attempt.events,
    };
    if (attempt.php === undefined) return [client];
    const { wallMs, error } = attempt.php;
    // PHP's clock may be another machine's: its span ends with the attempt and is as long as PHP says.
    const php: SpanRecord = {
      spanId: attempt.phpSpanId,
      parentSpanId: attempt.spanId,
      name: `${name}.php`,
      kind: 'internal',
      startMs: Math.max(attempt.startMs, endMs - wallMs),
      endMs,
      error,
      attributes: attempt.php.attributes,
      events: attempt.php.events,
    };
    return [client, php];
  }
}

export const round = (ms: number): number => Math.round(ms * 1000) / 1000;
