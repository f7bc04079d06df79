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

/** Without recording, who follows our flag must not record what has no parent. */
const parentOnly: Sampler = (_traceId, parent) => parent?.sampled ?? false;

/** Takes a finished trace as it was recorded. */
export type TraceSink = (trace: CallTrace) => void;

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
  /** `trace.enabled`: without, there are ids, and nothing is kept or handed on. */
  readonly recording: boolean;
  readonly #sampler: Sampler;
  readonly #sinks: readonly TraceSink[];

  constructor(ring: TraceRing, sampler: Sampler, sinks: readonly TraceSink[], recording: boolean) {
    this.ring = ring;
    this.recording = recording;
    this.#sampler = recording ? sampler : parentOnly;
    this.#sinks = sinks;
  }

  begin({ callId, function: name, caller, trusted }: BeginOptions): CallTrace {
    const parent = trusted ? caller : undefined;
    const link = trusted ? undefined : caller;
    const traceId = parent?.traceId ?? newTraceId();
    const sampled = this.#sampler(traceId, parent);
    return new CallTrace({ traceId, callId, function: name, sampled, parent, link, recording: this.recording });
  }

  /** Gives the trace back, which now has its end. */
  end(trace: CallTrace, error: string | undefined): CallTrace {
    trace.end(error);
    if (!this.recording) return trace;
    this.ring.add(trace);
    for (const sink of this.#sinks) handOn(sink, trace);
    return trace;
  }
}

const handOn = (sink: TraceSink, trace: CallTrace): void => {
  try {
    sink(trace);
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
