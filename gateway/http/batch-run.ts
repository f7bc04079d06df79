/** One batch: items are read as they arrive, called, and their results handed to the body of the answer. */
import { type Caller, staysForever } from '../caller.ts';
import type { Settings } from '../config.ts';
import { Deadline } from '../deadline.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import { Batch } from '../invoke/batch.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { EndedItem, ItemCalls } from '../invoke/item-call.ts';
import type { Spool } from '../spool.ts';
import { LATE, within } from '../within.ts';
import { BatchBody } from './batch-body.ts';
import { readItem } from './batch-item.ts';
import type { BatchRequest } from './batch-options.ts';
import { malformedText, type ResultContext, resultText } from './batch-result.ts';
import { ArraySplitter, LineSplitter, type Sent, type Splitter } from './batch-splitter.ts';
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

export class BatchRun {
  readonly body: BatchBody;
  readonly counts: BatchCounts = { items: 0, succeeded: 0, failed: 0, cancelled: 0 };
  readonly #options: BatchRunOptions;
  readonly #batch: Batch;
  readonly #splitter: Splitter;
  readonly #deadline: Deadline;
  readonly #ids = new Set<string>();
  #bytes = 0;
  #begun: () => void = () => {};

  constructor(options: BatchRunOptions) {
    const { asked, settings, spool, functions, calls, request, caller } = options;
    const { concurrency, stopOnError } = asked;
    this.#options = options;
    this.#deadline = new Deadline(asked.timeoutMs);
    this.#splitter = new (asked.sent === 'lines' ? LineSplitter : ArraySplitter)(settings.limits.bodyMaxBytes);
    this.body = new BatchBody({
      format: asked.answered,
      order: asked.order,
      store: new ResultStore(spool),
      keptMaxBytes: settings.batch.keptMaxBytes,
      idleWriteTimeoutMs: settings.http.idleWriteTimeoutMs,
      onRoom: () => this.#batch.goOn(),
      onLeft: (error) => {
        if (caller !== staysForever) this.#batch.stop(error);
      },
      cut: request.cut,
    });
    this.#batch = new Batch({
      concurrency,
      stopOnError,
      deadline: this.#deadline,
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
    const received = this.#receive();
    const first = await within(Promise.race([begun, received]), HEAD_WAIT_MS);
    // Broken off with items is told behind their results.
    if (first !== LATE && first !== undefined && this.counts.items === 0) {
      await this.body.discard();
      throw first;
    }
    return { ended: this.#end(received) };
  }

  async #end(received: Promise<GatewayError | undefined>): Promise<GatewayError | undefined> {
    const { caller, asked, context } = this.#options;
    const left = (): void => this.#batch.stop(callerLeft());
    caller.whenLeft({ callerLeft: left });
    if (caller.hasLeft) left();
    const timer = setTimeout(() => this.#batch.stop(tooLate(asked.timeoutMs)), this.#deadline.remainingMs());
    const broken = await received;
    await this.#batch.ended();
    clearTimeout(timer);
    caller.whenLeft(undefined);
    const text = broken && malformedText({ id: undefined, index: undefined, error: broken }, context);
    this.body.end(text);
    const undelivered = await this.body.concluded;
    return broken ?? this.#batch.stopped ?? undelivered;
  }

  /** Resolves when nothing more is read, with why if that is not the end of the body. */
  async #receive(): Promise<GatewayError | undefined> {
    const { request, caller, asked } = this.#options;
    try {
      await receive(request.body, {
        timeoutMs: this.#deadline.remainingMs(),
        take: (chunk) => this.#take(chunk),
      });
      this.#splitter.end((sent) => this.#read(sent));
      return undefined;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.code === 'client-closed' && caller !== staysForever) this.#batch.stop(callerLeft());
      if (error.code !== 'request-timeout') return error;
      this.#batch.stop(tooLate(asked.timeoutMs));
      return tooLate(asked.timeoutMs);
    } finally {
      this.body.arrived();
      this.#batch.goOn();
    }
  }

  #take(chunk: Buffer): Promise<void> | undefined {
    const { maxBytes } = this.#options.settings.batch;
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) throw tooMany(`more than ${maxBytes} bytes; batch.maxBytes is ${maxBytes}`);
    this.#splitter.push(chunk, (sent) => this.#read(sent));
    return this.#batch.room();
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
    else {
      this.#ids.add(read.item.id);
      this.#batch.add(read.item);
    }
  }

  #malformed(index: number, id: string | undefined, error: GatewayError): void {
    this.counts.failed += 1;
    this.body.add(index, malformedText({ id, index, error }, this.#options.context));
    this.#batch.failed(index);
  }

  #ended(ended: EndedItem): void {
    this.counts[ended.status] += 1;
    this.#options.onEnded(ended);
    this.body.add(ended.item.index, resultText(ended, this.#options.context));
  }
}

const callerLeft = (): GatewayError =>
  new GatewayError('client-closed', 'The caller left before all of its batch had run.', { executed: 'no' });

const tooLate = (timeoutMs: number): GatewayError =>
  new GatewayError('deadline-exceeded', `The batch had not ended within its ${timeoutMs} ms.`);

const tooMany = (met: string): GatewayError =>
  new GatewayError('batch-too-large', `The batch has ${met}. What came before was called.`);

const twice = (id: string): GatewayError =>
  new GatewayError('duplicate-id', `Another item of this batch has the id ${JSON.stringify(id)}.`);
