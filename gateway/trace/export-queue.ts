/**
 * Finished traces that wait for the collector: bounded, sent in batches outside of calls, every loss counted. Knows
 * nothing of OpenTelemetry.
 */
import { within } from '../within.ts';

export interface Exportable {
  /** Of its events, which is what makes one trace larger than another. */
  readonly textChars: number;
}

/** Traces, since the start but for those that wait. */
export interface ExportStatus {
  readonly waiting: number;
  readonly sent: number;
  /** Not sent, because too many waited. */
  readonly dropped: number;
  /** Not taken by the collector. */
  readonly failed: number;
}

export interface ExportQueueOptions<Trace extends Exportable, Span> {
  readonly spansOf: (trace: Trace) => readonly Span[];
  /** Resolves when the collector has them; rejects when it does not take them. */
  readonly send: (spans: readonly Span[]) => Promise<void>;
  /** Tells operators how many traces were lost since it was last told, and why the latest were. */
  readonly onLoss: (loss: { readonly dropped: number; readonly failed: number; readonly why: string }) => void;
  /** Spans that may wait. */
  readonly waitingMax: number;
  /** Spans in one request, of calls without retries: a trace is never split. */
  readonly batchMax: number;
  /** How long fewer than a batch wait for more. */
  readonly delayMs: number;
}

/** Server, attempt, PHP: what a trace counts for until its spans are made. */
const SPANS_PER_TRACE = 3;
/** All waiting traces together: each may hold more text than a thousand others. */
const TEXT_MAX_CHARS = 33_554_432;
/** A collector far away takes its time for each. */
const REQUESTS_MAX = 4;
const TELL_EVERY_MS = 10_000;

export class ExportQueue<Trace extends Exportable, Span> {
  readonly #options: ExportQueueOptions<Trace, Span>;
  readonly #waitingMax: number;
  readonly #batchTraces: number;
  /** Sent from `#next` on; what lies before it is cleared away in bulk. */
  #waiting: Trace[] = [];
  #next = 0;
  #textChars = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #requests = new Set<Promise<void>>();
  /** Traces in these requests. */
  #underWay = 0;
  #sent = 0;
  #dropped = 0;
  #failed = 0;
  #told = { dropped: 0, failed: 0, atMs: Number.NEGATIVE_INFINITY };
  #telling: NodeJS.Timeout | undefined;
  /** The latest loss. */
  #why = '';
  #closed = false;
  #gone = false;

  constructor(options: ExportQueueOptions<Trace, Span>) {
    this.#options = options;
    this.#waitingMax = Math.max(1, Math.floor(options.waitingMax / SPANS_PER_TRACE));
    this.#batchTraces = Math.max(1, Math.floor(options.batchMax / SPANS_PER_TRACE));
  }

  get status(): ExportStatus {
    return { waiting: this.#size, sent: this.#sent, dropped: this.#dropped, failed: this.#failed };
  }

  /** Called at the end of calls: keeps the trace and no more. */
  add(trace: Trace): void {
    if (this.#closed || this.#size >= this.#waitingMax || this.#textChars > TEXT_MAX_CHARS) {
      this.#dropped += 1;
      this.#lost('too many wait for the collector');
      return;
    }
    this.#waiting.push(trace);
    this.#textChars += trace.textChars;
    if (this.#size >= this.#batchTraces) this.#soon();
    else this.#later();
  }

  /** Sends what waits, for at most that long; takes no more. */
  async close(maxMs: number): Promise<void> {
    this.#closed = true;
    await within(this.#drain(), maxMs);
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    clearTimeout(this.#telling);
    // Of those under way nobody can say any more whether they arrive.
    const left = this.#size + this.#underWay;
    if (left > 0) this.#why = 'the gateway ended before the collector took them';
    this.#dropped += left;
    this.#underWay = 0;
    this.#waiting = [];
    this.#next = 0;
    this.#gone = true;
    this.#tell();
  }

  get #size(): number {
    return this.#waiting.length - this.#next;
  }

  async #drain(): Promise<void> {
    while (this.#size > 0 || this.#requests.size > 0) {
      this.#sendBatches(true);
      // At least one is under way.
      await Promise.race(this.#requests);
    }
  }

  #onDelay(): void {
    this.#timer = undefined;
    this.#sendBatches(true);
  }

  /** In a turn of the event loop of its own, so that no call waits while spans are made and written. */
  #soon(): void {
    if (this.#immediate !== undefined || this.#requests.size >= REQUESTS_MAX) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#sendBatches(false);
    });
  }

  /** One batch; more only where all must go. */
  #sendBatches(all: boolean): void {
    while (this.#size > 0 && this.#requests.size < REQUESTS_MAX) {
      this.#sendBatch();
      if (!all) break;
    }
    if (this.#size >= this.#batchTraces) this.#soon();
  }

  #sendBatch(): void {
    const batch = this.#waiting.slice(this.#next, this.#next + this.#batchTraces);
    this.#next += batch.length;
    if (this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    const request = this.#send(batch).finally(() => {
      this.#requests.delete(request);
      if (this.#size >= this.#batchTraces) this.#soon();
      else if (this.#size > 0) this.#later();
    });
    this.#requests.add(request);
  }

  /** Never rejects: whatever goes wrong is no call's concern. */
  async #send(batch: readonly Trace[]): Promise<void> {
    const { spansOf, send } = this.#options;
    for (const { textChars } of batch) this.#textChars -= textChars;
    this.#underWay += batch.length;
    let why: unknown;
    try {
      await send(batch.flatMap(spansOf));
    } catch (error) {
      why = error ?? 'unknown';
    }
    if (this.#gone) return;
    this.#underWay -= batch.length;
    if (why === undefined) {
      this.#sent += batch.length;
      return;
    }
    this.#failed += batch.length;
    this.#lost(why instanceof Error ? why.message : String(why));
  }

  #later(): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#onDelay(), this.#options.delayMs).unref();
  }

  /** At once the first time, then at most every 10 s. */
  #lost(why: string): void {
    this.#why = why;
    if (this.#telling !== undefined) return;
    const waitMs = this.#told.atMs + TELL_EVERY_MS - performance.now();
    if (waitMs <= 0) this.#tell();
    else
      this.#telling = setTimeout(() => {
        this.#telling = undefined;
        this.#tell();
      }, waitMs).unref();
  }

  #tell(): void {
    const [dropped, failed] = [this.#dropped - this.#told.dropped, this.#failed - this.#told.failed];
    if (dropped + failed === 0) return;
    this.#told = { dropped: this.#dropped, failed: this.#failed, atMs: performance.now() };
    this.#options.onLoss({ dropped, failed, why: this.#why });
  }
}
