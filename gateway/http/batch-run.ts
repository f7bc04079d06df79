/** One batch: items are read as they arrive, called, and their results handed to the body of the answer. */
import { type Buffers, Holding } from '../buffers.ts';
import { type Caller, staysForever } from '../caller.ts';
import type { Settings } from '../config.ts';
import { Deadline } from '../deadline.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import { Batch, type BatchItem } from '../invoke/batch.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { EndedItem, ItemCalls } from '../invoke/item-call.ts';
import type { Spool } from '../spool.ts';
import { LATE, within } from '../within.ts';
import { BatchBody } from './batch-body.ts';
import { readItem } from './batch-item.ts';
import type { BatchRequest } from './batch-options.ts';
import { malformedText, type ResultContext, resultText } from './batch-result.ts';
import { ArraySplitter, type Give, LineSplitter, type Sent, type Splitter } from './batch-splitter.ts';
import { bodyTooLarge, receive } from './body.ts';
import type { CallRequest } from './call-request.ts';
import { ResultStore } from './result-store.ts';

export interface BatchRunOptions {
  readonly request: CallRequest;
  /** Who leaves; the request's own caller, unless the batch shall run whether or not that stays. */
  readonly caller: Caller;
  readonly asked: BatchRequest;
  /** Of all items, where the path names it. */
  readonly functionName: string | undefined;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly settings: Settings;
  readonly spool: Spool;
  readonly buffers: Buffers;
  readonly calls: ItemCalls;
  readonly context: ResultContext;
  /** Of each item that was called, before its result is written. */
  readonly onEnded: (ended: EndedItem) => void;
}

export interface BatchCounts {
  items: number;
  succeeded: number;
  failed: number;
  cancelled: number;
}

/** A caller that sends nothing before it has seen the head of the answer gets that after a while. */
const HEAD_WAIT_MS = 1000;
/** How long items are read in one go, ms. */
const SLICE_MS = 5;

export class BatchRun {
  readonly body: BatchBody;
  readonly counts: BatchCounts = { items: 0, succeeded: 0, failed: 0, cancelled: 0 };
  readonly #options: BatchRunOptions;
  readonly #batch: Batch;
  readonly #splitter: Splitter;
  readonly #deadline: Deadline;
  /** Of the item that is on its way in; those that wait or run are held each. */
  readonly #arriving: Holding;
  readonly #ids = new Set<string>();
  /** Found in the body, not looked at yet. */
  #sent: Sent[] = [];
  #bytes = 0;
  /** Items that hold room for their bytes. */
  #inside = 0;
  #itemEnded: () => void = () => {};
  #isClosed = false;
  #close: (error: GatewayError) => void = () => {};
  #begun: () => void = () => {};

