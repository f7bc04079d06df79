/** Begins and ends traces, decides sampling, hands finished ones on. Nothing here may slow or stop a call. */
import { newTraceId } from '../ids.ts';
import { CallTrace } from './call-trace.ts';
import type { TraceRecord } from './record.ts';
import type { TraceRing } from './ring.ts';
import type { SpanContext } from './traceparent.ts';

/** Whether a trace is exported: asked once, when it begins, because PHP and callees must be told. */
export type Sampler = (traceId: string, parent: SpanContext | undefined) => boolean;

/** OpenTelemetry's default: follow the parent, else always. */
export const parentBasedAlwaysOn: Sampler = (_traceId, parent) => parent?.sampled ?? true;

export type TraceListener = (record: TraceRecord) => void;

export interface BeginOptions {
  readonly callId: string;
  readonly function: string;
  /** What the caller sent, if anything. */
  readonly caller: SpanContext | undefined;
  /** Whether the caller may choose our trace id and sampling; else the trace restarts with a link. */
  readonly trusted: boolean;
}

export class Tracer {
  readonly ring: TraceRing;
  readonly #sampler: Sampler;
  readonly #listeners: readonly TraceListener[];

  constructor(ring: TraceRing, sampler: Sampler, listeners: readonly TraceListener[]) {
    this.ring = ring;
    this.#sampler = sampler;
    this.#listeners = listeners;
  }

  begin({ callId, function: name, caller, trusted }: BeginOptions): CallTrace {
    const parent = trusted ? caller : undefined;
    const traceId = parent?.traceId ?? newTraceId();
    const sampled = this.#sampler(traceId, parent);
    return new CallTrace({ callId, function: name, sampled, parent, link: trusted ? undefined : caller }, traceId);
  }

  end(trace: CallTrace, error: string | undefined): TraceRecord {
    const record = trace.end(error);
    this.ring.add(record);
    for (const listener of this.#listeners) notify(listener, record);
    return record;
  }
}

const notify = (listener: TraceListener, record: TraceRecord): void => {
  try {
    listener(record);
  } catch (error) {
    // The call itself went well.
    process.emitWarning(error instanceof Error ? error : String(error));
  }
};

/** OTLP export is on once an endpoint is set, or the console exporter asked for; `none` turns it off. */
export const exportWanted = (env: Readonly<Record<string, string | undefined>>): boolean => {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return false;
  return Boolean(
    env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_TRACES_EXPORTER === 'console',
  );
};
