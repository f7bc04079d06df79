/**
 * Records one call while it runs: ids, clock reads and the literals it is told, nothing else. What people and
 * collectors see (`TraceRecord`) is made from it when somebody looks.
 */

import type { GatewayError } from '../errors.ts';
import { newSpanId } from '../ids.ts';
import { AttemptTrace, neighbour, phpId, SERVER } from './attempt-trace.ts';
import { nowMs, round } from './clock.ts';
import type { Attributes, SpanRecord, TraceRecord } from './record.ts';
import { Told } from './told.ts';
import { formatTraceparent, type SpanContext } from './traceparent.ts';
import type { Values } from './values.ts';

/** The walk of a call, in its words. Not spans but attributes, so that exporting every call stays affordable. */
export type Phase = 'validate' | 'queue' | 'connect' | 'php' | 'output';

/** Those phases that it met, all attempts together. */
export interface Timing {
  readonly totalMs: number;
  readonly validateMs?: number;
  readonly queueMs?: number;
  readonly connectMs?: number;
  readonly phpMs?: number;
  readonly outputMs?: number;
  /** Left out where there was none. */
  readonly attempts?: number;
}

/** `Of 2140 ms: queue 120, connect 3, PHP 2000; attempt 1 of 3.` */
export const timingText = ({ totalMs, queueMs, connectMs, phpMs, attempts }: Timing, attemptsMax: number): string => {
  const parts = [['queue', queueMs] as const, ['connect', connectMs] as const, ['PHP', phpMs] as const]
    .filter(([, ms]) => ms !== undefined)
    .map(([name, ms]) => `${name} ${Math.round(ms ?? 0)}`);
  // One that moved to another worker had more than it may have.
  const count =
    attempts === undefined ? '' : `; attempt ${attempts}${attempts > attemptsMax ? '' : ` of ${attemptsMax}`}`;
  return `Of ${Math.round(totalMs)} ms: ${parts.join(', ')}${count}.`;
};

/** A phase that the call has not met. */
const NOT_MET = -1;

export interface CallTraceOptions {
  readonly traceId: string;
  readonly callId: string;
  readonly function: string;
  readonly sampled: boolean;
  /** Of the first span: a request, or a part of one. */
  readonly kind: 'server' | 'internal';
  readonly parent: SpanContext | undefined;
  readonly link: SpanContext | undefined;
  /** Else there are ids and phases, and nothing is kept. */
  readonly recording: boolean;
}

export class CallTrace extends Told {
  readonly traceId: string;
  readonly callId: string;
  readonly function: string;
  #sampled: boolean;
  readonly startMs: number = nowMs();
  readonly #kind: 'server' | 'internal';
  readonly #parent: SpanContext | undefined;
  readonly #link: SpanContext | undefined;
  readonly #recording: boolean;
  readonly #drawnId = newSpanId();
  #endMs = 0;
  #error: string | undefined;
  #attempts = 0;
  #firstAttempt: AttemptTrace | undefined;
  #retries: AttemptTrace[] | undefined;
  #validateMs = NOT_MET;
  #queueMs = NOT_MET;
  #connectMs = NOT_MET;
  #phpMs = NOT_MET;
  #outputMs = NOT_MET;

  constructor(options: CallTraceOptions) {
    super();
    this.traceId = options.traceId;
    this.callId = options.callId;
    this.function = options.function;
    this.#sampled = options.sampled;
    this.#kind = options.kind;
    this.#parent = options.parent;
    this.#link = options.link;
    this.#recording = options.recording;
  }

  /** Whether it is exported, as PHP and callees are told. */
  get sampled(): boolean {
    return this.#sampled;
  }

  /** It turns out to be worth exporting, whatever was said before. */
  keep(): void {
    this.#sampled = true;
  }

