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

/** Takes a finished trace as it was recorded, and whether the ring has it. */
export type TraceSink = (trace: CallTrace, inRing: boolean) => void;

export type TraceListener = (record: TraceRecord) => void;

interface Named {
  readonly callId: string;
  readonly function: string;
}

export interface BeginOptions extends Named {
  /** What the caller sent, if anything. */
  readonly caller: SpanContext | undefined;
  /** Whether the caller may choose our trace id and sampling; else the trace restarts with a link. */
  readonly trusted: boolean;
}

export interface PartOptions extends Named {
  /** The trace of the whole, which is its parent. */
  readonly whole: CallTrace;
  /** Who asked for this part, where that is not who asked for the whole: its parent then, with a link to the whole. */
  readonly caller: SpanContext | undefined;
  /** One of so many that not all are exported. */
  readonly thinned: boolean;
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
    const { recording } = this;
    return new CallTrace({ traceId, callId, function: name, sampled, kind: 'server', parent, link, recording });
  }

  /** For a part of what has a trace of its own. */
  beginPart({ callId, function: name, whole, caller, thinned }: PartOptions): CallTrace {
    const parent = caller ?? whole.context;
    const link = caller === undefined ? undefined : whole.context;
    const sampled = !thinned && (caller === undefined ? whole.sampled : this.#sampler(caller.traceId, caller));
    const { recording } = this;
    const { traceId } = parent;
    return new CallTrace({ traceId, callId, function: name, sampled, kind: 'internal', parent, link, recording });
  }

  /** Gives the trace back, which now has its end. */
  end(trace: CallTrace, error: string | undefined): CallTrace {
    return this.endPart(trace, error, true);
  }

  /** `inRing`: of what has many parts the ring holds some, or it would hold nothing else. */
  endPart(trace: CallTrace, error: string | undefined, inRing: boolean): CallTrace {
    trace.end(error);
    if (!this.recording) return trace;
    if (inRing) this.ring.add(trace);
    for (const sink of this.#sinks) handOn(sink, trace, inRing);
    return trace;
  }
}

const handOn = (sink: TraceSink, trace: CallTrace, inRing: boolean): void => {
  try {
    sink(trace, inRing);
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
