/** The most recent calls, for the admin listener. Bounded in number and text: the oldest goes. */
import type { TraceRecord } from './record.ts';

export interface RingEntry {
  readonly traceId: string;
  /** Of its events. */
  readonly textChars: number;
  record(): TraceRecord;
}

/** 500 calls of a function that logs much, each at its own bound, would be 100 MB. */
const TEXT_MAX_CHARS = 8_388_608;

export class TraceRing {
  /** Circular: the oldest lies at `#oldest`, the newest `#size - 1` behind it. */
  readonly #entries: (RingEntry | undefined)[];
  #oldest = 0;
  #size = 0;
  #textChars = 0;

  constructor(max: number) {
    this.#entries = new Array<undefined>(max).fill(undefined);
  }

  add(entry: RingEntry): void {
    if (this.#size === this.#entries.length) this.#dropOldest();
    this.#entries[this.#at(this.#size)] = entry;
    this.#size += 1;
    this.#textChars += entry.textChars;
    while (this.#textChars > TEXT_MAX_CHARS && this.#size > 1) this.#dropOldest();
  }

  /** The calls of one trace, oldest first; several may share one caller's trace id. */
  get(traceId: string): TraceRecord[] {
    return [...this.#newestFirst()]
      .filter((entry) => entry.traceId === traceId)
      .reverse()
      .map((entry) => entry.record());
  }

  /** Newest first. */
  list(limit: number): TraceRecord[] {
    return [...this.#newestFirst()].slice(0, limit).map((entry) => entry.record());
  }

  *#newestFirst(): Generator<RingEntry> {
    for (let at = this.#size - 1; at >= 0; at -= 1) {
      const entry = this.#entries[this.#at(at)];
      if (entry !== undefined) yield entry;
    }
  }

  #at(fromOldest: number): number {
    const at = this.#oldest + fromOldest;
    return at < this.#entries.length ? at : at - this.#entries.length;
  }

  #dropOldest(): void {
    this.#textChars -= this.#entries[this.#oldest]?.textChars ?? 0;
    this.#entries[this.#oldest] = undefined;
    this.#oldest = this.#at(1);
    this.#size -= 1;
  }
}