  /** Of its first span. */
  get spanId(): string {
    return neighbour(this.#drawnId, SERVER);
  }

  /** What its own parts have as parent. A span that nobody records would leave a gap: its own parent is handed on. */
  get context(): SpanContext {
    const { traceId, sampled } = this;
    const spanId = this.#parent !== undefined && !this.#recording ? this.#parent.spanId : this.spanId;
    return { traceId, spanId, sampled };
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** Epoch ms; 0 while the call runs. */
  get endMs(): number {
    return this.#endMs;
  }

  /** Code of the failure, or undefined. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Whether what `set` is told is kept: where it is not, the literal need not be built. */
  get recording(): boolean {
    return this.#recording;
  }

  override set(values: Values): void {
    if (this.#recording) super.set(values);
  }

  override event(name: string, values: Values, atMs: number): void {
    if (this.#recording) super.event(name, values, atMs);
  }

  /** Adds the time since `startMs` (`nowMs()`) to a phase; returns now, for the phase that follows. */
  phase(name: Phase, startMs: number): number {
    const now = nowMs();
    const ms = now - startMs;
    // A call that is retried meets some phases again.
    if (name === 'validate') this.#validateMs = ms + Math.max(this.#validateMs, 0);
    else if (name === 'queue') this.#queueMs = ms + Math.max(this.#queueMs, 0);
    else if (name === 'connect') this.#connectMs = ms + Math.max(this.#connectMs, 0);
    else if (name === 'php') this.#phpMs = ms + Math.max(this.#phpMs, 0);
    else this.#outputMs = ms + Math.max(this.#outputMs, 0);
    return now;
  }

  /** Those met so far, ms. */
  get phases(): Partial<Record<Phase, number>> {
    const met: Partial<Record<Phase, number>> = {};
    if (this.#validateMs !== NOT_MET) met.validate = this.#validateMs;
    if (this.#queueMs !== NOT_MET) met.queue = this.#queueMs;
    if (this.#connectMs !== NOT_MET) met.connect = this.#connectMs;
    if (this.#phpMs !== NOT_MET) met.php = this.#phpMs;
    if (this.#outputMs !== NOT_MET) met.output = this.#outputMs;
    return met;
  }

  /** `validate;dur=0.1, queue;dur=0, …`: the phases met so far as a `server-timing` header. */
  serverTiming(): string {
    let text = '';
    if (this.#validateMs !== NOT_MET) text = `validate;dur=${round(this.#validateMs)}`;
    if (this.#queueMs !== NOT_MET) text += `, queue;dur=${round(this.#queueMs)}`;
    if (this.#connectMs !== NOT_MET) text += `, connect;dur=${round(this.#connectMs)}`;
    if (this.#phpMs !== NOT_MET) text += `, php;dur=${round(this.#phpMs)}`;
    if (this.#outputMs !== NOT_MET) text += `, output;dur=${round(this.#outputMs)}`;
    return text;
  }

  /** Where the time of a call that failed went, ms; `totalMs` until now. */
  get timing(): Timing {
    const timing: { -readonly [Name in keyof Timing]: Timing[Name] } = { totalMs: round(nowMs() - this.startMs) };
    if (this.#validateMs !== NOT_MET) timing.validateMs = round(this.#validateMs);
    if (this.#queueMs !== NOT_MET) timing.queueMs = round(this.#queueMs);
    if (this.#connectMs !== NOT_MET) timing.connectMs = round(this.#connectMs);
    if (this.#phpMs !== NOT_MET) timing.phpMs = round(this.#phpMs);
    if (this.#outputMs !== NOT_MET) timing.outputMs = round(this.#outputMs);
    if (this.#attempts > 0) timing.attempts = this.#attempts;
    return timing;
  }

  /** What went wrong, with what only operators are told. */
  recordError({ code, message, privateDetail }: GatewayError): void {
    this.event(
      'error',
      {
        'fpm_gateway.code': code,
        'fpm_gateway.detail': message,
        'fpm_gateway.private_detail': privateDetail,
      },
      nowMs(),
    );
  }

  beginAttempt(): AttemptTrace {
    this.#attempts += 1;
    const attempt = new AttemptTrace(this.#attempts);
    if (this.#firstAttempt === undefined) this.#firstAttempt = attempt;
    else if (this.#retries === undefined) this.#retries = [attempt];
    else this.#retries.push(attempt);
    return attempt;
  }

  /** The `traceparent` PHP gets: its parent is the span of the PHP code in this attempt. */
  phpTraceparent({ number }: AttemptTrace): string {
    // A span that nobody records would leave a gap in the caller's trace: its own span is handed on.
    const spanId =
      this.#parent !== undefined && !this.#recording ? this.#parent.spanId : neighbour(this.#drawnId, phpId(number));
    return formatTraceparent({ traceId: this.traceId, spanId, sampled: this.sampled });
  }

  end(error: string | undefined): void {
    this.#endMs = nowMs();
    this.#error = error;
  }

  /** Of all events' texts, which is what makes one trace larger than another. */
  override get textChars(): number {
    const retried = this.#retries?.reduce((sum, { textChars }) => sum + textChars, 0) ?? 0;
    return super.textChars + (this.#firstAttempt?.textChars ?? 0) + retried;
  }

  /** Of a call that has ended. */
  record(): TraceRecord {
    const endMs = this.#endMs;
    const { spanId, traceId, callId, function: name, sampled, startMs } = this;
    const error = this.#error;
    const parentSpanId = this.#parent?.spanId;
    const link = this.#link && { traceId: this.#link.traceId, spanId: this.#link.spanId };
    const attributes = this.attributes();
    const { events } = this;
    const spans: SpanRecord[] = [
      { spanId, parentSpanId, name, kind: this.#kind, startMs, endMs, error, attributes, events },
    ];
    const call = { name, spanId, drawnId: this.#drawnId, endMs };
    this.#firstAttempt?.addTo(spans, call);
    for (const attempt of this.#retries ?? []) attempt.addTo(spans, call);
    return { traceId, callId, function: name, sampled, parentSpanId, link, startMs, endMs, error, spans };
  }

  override attributes(): Attributes {
    const result = super.attributes();
    if (this.#validateMs !== NOT_MET) result['fpm_gateway.validate_ms'] = round(this.#validateMs);
    if (this.#queueMs !== NOT_MET) result['fpm_gateway.queue_ms'] = round(this.#queueMs);
    if (this.#connectMs !== NOT_MET) result['fpm_gateway.connect_ms'] = round(this.#connectMs);
    if (this.#phpMs !== NOT_MET) result['fpm_gateway.php_ms'] = round(this.#phpMs);
    if (this.#outputMs !== NOT_MET) result['fpm_gateway.output_ms'] = round(this.#outputMs);
    return result;
  }
}