  constructor(options: BatchRunOptions) {
    const { asked, settings, spool, functions, calls, request, caller } = options;
    const { concurrency, stopOnError } = asked;
    this.#options = options;
    this.#deadline = new Deadline(asked.timeoutMs);
    this.#arriving = new Holding(options.buffers);
    this.#splitter = new (asked.sent === 'lines' ? LineSplitter : ArraySplitter)(settings.limits.bodyMaxBytes);
    this.body = new BatchBody({
      format: asked.answered,
      order: asked.order,
      store: new ResultStore(spool),
      keptMaxBytes: settings.batch.keptMaxBytes,
      idleWriteTimeoutMs: settings.http.idleWriteTimeoutMs,
      onRoom: () => this.#batch.goOn(),
      onLeft: (error) => {
        if (caller !== staysForever) this.#batch.abandon(error);
      },
      cut: request.cut,
    });
    this.#batch = new Batch({
      concurrency,
      stopOnError,
      deadline: this.#deadline,
      tooLate: () => tooLate(asked.timeoutMs),
      functions,
      calls,
      onEnded: (ended) => this.#ended(ended),
      mayStart: (index) => this.body.mayStart(index),
    });
  }

  /**
   * Resolves when the answer may begin, with the promise of its end: what broke the batch off, if anything did. Rejects
   * with what is wrong with a batch of which nothing was called.
   */
  async begin(): Promise<{ readonly ended: Promise<GatewayError | undefined> }> {
    const begun = new Promise<void>((resolve) => (this.#begun = resolve));
    const closed = new Promise<GatewayError>((resolve) => (this.#close = resolve));
    const received = Promise.race([this.#receive(), closed]).finally(() => {
      this.body.arrived();
      this.#batch.goOn();
    });
    const first = await within(Promise.race([begun, received]), HEAD_WAIT_MS);
    // Broken off with items is told behind their results.
    if (first !== LATE && first !== undefined && this.counts.items === 0) {
      await this.body.discard();
      throw first;
    }
    return { ended: this.#end(received) };
  }

  /** What has not begun never will, and no more is read: the answer ends when what runs has ended. */
  close(error: GatewayError): void {
    this.#isClosed = true;
    this.#batch.stop(error);
    this.#close(error);
  }

  async #end(received: Promise<GatewayError | undefined>): Promise<GatewayError | undefined> {
    const { caller, asked, context } = this.#options;
    const left = (): void => this.#batch.abandon(callerLeft());
    caller.whenLeft({ callerLeft: left });
    if (caller.hasLeft) left();
    const timer = setTimeout(() => this.#batch.stop(tooLate(asked.timeoutMs)), this.#deadline.remainingMs());
    const broken = await received;
    await this.#batch.ended();
    clearTimeout(timer);
    caller.whenLeft(undefined);
    // Whoever sends all of it again runs again what ran.
    const error = broken?.afterAttempt(this.counts.items > 0 ? 'yes' : 'no');
    this.body.end(error && malformedText({ id: undefined, index: undefined, error }, context));
    const undelivered = await this.body.concluded;
    // Its connection is cut then, which looks like a caller that left.
    if (undelivered?.code === 'slow-reader') return undelivered;
    return error ?? this.#batch.stopped ?? undelivered;
  }

  /** Resolves when nothing more is read, with why if that is not the end of the body. */
  async #receive(): Promise<GatewayError | undefined> {
    const { request, caller, asked } = this.#options;
    try {
      await receive(request.body, {
        timeoutMs: this.#deadline.remainingMs(),
        take: (chunk) => this.#take(chunk),
      });
      await this.#find((give) => this.#splitter.end(give));
      return undefined;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.code === 'client-closed' && caller !== staysForever) this.#batch.abandon(callerLeft());
      if (error.code !== 'request-timeout') return error;
      this.#batch.stop(tooLate(asked.timeoutMs));
      return tooLate(asked.timeoutMs);
    } finally {
      this.#arriving.release();
    }
  }

  /** Its own items give room back as they end: only a batch that has none is refused. */
  async #roomFor(bytes: number): Promise<void> {
    const { buffers } = this.#options;
    while (!buffers.fits(bytes) && this.#inside > 0) await new Promise<void>((resolve) => (this.#itemEnded = resolve));
  }

  async #take(chunk: Buffer): Promise<void> {
    const { maxBytes } = this.#options.settings.batch;
    this.#bytes += chunk.length;
    const isTooMuch = this.#bytes > maxBytes;
    if (this.#isClosed) throw callerLeft();
    await this.#roomFor(chunk.length);
    await this.#find((give) => {
      if (isTooMuch) throw tooMany(`more than ${maxBytes} bytes; batch.maxBytes is ${maxBytes}`);
      this.#splitter.push(chunk, give);
      this.#arriving.resize(this.#splitter.heldBytes);
    });
  }

  /** Reads the items that are found, up to where that fails, and rejects with why. */
  async #find(find: (give: Give) => void): Promise<void> {
    let failure: unknown;
    try {
      find((sent) => this.#sent.push(sent));
    } catch (thrown) {
      failure = thrown;
    }
    await this.#readAll();
    if (failure !== undefined) throw failure;
  }

  /** 64 kB may hold 32,000 items, and each may fail at once: others have their turn in between. */
  async #readAll(): Promise<void> {
    const { buffers } = this.#options;
    let sinceMs = performance.now();
    for (const sent of this.#sent.splice(0)) {
      for (let room = this.#room(); room !== undefined; room = this.#room()) await room;
      if (performance.now() - sinceMs > SLICE_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        sinceMs = performance.now();
      }
      if (sent.kind === 'item' && !buffers.fits(sent.bytes.length)) await this.#roomFor(sent.bytes.length);
      if (this.#isClosed) return;
      this.#read(sent);
    }
  }

  #room(): Promise<void> | undefined {
    return this.#batch.room() ?? this.body.room();
  }

  #read(sent: Sent): void {
    const { functionName, settings } = this.#options;
    const { limits, batch } = settings;
    const index = this.counts.items;
    if (index === batch.itemsMax) throw tooMany(`more than ${index} items; batch.itemsMax is ${index}`);
    this.counts.items += 1;
    this.#begun();
    if (sent.kind === 'too-large') {
      this.#malformed(index, undefined, bodyTooLarge(limits.bodyMaxBytes, `more than ${limits.bodyMaxBytes} bytes`));
      return;
    }
    const { jsonDepth, issuesMax } = limits;
    const read = readItem(sent.bytes, index, { functionName, jsonDepth, issuesMax });
    if (read.kind === 'malformed') this.#malformed(index, read.id, read.error);
    else if (this.#ids.has(read.item.id)) this.#malformed(index, read.item.id, twice(read.item.id));
    else this.#add(read.item);
  }

  #add(item: BatchItem): void {
    try {
      this.#options.buffers.take(item.bytes);
    } catch (thrown) {
      // The connection is kept: it brings the others.
      const { message, retryAfterMs = 0 } = toGatewayError(thrown);
      this.#malformed(item.index, item.id, new GatewayError('overloaded', message, { retryAfterMs }));
      return;
    }
    this.#inside += 1;
    this.#ids.add(item.id);
    this.#batch.add(item);
  }

  #malformed(index: number, id: string | undefined, error: GatewayError): void {
    this.counts.failed += 1;
    this.body.add(index, malformedText({ id, index, error }, this.#options.context));
    this.#batch.failed(index);
  }

  #ended(ended: EndedItem): void {
    this.#options.buffers.give(ended.item.bytes);
    this.#inside -= 1;
    this.#itemEnded();
    this.counts[ended.status] += 1;
    this.#options.onEnded(ended);
    this.body.add(ended.item.index, this.#textOf(ended));
  }

  #textOf(ended: EndedItem): string {
    const { context } = this.#options;
    try {
      return resultText(ended, context);
    } catch (thrown) {
      const { id, index } = ended.item;
      return malformedText({ id, index, error: toGatewayError(thrown) }, context);
    }
  }
}

const callerLeft = (): GatewayError =>
  new GatewayError('client-closed', 'The caller left before all of its batch had run.', { executed: 'no' });

const tooLate = (timeoutMs: number): GatewayError =>
  new GatewayError('deadline-exceeded', `The batch had not ended within its ${timeoutMs} ms.`);

const tooMany = (met: string): GatewayError => new GatewayError('batch-too-large', `The batch has ${met}.`);

const twice = (id: string): GatewayError =>
  new GatewayError('duplicate-id', `Another item of this batch has the id ${JSON.stringify(id)}.`);
