/**
 * Spans for the SDK's processors, made in one piece from what was recorded. The SDK's own, started and ended for a
 * span that is long over, cost 4 µs each instead of 0.5; the limits people set for them are kept here instead.
 */
import {
  type Attributes as AnyAttributes,
  type HrTime,
  type Link,
  type SpanContext,
  SpanKind,
  type SpanStatus,
  SpanStatusCode,
  TraceFlags,
} from '@opentelemetry/api';
import type { ReadableSpan, TimedEvent } from '@opentelemetry/sdk-trace';
import type { Attributes, SpanRecord, TraceRecord } from './record.ts';

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
const UNSET: SpanStatus = { code: SpanStatusCode.UNSET };
const NO_LINKS: Link[] = [];
const NO_EVENTS: TimedEvent[] = [];

/** What every span of a process shares. */
export type SpanOrigin = Pick<ReadableSpan, 'resource' | 'instrumentationScope'>;

export interface SpanLimits {
  readonly attributes: number;
  readonly chars: number;
  readonly events: number;
  readonly eventAttributes: number;
  readonly links: number;
}

/** The standard `OTEL_*_LIMIT` variables; undefined where none is set, because our own bounds are no wider. */
export const spanLimits = (env: Readonly<Record<string, string | undefined>>): SpanLimits | undefined => {
  const limit = (...names: string[]): number => {
    const name = names.find((candidate) => /^\d+$/.test(env[candidate]?.trim() ?? ''));
    return name === undefined ? Number.POSITIVE_INFINITY : Number(env[name]);
  };
  const limits = {
    attributes: limit('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'),
    chars: limit('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
    events: limit('OTEL_SPAN_EVENT_COUNT_LIMIT'),
    eventAttributes: limit('OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT', 'OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT'),
    links: limit('OTEL_SPAN_LINK_COUNT_LIMIT'),
  };
  return Object.values(limits).every((value) => value === Number.POSITIVE_INFINITY) ? undefined : limits;
};

const limited = (all: Attributes, count: number, chars: number): AnyAttributes => {
  const entries = Object.entries(all).slice(0, count);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value.slice(0, chars) : value]),
  );
};

const hrTime = (ms: number): HrTime => {
  const seconds = Math.trunc(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1_000_000)];
};

/** A refused request is no failure of the server: conventions leave the status of its span unset below 500. */
const statusOf = ({ kind, error, attributes }: SpanRecord): SpanStatus => {
  if (error === undefined) return UNSET;
  if (kind === 'server' && Number(attributes['http.response.status_code']) < 500) return UNSET;
  return { code: SpanStatusCode.ERROR, message: error };
};

const contextOf = (traceId: string, spanId: string, isRemote: boolean): SpanContext => ({
  traceId,
  spanId,
  traceFlags: TraceFlags.SAMPLED,
  isRemote,
});

class FinishedSpan implements ReadableSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: SpanStatus;
  readonly attributes: AnyAttributes;
  readonly links: Link[];
  readonly events: TimedEvent[];
  readonly duration: HrTime;
  readonly ended = true;
  readonly resource: ReadableSpan['resource'];
  readonly instrumentationScope: ReadableSpan['instrumentationScope'];
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
  readonly #context: SpanContext;

  constructor(trace: TraceRecord, span: SpanRecord, origin: SpanOrigin, limits: SpanLimits | undefined) {
    const { traceId, link } = trace;
    const isServer = span.kind === 'server';
    this.name = span.name;
    this.kind = KINDS[span.kind];
    this.#context = contextOf(traceId, span.spanId, false);
    if (span.parentSpanId !== undefined) this.parentSpanContext = contextOf(traceId, span.parentSpanId, isServer);
    this.startTime = hrTime(span.startMs);
    this.endTime = hrTime(Math.max(span.startMs, span.endMs));
    this.duration = hrTime(Math.max(0, span.endMs - span.startMs));
    this.status = statusOf(span);
    this.resource = origin.resource;
    this.instrumentationScope = origin.instrumentationScope;
    const links = isServer && link ? [{ context: contextOf(link.traceId, link.spanId, true) }] : NO_LINKS;
    this.links = limits?.links === 0 ? NO_LINKS : links;
    this.droppedLinksCount = links.length - this.links.length;
    this.attributes = limits ? limited(span.attributes, limits.attributes, limits.chars) : span.attributes;
    this.droppedAttributesCount = limits ? Math.max(0, Object.keys(span.attributes).length - limits.attributes) : 0;
    this.events = span.events.length === 0 ? NO_EVENTS : timedEvents(span, limits);
    this.droppedEventsCount = span.events.length - this.events.length;
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

/** The newest, where there are more than wanted. */
const timedEvents = ({ events }: SpanRecord, limits: SpanLimits | undefined): TimedEvent[] =>
  events.slice(Math.max(0, events.length - (limits?.events ?? events.length))).map(({ name, atMs, attributes }) => ({
    name,
    time: hrTime(atMs),
    attributes: limits ? limited(attributes, limits.eventAttributes, limits.chars) : attributes,
    droppedAttributesCount: limits ? Math.max(0, Object.keys(attributes).length - limits.eventAttributes) : 0,
  }));

export const finishedSpans = (trace: TraceRecord, origin: SpanOrigin, limits: SpanLimits | undefined): ReadableSpan[] =>
  trace.spans.map((span) => new FinishedSpan(trace, span, origin, limits));
