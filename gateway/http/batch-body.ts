/**
 * The results of a batch as the body of its answer, in the order in which they end or were asked for. While the request
 * still arrives its reader may take its time: results wait. Then it is held to the usual time limit.
 */
import type { ServerResponse } from 'node:http';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { BatchFormat } from './batch-options.ts';
import type { Kept, ResultStore } from './result-store.ts';

export interface BatchBodyOptions {
  readonly format: BatchFormat;
  readonly order: 'finish' | 'input';
  readonly store: ResultStore;
  /** Of results that wait. */
  readonly keptMaxBytes: number;
  readonly idleWriteTimeoutMs: number;
  /** There may be room again for results that were not begun. */
  readonly onRoom: () => void;
  /** The reader is gone, or does not read. */
  readonly onLeft: (error: GatewayError) => void;
  /** Breaks the connection, so that the reader sees an answer that is not whole; absent in process. */
  readonly cut: (() => void) | undefined;
}

/** Sent at once. */
const PART_BYTES = 65_536;
/** With all of the request there, what waits for the reader only costs room. */
const READY_MAX_BYTES = 262_144;
/** How far results may run ahead of the one that is due next, where they are sent in order. */
const AHEAD_MAX_ITEMS = 10_000;

const OPENING = Buffer.from('[');
const COMMA = Buffer.from(',\n');
const CLOSING = Buffer.from(']\n');
const LINE_END = Buffer.from('\n');

export class BatchBody {
  readonly #options: BatchBodyOptions;
  /** To be sent next, first to last, from `#readyAt` on. */
  #ready: Kept[] = [];
  #readyAt = 0;
  #readyBytes = 0;
  /** Ended before one that was asked for earlier. */
  readonly #early = new Map<number, Kept>();
  #dueIndex = 0;
  #arrived = false;
  #ended = false;
  /** Why nobody reads it any more. */
  #left: GatewayError | undefined;
  #isFirst = true;
  #closingSent = false;
  #wake: (() => void) | undefined;
  readonly #onRoom: (() => void)[] = [];
  #conclude: (error: GatewayError | undefined) => void = () => {};
  /** Resolves when its reader has all of it, or with why it never will. */
  readonly concluded: Promise<GatewayError | undefined>;

