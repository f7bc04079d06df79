/**
 * Records one call while it runs: ids, clock reads and plain values, nothing else. Spans are made from it when the
 * call is over.
 */

import type { GatewayError } from '../errors.ts';
import { newSpanId } from '../ids.ts';
import type { Attributes, SpanEvent, SpanRecord, TraceRecord } from './record.ts';
import { formatTraceparent, type SpanContext } from './traceparent.ts';

/** The walk of a call, in its words. Not spans but attributes, so that exporting every call stays affordable. */
export type Phase = 'validate' | 'queue' | 'connect' | 'php' | 'output';

/** The ring keeps hundreds of traces: each is bounded in number and text of its events. */
const EVENTS_MAX = 128;
const EVENTS_MAX_CHARS = 65_536;
const TEXT_MAX_CHARS = 4096;

/** Epoch ms on the monotonic clock: a step of the system clock cannot make a span end before it began. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

const cut = (value: string | number | boolean): string | number | boolean =>
  typeof value === 'string' && value.length > TEXT_MAX_CHARS ? `${value.slice(0, TEXT_MAX_CHARS)}…` : value;

type Values = Record<string, string | number | boolean | undefined>;

const assign = (target: Attributes, values: Values): void => {
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) target[key] = cut(value);
  }
};

/** Attributes without the undefined ones, texts cut. */
export const attributes = (values: Values): Attributes => {
  const result: Attributes = {};
  assign(result, values);
  return result;
};

const charsOf = (values: Attributes): number =>
  Object.values(values).reduce<number>((sum, value) => sum + String(value).length, 0);

class OpenSpan {
  readonly spanId = newSpanId();
  readonly startMs: number = nowMs();
  readonly attributes: Attributes = {};
  readonly events: SpanEvent[] = [];
  #eventChars = 0;
  #droppedEvents = 0;

  set(values: Values): void {
    assign(this.attributes, values);
  }

  event(name: string, values: Values, atMs: number): void {
    const event = { name, atMs, attributes: attributes(values) };
    const chars = charsOf(event.attributes);
    if (this.events.length >= EVENTS_MAX || this.#eventChars + chars > EVENTS_MAX_CHARS) {
      this.#droppedEvents += 1;
      this.attributes['fpm_gateway.dropped_events'] = this.#droppedEvents;
      return;
    }
    this.#eventChars += chars;
    this.events.push(event);
  }
}

/** The PHP code of an attempt. Its span id is given to PHP before it runs, so that spans made there have a parent. */
export class PhpTrace extends OpenSpan {
  /** Undefined until PHP has told how long it ran. */
  wallMs: number | undefined;
  /** When its answer was there, epoch ms. */
  endMs = 0;
  error: string | undefined;
}

/** One try to run the function. */
export class AttemptTrace extends OpenSpan {
  readonly number: number;
  readonly php = new PhpTrace();
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

  /** Adds the time since `startMs` (`nowMs()`) to a phase; returns now, for the phase that follows. */
  phase(name: Phase, startMs: number): number {
    const now = nowMs();
    this.phases[name] = (this.phases[name] ?? 0) + now - startMs;
    return now;
  }

  /** What went wrong, with what only operators are told. */
  recordError({ code, message, privateDetail }: GatewayError): void {
    this.event(
      'error',
      {
        'fpm_gateway.code': code,
        'fpm_gateway.detail': message,
        'fpm_gateway.private_detail': privateDetail,
      },
      nowMs(),
    );
  }

  beginAttempt(): AttemptTrace {
    const attempt = new AttemptTrace(this.#attempts.length + 1);
    this.#attempts.push(attempt);
    return attempt;
  }

  /** The `traceparent` PHP gets: its parent is the span of the PHP code in this attempt. */
  phpTraceparent(attempt: AttemptTrace): string {
    return formatTraceparent({ traceId: this.traceId, spanId: attempt.php.spanId, sampled: this.sampled });
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
    const { php } = attempt;
    if (php.wallMs === undefined) return [client];
    // PHP's clock may be another machine's: its span ends when its answer was there and is as long as PHP says.
    const code: SpanRecord = {
      spanId: php.spanId,
      parentSpanId: attempt.spanId,
      name: `${name}.php`,
      kind: 'internal',
      startMs: Math.max(attempt.startMs, php.endMs - php.wallMs),
      endMs: php.endMs,
      error: php.error,
      attributes: php.attributes,
      events: php.events,
    };
    return [client, code];
  }
}

export const round = (ms: number): number => Math.round(ms * 1000) / 1000;
