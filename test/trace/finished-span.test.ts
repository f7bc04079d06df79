/** Spans for the SDK made by ourselves are what its own would be, also where people set limits. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { AlwaysOnSampler, type ReadableSpan, type SpanLimits, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import { finishedSpans, spanLimits } from '../../gateway/trace/finished-span.ts';
import type { TraceRecord } from '../../gateway/trace/record.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const at = 1_763_739_766_123.456;

const record: TraceRecord = {
  traceId: TRACE_ID,
  callId: 'c',
  function: 'f',
  sampled: true,
  parentSpanId: undefined,
  link: { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16) },
  startMs: at,
  endMs: at + 12.345,
  error: 'function-error',
  spans: [
    {
      spanId: 'a'.repeat(16),
      parentSpanId: undefined,
      name: 'f',
      kind: 'server',
      startMs: at,
      endMs: at + 12.345,
      error: 'function-error',
      attributes: { 'http.response.status_code': 500, 'url.path': '/functions/f', ok: false, share: 0.5 },
      events: [],
    },
    {
      spanId: 'b'.repeat(16),
      parentSpanId: 'a'.repeat(16),
      name: 'f.php',
      kind: 'internal',
      startMs: at + 1,
      endMs: at + 11,
      error: undefined,
      attributes: { 'process.pid': 7 },
      events: [1, 2, 3].map((number) => ({
        name: 'log',
        atMs: at + number,
        attributes: { number, 'log.message': 'x'.repeat(20), 'log.severity': 'warn' },
      })),
    },
  ],
};

/** The same spans by the SDK's own hand. */
const bySdk = (limits: SpanLimits): ReadableSpan[] => {
  const spans: ReadableSpan[] = [];
  const ids = record.spans.map(({ spanId }) => spanId);
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    idGenerator: { generateTraceId: () => TRACE_ID, generateSpanId: () => ids[spans.length] ?? '' },
    spanLimits: limits,
    spanProcessors: [
      {
        onStart: () => {},
        onEnd: (span) => void spans.push(span),
        forceFlush: async () => {},
        shutdown: async () => {},
      },
    ],
  });
  for (const span of record.spans) {
    const flags = { traceFlags: TraceFlags.SAMPLED, isRemote: false };
    const parent = span.parentSpanId && { traceId: TRACE_ID, spanId: span.parentSpanId, ...flags };
    const open = provider.getTracer('fpm-gateway').startSpan(
      span.name,
      {
        kind: span.kind === 'server' ? SpanKind.SERVER : SpanKind.INTERNAL,
        startTime: span.startMs,
        attributes: span.attributes,
        links: span.kind === 'server' && record.link ? [{ context: { ...record.link, ...flags } }] : [],
      },
      parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
    );
    for (const event of span.events) open.addEvent(event.name, event.attributes, event.atMs);
    if (span.error !== undefined) open.setStatus({ code: SpanStatusCode.ERROR, message: span.error });
    open.end(span.endMs);
  }
  return spans;
};

/** What serialisers read; times as ns, because the SDK's and ours may round to different sides. */
const read = (span: ReadableSpan) => ({
  ids: [span.spanContext().traceId, span.spanContext().spanId, span.parentSpanContext?.spanId],
  flags: span.spanContext().traceFlags,
  name: span.name,
  kind: span.kind,
  status: span.status,
  attributes: { ...span.attributes },
  events: span.events.map(({ name, attributes, droppedAttributesCount }) => [
    name,
    { ...attributes },
    droppedAttributesCount ?? 0,
  ]),
  links: span.links.map(({ context }) => [context.traceId, context.spanId]),
  dropped: [span.droppedAttributesCount, span.droppedEventsCount, span.droppedLinksCount],
  ended: span.ended,
});

const timesOf = (span: ReadableSpan): number[] =>
  [span.startTime, span.endTime, span.duration, ...span.events.map(({ time }) => time)].map(
    ([seconds, nanos]) => seconds * 1000 + nanos / 1_000_000,
  );

test.each<[string, Record<string, string>, SpanLimits]>([
  ['no limits', {}, {}],
  ['few attributes', { OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '2' }, { attributeCountLimit: 2 }],
  ['short texts', { OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5' }, { attributeValueLengthLimit: 5 }],
  ['few events', { OTEL_SPAN_EVENT_COUNT_LIMIT: '2' }, { eventCountLimit: 2 }],
  ['no events', { OTEL_SPAN_EVENT_COUNT_LIMIT: '0' }, { eventCountLimit: 0 }],
  ['small events', { OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '1' }, { attributePerEventCountLimit: 1 }],
  ['no links', { OTEL_SPAN_LINK_COUNT_LIMIT: '0' }, { linkCountLimit: 0 }],
])('with %s', (_what, env, limits) => {
  const theirs = bySdk(limits);
  const [first] = theirs;
  if (first === undefined) throw new Error('The SDK made no span.');
  const ours = finishedSpans(record, first, spanLimits(env));
  expect(ours.map(read)).toEqual(theirs.map(read));
  const differences = ours.flatMap((span, index) => {
    const expected = timesOf(theirs[index] ?? span);
    return timesOf(span).map((ms, which) => Math.abs(ms - (expected[which] ?? 0)));
  });
  expect(Math.max(...differences)).toBeLessThan(0.001);
});

test('limits are read as OpenTelemetry names them, the one for spans first', () => {
  expect(spanLimits({})).toBeUndefined();
  expect(spanLimits({ OTEL_SPAN_EVENT_COUNT_LIMIT: '', OTEL_ATTRIBUTE_COUNT_LIMIT: 'many' })).toBeUndefined();
  const env = { OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '3', OTEL_ATTRIBUTE_COUNT_LIMIT: '5' };
  expect(spanLimits(env)?.attributes).toBe(3);
  expect(spanLimits({ OTEL_ATTRIBUTE_COUNT_LIMIT: '5' })?.attributes).toBe(5);
});
