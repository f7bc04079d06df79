/** The caller's active span as `traceparent`, so that the gateway's spans hang below it. */
import { context, isSpanContextValid, trace } from '@opentelemetry/api';

/** Undefined where no span is active: without an OpenTelemetry SDK there never is one. */
export const activeTraceparent = (): string | undefined => {
  const span = trace.getSpanContext(context.active());
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 0xff).toString(16).padStart(2, '0')}`;
};
