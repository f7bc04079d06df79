/** Records one try to run a function, and what PHP told of it. */
import { nowMs } from './clock.ts';
import type { Attributes, SpanRecord } from './record.ts';
import { Told } from './told.ts';

/**
 * The ids of a call's spans are neighbours: one draw, made into text only when somebody reads them. The first
 * attempt's PHP span is the drawn one, because every call gives that to PHP.
 */
export const SERVER = 1;
export const phpId = (attempt: number): number => 2 * (attempt - 1);
const attemptId = (attempt: number): number => 2 * attempt + 1;

export const neighbour = (spanId: string, distance: number): string => {
  if (distance === 0) return spanId;
  const low = (Number.parseInt(spanId.slice(8), 16) + distance) >>> 0;
  return spanId.slice(0, 8) + low.toString(16).padStart(8, '0');
};

/** The PHP code of an attempt, once PHP has told how it went. */
export class PhpTrace extends Told {
  readonly wallMs: number;
  /** When its answer was there, epoch ms. */
  readonly endMs: number;
  readonly error: string | undefined;

  constructor(wallMs: number, error: string | undefined) {
    super();
    this.wallMs = wallMs;
    this.endMs = nowMs();
    this.error = error;
  }
}

/** One try to run the function. */
export class AttemptTrace extends Told {
  readonly number: number;
  readonly startMs: number = nowMs();
  #endMs = 0;
  #error: string | undefined;
  #php: PhpTrace | undefined;

  constructor(number: number) {
    super();
    this.number = number;
  }

  /** PHP has told how long it ran and, if it failed, how. */
  answered(wallMs: number, error: string | undefined): PhpTrace {
    this.#php = new PhpTrace(wallMs, error);
    return this.#php;
  }

  end(error: string | undefined): void {
    this.#endMs = nowMs();
    this.#error = error;
  }

  override get textChars(): number {
    return super.textChars + (this.#php?.textChars ?? 0);
  }

  /** Its span, and that of the PHP code if there is one. */
  addTo(spans: SpanRecord[], call: { name: string; spanId: string; drawnId: string; endMs: number }): void {
    const { name, drawnId } = call;
    const spanId = neighbour(drawnId, attemptId(this.number));
    const endMs = Math.min(this.#endMs || call.endMs, call.endMs);
    spans.push({
      spanId,
      parentSpanId: call.spanId,
      name: `${name} attempt`,
      kind: 'client',
      startMs: this.startMs,
      endMs,
      error: this.#error,
      attributes: this.attributes(),
      events: this.events,
    });
    const php = this.#php;
    if (php === undefined) return;
    spans.push({
      spanId: neighbour(drawnId, phpId(this.number)),
      parentSpanId: spanId,
      name: `${name}.php`,
      kind: 'internal',
      // PHP's clock may be another machine's: its span ends when its answer was there and is as long as PHP says.
      startMs: Math.max(this.startMs, php.endMs - php.wallMs),
      endMs: php.endMs,
      error: php.error,
      attributes: php.attributes(),
      events: php.events,
    });
  }

  override attributes(): Attributes {
    const result = super.attributes();
    result['fpm_gateway.attempt'] = this.number;
    return result;
  }
}
