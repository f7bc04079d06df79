/** A finished trace as plain data: what the ring keeps, the admin listener shows, and OTel spans are built from. */

export type Attributes = Record<string, string | number | boolean>;

export interface SpanEvent {
  readonly name: string;
  /** Epoch ms, with fractions. */
  readonly atMs: number;
  readonly attributes: Attributes;
}

export interface SpanRecord {
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  /** Epoch ms, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** Undefined: no failure. */
  readonly error: string | undefined;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
}

export interface TraceRecord {
  readonly traceId: string;
  readonly callId: string;
  readonly function: string;
  readonly sampled: boolean;
  /** Of a caller whose trace context is trusted. */
  readonly parentSpanId: string | undefined;
  /** Of a caller whose trace context is not: the trace was restarted and points back. */
  readonly link: { readonly traceId: string; readonly spanId: string } | undefined;
  readonly startMs: number;
  readonly endMs: number;
  /** Code of the failure, or undefined. */
  readonly error: string | undefined;
  /** Server span first, then attempts with their PHP spans. */
  readonly spans: readonly SpanRecord[];
}
