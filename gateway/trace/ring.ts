/** The most recent traces, for the admin listener. Bounded: the oldest goes. */
import type { TraceRecord } from './record.ts';

export class TraceRing {
  readonly #max: number;
  /** A Map keeps order; several calls may share one caller's trace id. */
  readonly #traces = new Map<string, TraceRecord[]>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(record: TraceRecord): void {
    const calls = this.#traces.get(record.traceId);
    if (calls) calls.push(record);
    else this.#traces.set(record.traceId, [record]);
    this.#size += 1;
    while (this.#size > this.#max) this.#dropOldest();
  }

  /** The calls of one trace, oldest first. */
  get(traceId: string): readonly TraceRecord[] {
    return this.#traces.get(traceId) ?? [];
  }

  /** Newest first. */
  list(limit: number): TraceRecord[] {
    return [...this.#traces.values()].flat().slice(-limit).reverse();
  }

  #dropOldest(): void {
    const [oldest] = this.#traces;
    if (oldest === undefined) return;
    const [traceId, calls] = oldest;
    calls.shift();
    if (calls.length === 0) this.#traces.delete(traceId);
    this.#size -= 1;
  }
}
