/** W3C Trace Context, level 1: the `traceparent` header. Pure. */
import { copyOf } from './text.ts';

export interface SpanContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const PATTERN = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO = /^0+$/;

/** Undefined for a malformed header: the trace restarts then, as the specification asks. */
export const parseTraceparent = (header: string | undefined): SpanContext | undefined => {
  const [, version, traceId, spanId, flags, rest] = PATTERN.exec(header?.trim() ?? '') ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || ZERO.test(traceId) || ZERO.test(spanId)) return undefined;
  // Version 00 has exactly four fields; later ones may add more.
  if (version === '00' && rest !== undefined) return undefined;
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  // Of a later version, which may be long, the ids would keep all of it in memory for as long as the trace is kept.
  return rest === undefined
    ? { traceId, spanId, sampled }
    : { traceId: copyOf(traceId), spanId: copyOf(spanId), sampled };
};

export const formatTraceparent = ({ traceId, spanId, sampled }: SpanContext): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