  constructor(options: BatchBodyOptions) {
    this.#options = options;
    this.concluded = new Promise((resolve) => (this.#conclude = resolve));
  }

  /** `text`: one result as JSON. */
  add(index: number, text: string): void {
    if (this.#left !== undefined) return;
    const kept = this.#options.store.put(Buffer.from(text));
    if (this.#options.order === 'finish') {
      this.#queue(kept);
    } else {
      this.#early.set(index, kept);
      for (let due = this.#early.get(this.#dueIndex); due; due = this.#early.get(this.#dueIndex)) {
        this.#early.delete(this.#dueIndex);
        this.#dueIndex += 1;
        this.#queue(due);
      }
    }
    this.#wakeUp();
  }

  /** All of the request has arrived: from now on its sender has nothing to do but to read. */
  arrived(): void {
    this.#arrived = true;
  }

  /** Nothing follows but this. */
  end(text: string | undefined): void {
    this.#ended = true;
    if (text !== undefined && this.#left === undefined) this.#queue(this.#options.store.put(Buffer.from(text)));
    this.#wakeUp();
  }

  /** Nobody will read it. */
  async discard(): Promise<void> {
    this.#left = readerLeft();
    await this.#options.store.close();
  }

  mayStart(index: number): boolean {
    const { order } = this.#options;
    // Nothing is kept for a reader that has left.
    if (this.#left !== undefined) return true;
    if (this.#arrived && this.#readyBytes >= READY_MAX_BYTES) return false;
    if (order === 'finish') return !this.#isFull;
    // Where nothing is ready, it is the one that is due that everything waits for.
    if (index === this.#dueIndex) return this.#readyBytes === 0 || !this.#isFull;
    return index - this.#dueIndex < AHEAD_MAX_ITEMS && !this.#isFull;
  }

  /** Resolves when there is room for the results of items that need not be called; undefined: now. */
  room(): Promise<void> | undefined {
    if (this.#left !== undefined || !this.#isFull || (this.#options.order === 'input' && this.#readyBytes === 0))
      return undefined;
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  get #isFull(): boolean {
    return this.#options.store.isFull(this.#options.keptMaxBytes);
  }

  /** To a socket. Never rejects. */
  async writeTo(outgoing: ServerResponse): Promise<void> {
    const closed = new Promise<boolean>((resolve) => {
      outgoing.once('close', () => resolve(outgoing.writableFinished));
    });
    void closed.then((finished) => {
      if (!finished) this.#leave(readerLeft());
    });
    outgoing.flushHeaders();
    try {
      for (let part = await this.#next(); part !== undefined; part = await this.#next()) {
        if (outgoing.write(part)) continue;
        const drained = new Promise<boolean>((resolve) => outgoing.once('drain', () => resolve(true)));
        const watch = this.#watch(() => unsentBytes(outgoing));
        const isOpen = await Promise.race([drained, closed]);
        clearInterval(watch);
        if (!isOpen || this.#left !== undefined) return;
      }
      if (this.#left === undefined) outgoing.end();
    } catch (thrown) {
      this.#cutOff(toGatewayError(thrown));
      if (this.#options.cut === undefined) outgoing.destroy();
    }
  }

  /** For those that read it in process, or by way of the router. */
  readable(): ReadableStream<Uint8Array> {
    let watch: NodeJS.Timeout | undefined;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      clearInterval(watch);
      try {
        const part = await this.#next();
        if (this.#left !== undefined) {
          // Closed, it would look whole.
          controller.error(this.#left);
        } else if (part === undefined) {
          controller.close();
        } else {
          controller.enqueue(part);
          watch = this.#watch(() => 0);
        }
      } catch (thrown) {
        this.#cutOff(toGatewayError(thrown));
        if (this.#options.cut === undefined) controller.error(thrown);
      }
    };
    const cancel = (): void => {
      clearInterval(watch);
      this.#leave(readerLeft());
    };
    return new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 });
  }

  #queue(kept: Kept): void {
    this.#ready.push(kept);
    this.#readyBytes += sizeOf(kept);
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** What is ready, up to a part; undefined: that was all. */
  async #next(): Promise<Buffer | undefined> {
    while (this.#readyAt === this.#ready.length && !this.#ended && this.#left === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      // Results that end together leave in one write.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#left !== undefined) return undefined;
    const pieces: Buffer[] = [];
    for (let bytes = 0; bytes < PART_BYTES && this.#readyAt < this.#ready.length; ) {
      const kept = this.#shift();
      if (kept === undefined) break;
      const taken = this.#options.store.take(kept);
      const text = taken instanceof Promise ? await taken : taken;
      bytes += text.length;
      pieces.push(...this.#framed(text));
    }
    this.#tellRoom();
    if (pieces.length > 0) return Buffer.concat(pieces);
    if (this.#options.format === 'array' && !this.#closingSent) {
      this.#closingSent = true;
      return this.#isFirst ? Buffer.concat([OPENING, CLOSING]) : CLOSING;
    }
    void this.#options.store.close();
    this.#conclude(undefined);
    return undefined;
  }

  #tellRoom(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
    this.#options.onRoom();
  }

  #shift(): Kept | undefined {
    const kept = this.#ready[this.#readyAt];
    if (kept === undefined) return undefined;
    this.#readyAt += 1;
    this.#readyBytes -= sizeOf(kept);
    if (this.#readyAt === this.#ready.length) {
      this.#ready = [];
      this.#readyAt = 0;
    } else if (this.#readyAt === 10_000) {
      this.#ready.splice(0, this.#readyAt);
      this.#readyAt = 0;
    }
    return kept;
  }

  #framed(text: Buffer): Buffer[] {
    if (this.#options.format === 'lines') return [text, LINE_END];
    const before = this.#isFirst ? OPENING : COMMA;
    this.#isFirst = false;
    return [before, text];
  }

  /** A reader that takes nothing is waited for while its request arrives, and there is room; else not for long. */
  #watch(unsentBytes: () => number | undefined): NodeJS.Timeout {
    const { idleWriteTimeoutMs } = this.#options;
    let unsent = unsentBytes();
    const timer = setInterval(() => {
      const before = unsent;
      unsent = unsentBytes();
      const isTaken = before === undefined || unsent === undefined || unsent < before;
      if (isTaken || this.#left !== undefined || (!this.#arrived && !this.#isFull)) return;
      clearInterval(timer);
      const detail = `The reader took nothing for ${idleWriteTimeoutMs} ms: http.idleWriteTimeoutMs.`;
      this.#cutOff(new GatewayError('slow-reader', detail));
    }, idleWriteTimeoutMs);
    return timer;
  }

  #cutOff(error: GatewayError): void {
    this.#leave(error);
    this.#options.cut?.();
  }

  #leave(error: GatewayError): void {
    if (this.#left !== undefined) return;
    this.#left = error;
    this.#options.onLeft(error);
    void this.#options.store.close();
    this.#conclude(error);
    this.#wakeUp();
    this.#tellRoom();
  }
}

const readerLeft = (): GatewayError =>
  new GatewayError('client-closed', 'The caller left before all of its batch had run.', { executed: 'no' });

const sizeOf = (kept: Kept): number => (kept.kind === 'memory' ? kept.bytes.length : kept.size);

/** Not sent yet. Undefined: answers before it on its connection are not out, and it has no socket so far. */
const unsentBytes = ({ socket, writableLength }: ServerResponse): number | undefined => {
  if (socket === null) return undefined;
  return writableLength + ((socket as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0);
};
