/**
 * A stream as the body of an HTTP answer. The reader's pace is PHP's: nothing is read from PHP before the last piece
 * was taken. A reader that takes nothing for too long is cut off; one that leaves stops PHP.
 */
import { GatewayError, toGatewayError } from '../errors.ts';
import type { OutputStream } from '../invoke/output-stream.ts';
import { LATE, within } from '../within.ts';
import type { StreamFormat } from './stream-format.ts';

export interface StreamBodyOptions {
  readonly format: StreamFormat;
  readonly heartbeatMs: number;
  readonly idleWriteTimeoutMs: number;
  readonly problem: (error: GatewayError) => object;
  /** Breaks the connection, so that the reader sees an answer that is not whole; absent in process. */
  readonly cut: (() => void) | undefined;
}

type Controller = ReadableStreamDefaultController<Uint8Array>;

const NOTHING = new Uint8Array(0);
/** As much as Node takes for a socket before it asks to wait. */
const PART_BYTES = 65_536;

export class StreamBody {
  readonly #stream: OutputStream;
  readonly #options: StreamBodyOptions;
  /** Under way while heartbeats go out. */
  #reading: Promise<unknown[] | undefined> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isEmpty = true;
  /** Encoded and not sent yet. */
  #rest: Uint8Array = NOTHING;
  #ended = false;
  #left = false;

  constructor(stream: OutputStream, options: StreamBodyOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  readable(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () =>
          this.#leave(new GatewayError('client-closed', 'The reader of the stream left.', { executed: 'yes' })),
      },
      // Nothing ahead of demand.
      { highWaterMark: 0 },
    );
  }

  async #pull(controller: Controller): Promise<void> {
    clearTimeout(this.#idle);
    if (this.#rest.length > 0) {
      this.#enqueue(controller, this.#rest);
      return;
    }
    if (this.#ended) {
      controller.close();
      return;
    }
    try {
      const pieces = await this.#next();
      if (this.#left) return;
      if (pieces === undefined) this.#finish(controller);
      else this.#send(controller, pieces);
    } catch (thrown) {
      // To one that has left there is nothing to tell.
      if (!this.#left) this.#fail(controller, toGatewayError(thrown));
    }
  }

  /** Until the next pull, which comes when the reader has taken what was sent. */
  #expectReader(): void {
    const { idleWriteTimeoutMs, cut } = this.#options;
    this.#idle = setTimeout(() => {
      const detail = `The reader took nothing for ${idleWriteTimeoutMs} ms: http.idleWriteTimeoutMs.`;
      this.#leave(new GatewayError('slow-reader', detail));
      cut?.();
    }, idleWriteTimeoutMs);
  }

  /** The next pieces, undefined at the end, or LATE when there was nothing for a while. */
  async #next(): Promise<unknown[] | undefined | typeof LATE> {
    const { format, heartbeatMs } = this.#options;
    this.#reading ??= this.#stream.read();
    const reading = this.#reading;
    if (format.heartbeat === undefined) {
      this.#reading = undefined;
      return await reading;
    }
    const next = await within(reading, heartbeatMs);
    if (next !== LATE) this.#reading = undefined;
    return next;
  }

  #send(controller: Controller, pieces: unknown[] | typeof LATE): void {
    const { format } = this.#options;
    if (pieces !== LATE) {
      this.#enqueue(controller, format.encode(pieces, this.#isEmpty));
      this.#isEmpty = false;
    } else if (format.heartbeat !== undefined) this.#enqueue(controller, format.heartbeat);
  }

  /** In parts: a reader that takes a large item slowly is not one that takes nothing. */
  #enqueue(controller: Controller, bytes: Uint8Array): void {
    this.#rest = bytes.subarray(PART_BYTES);
    this.#expectReader();
    controller.enqueue(bytes.length <= PART_BYTES ? bytes : bytes.subarray(0, PART_BYTES));
  }

  #finish(controller: Controller): void {
    const { end } = this.#options.format;
    if (end === undefined) controller.close();
    else this.#sendLast(controller, end(this.#isEmpty));
  }

  #sendLast(controller: Controller, bytes: Uint8Array): void {
    this.#ended = true;
    this.#enqueue(controller, bytes);
  }

  #fail(controller: Controller, error: GatewayError): void {
    const { format, problem, cut } = this.#options;
    if (format.failure !== undefined) this.#sendLast(controller, format.failure(problem(error)));
    else if (cut !== undefined) cut();
    else controller.error(error);
  }

  #leave(error: GatewayError): void {
    this.#left = true;
    clearTimeout(this.#idle);
    this.#stream.cancel(error);
  }
}
