/**
 * Finished traces → OpenTelemetry SDK → OTLP. Loaded only when an endpoint is set: the SDK costs about 170 ms and
 * 40 MB. Spans are made in batches after the calls, never during them; what cannot be sent is dropped and counted.
 */
import type { NodeSDK } from '@opentelemetry/sdk-node';
import { AlwaysOnSampler, type ReadableSpan, type SpanProcessor, type TracerProvider } from '@opentelemetry/sdk-trace';
import type { Log } from '../log.ts';
import { within } from '../within.ts';
import { ExportQueue, type ExportStatus } from './export-queue.ts';
import { finishedSpans, type SpanOrigin, spanLimits } from './finished-span.ts';
import { samplerFromEnvironment } from './sampler.ts';
import type { Sampler, TraceSink } from './tracer.ts';

export interface TraceExport {
  readonly sampler: Sampler;
  readonly sink: TraceSink;
  readonly status: ExportStatus;
  /** Sends what waits, within the exporter's own time limits. */
  shutdown(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Spans; 1 kB for each three of them, 21 MB. 20 s of 1,000 calls a second without a collector. */
const WAITING_MAX = 65_536;
/** OpenTelemetry's own. */
const BATCH_MAX = 512;
const DELAY_MS = 5000;
const TIMEOUT_MS = 30_000;
/** A dead collector must not hold a stopping gateway until its supervisor kills it. */
const SHUTDOWN_MAX_MS = 3000;

/** Unless the environment names the service in one of the two standard ways. */
const defaultServiceName = (env: Environment): { serviceName?: string } =>
  env.OTEL_SERVICE_NAME || /(?:^|,)\s*service\.name\s*=/.test(env.OTEL_RESOURCE_ATTRIBUTES ?? '')
    ? {}
    : { serviceName: 'fpm-gateway' };

/** As the SDK reads them: what is no number above 0 counts for nothing. */
const positive = (text: string | undefined, otherwise: number): number => {
  const value = Number(text?.trim() || otherwise);
  return value > 0 ? value : otherwise;
};

/**
 * The SDK's batches are ours: its processor is given one at a time and told to send it. It would send by itself once
 * it holds as many as it wants, and tell nobody whether that went well, so it must want more than it is given.
 */
const PROCESSOR = { OTEL_BSP_MAX_QUEUE_SIZE: '1000000', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1000000' };

const withVariables = (variables: Readonly<Record<string, string>>, run: () => void): void => {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
};

interface Sending {
  readonly provider: TracerProvider;
  readonly processor: SpanProcessor;
}

/**
 * The SDK has no public way to its processors but through spans of its own, which cost ten times as much. The
 * brackets let the compiler check that what is private is there.
 */
const sendingOf = (sdk: NodeSDK): Sending | undefined => {
  // biome-ignore lint/complexity/useLiteralKeys: see above
  const provider: TracerProvider | undefined = sdk['_tracerProvider'];
  // biome-ignore lint/complexity/useLiteralKeys: see above
  const processor: SpanProcessor | undefined = provider?.['_activeSpanProcessor'];
  return provider === undefined || processor === undefined ? undefined : { provider, processor };
};

/** What the SDK found out about this process, taken from a span of its own that goes nowhere. */
const originOf = (provider: TracerProvider, version: string): SpanOrigin => {
  const { resource, instrumentationScope } = provider
    .getTracer('fpm-gateway', version)
    .startSpan('') as unknown as ReadableSpan;
  return { resource, instrumentationScope };
};

/** Starts the SDK from the standard `OTEL_*` variables; undefined if they name no exporter it knows. */
export const startExport = async (env: Environment, version: string, log: Log): Promise<TraceExport | undefined> => {
  const { NodeSDK: Sdk } = await import('@opentelemetry/sdk-node');
  const sdk = new Sdk({
    ...defaultServiceName(env),
    // The decision fell when the call began; what arrives here is exported.
    sampler: new AlwaysOnSampler(),
    metricReaders: [],
    logRecordProcessors: [],
  });
  withVariables(PROCESSOR, () => sdk.start());
  const sending = sendingOf(sdk);
  if (sending === undefined) {
    const exporter = env.OTEL_TRACES_EXPORTER;
    log.error(
      { OTEL_TRACES_EXPORTER: exporter },
      'no traces are exported: the OpenTelemetry SDK knows no such exporter',
    );
    return undefined;
  }
  const { provider, processor } = sending;
  const origin = originOf(provider, version);
  const limits = spanLimits(env);
  // The SDK gives up by itself; this is for one that does not.
  const timeoutMillis = positive(env.OTEL_BSP_EXPORT_TIMEOUT, TIMEOUT_MS) + 1000;
  const queue = new ExportQueue({
    spansOf: (trace: Parameters<TraceSink>[0]) => finishedSpans(trace.record(), origin, limits),
    send: async (spans) => {
      for (const span of spans) processor.onEnd(span);
      await provider.forceFlush({ timeoutMillis }).catch((errors: unknown) => {
        throw Array.isArray(errors) ? errors[0] : errors;
      });
    },
    onLoss: (loss) => log.warn(loss, 'traces were not exported'),
    waitingMax: positive(env.OTEL_BSP_MAX_QUEUE_SIZE, WAITING_MAX),
    batchMax: positive(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, BATCH_MAX),
    delayMs: positive(env.OTEL_BSP_SCHEDULE_DELAY, DELAY_MS),
  });
  return {
    sampler: samplerFromEnvironment(env),
    sink: (trace) => {
      if (trace.sampled) queue.add(trace);
    },
    get status() {
      return queue.status;
    },
    shutdown: async () => {
      const startedMs = performance.now();
      await queue.close(SHUTDOWN_MAX_MS);
      const left = Math.max(0, SHUTDOWN_MAX_MS - (performance.now() - startedMs));
      await within(
        sdk.shutdown().catch(() => {}),
        left,
      );
    },
  };
};
