/**
 * Finished traces → OpenTelemetry SDK → OTLP. Loaded only when an endpoint is set: the SDK costs about 170 ms and
 * 40 MB. Spans are built in batches after the calls, never during them; the SDK's bounded queue drops, never blocks.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, type Tracer, trace } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { within } from '../within.ts';
import type { SpanRecord, TraceRecord } from './record.ts';
import type { Sampler, TraceListener } from './tracer.ts';
import { parentBasedAlwaysOn } from './tracer.ts';

export interface TraceExport {
  readonly sampler: Sampler;
  readonly listener: TraceListener;
  /** Traces not exported because too many waited. */
  readonly dropped: () => number;
  /** Sends what waits, within the exporter's own time limits. */
  shutdown(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const WAITING_MAX = 4096;
/** Traces turned into spans in one go, about 3 ms of the event loop. */
const BATCH_MAX = 128;
const BATCH_EVERY_MS = 50;
/** A dead collector must not hold a stopping gateway until its supervisor kills it. */
const SHUTDOWN_MAX_MS = 3000;
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

/** `OTEL_TRACES_SAMPLER` and its argument, by the SDK's own samplers. */
export const samplerFromEnvironment = (env: Environment): Sampler => {
  const name = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  const roots = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
    traceidratio: new TraceIdRatioBasedSampler(Number.isFinite(ratio) ? ratio : 1),
  };
  const [, parentBased, rootName] = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name) ?? [];
  if (rootName === undefined) return parentBasedAlwaysOn;
  const root = roots[rootName as keyof typeof roots];
  const decide = (traceId: string): boolean => root.shouldSample(ROOT_CONTEXT, traceId).decision !== 0;
  return (traceId, parent) => (parentBased !== undefined && parent !== undefined ? parent.sampled : decide(traceId));
};

/** The SDK makes ids itself; ours were given to PHP and to the caller already, so they are handed to it one by one. */
class PresetIds extends RandomIdGenerator {
  next: { traceId: string; spanId: string } | undefined;

  override generateTraceId(): string {
    return this.next?.traceId ?? super.generateTraceId();
  }

  override generateSpanId(): string {
    return this.next?.spanId ?? super.generateSpanId();
  }
}

/** A refused request is no failure of the server: conventions leave the status of its span unset below 500. */
const hasFailed = ({ kind, error, attributes }: SpanRecord): boolean =>
  error !== undefined && !(kind === 'server' && Number(attributes['http.response.status_code']) < 500);

const replay = (tracer: Tracer, ids: PresetIds, record: TraceRecord, span: SpanRecord): void => {
  const { traceId, link } = record;
  const flags = { traceFlags: TraceFlags.SAMPLED };
  const parent = span.parentSpanId && {
    traceId,
    spanId: span.parentSpanId,
    isRemote: span.kind === 'server',
    ...flags,
  };
  const links = span.kind === 'server' && link ? [{ context: { ...link, isRemote: true, ...flags } }] : [];
  ids.next = { traceId, spanId: span.spanId };
  const open = tracer.startSpan(
    span.name,
    { kind: KINDS[span.kind], startTime: span.startMs, attributes: span.attributes, links, root: !parent },
    parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
  );
  ids.next = undefined;
  for (const event of span.events) open.addEvent(event.name, event.attributes, event.atMs);
  if (hasFailed(span)) open.setStatus({ code: SpanStatusCode.ERROR, message: span.error ?? '' });
  open.end(span.endMs);
};

/** Unless the environment names the service in one of the two standard ways. */
const defaultServiceName = (env: Environment): { serviceName?: string } =>
  env.OTEL_SERVICE_NAME || /(?:^|,)\s*service\.name\s*=/.test(env.OTEL_RESOURCE_ATTRIBUTES ?? '')
    ? {}
    : { serviceName: 'fpm-gateway' };

/** Starts the SDK from the standard `OTEL_*` variables. */
export const startExport = async (env: Environment, version: string): Promise<TraceExport> => {
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const ids = new PresetIds();
  const sdk = new NodeSDK({
    ...defaultServiceName(env),
    idGenerator: ids,
    // The decision fell when the call began; what arrives here is exported.
    sampler: new AlwaysOnSampler(),
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  const tracer = trace.getTracer('fpm-gateway', version);
  const waiting: TraceRecord[] = [];
  let dropped = 0;
  const flush = (max: number): void => {
    for (const record of waiting.splice(0, max)) for (const span of record.spans) replay(tracer, ids, record, span);
    if (waiting.length > 0) setTimeout(() => flush(BATCH_MAX), 1).unref();
  };
  return {
    sampler: samplerFromEnvironment(env),
    dropped: () => dropped,
    listener: (record) => {
      if (!record.sampled) return;
      if (waiting.length >= WAITING_MAX) {
        dropped += 1;
        return;
      }
      waiting.push(record);
      if (waiting.length === 1) setTimeout(() => flush(BATCH_MAX), BATCH_EVERY_MS).unref();
    },
    shutdown: async () => {
      flush(WAITING_MAX);
      // What cannot be sent by then is lost; the SDK logs why when OTEL_LOG_LEVEL is set.
      await within(
        sdk.shutdown().catch(() => {}),
        SHUTDOWN_MAX_MS,
      );
    },
  };
};
