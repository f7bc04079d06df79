/**
 * A stream as the body of an HTTP answer. The reader's pace is PHP's: nothing is read from PHP before the last pieces
 * were taken. A reader that takes nothing for too long is cut off; one that leaves stops PHP.
 */
import type { ServerResponse } from 'node:http';
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

type Bytes = readonly Uint8Array[];

/** As much as Node takes for a socket before it asks to wait. */
const PART_BYTES = 65_536;
/** To a socket: what one read of PHP's answer gives at most. */
const SOCKET_PART_BYTES = 262_144;

export class StreamBody {
  readonly #stream: OutputStream;
  readonly #options: StreamBodyOptions;
  /** Under way while heartbeats go out. */
  #reading: Promise<unknown[] | undefined> | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** It was given something and has not taken it. */
  #readerIsDue = false;
  #unsent = (): number => 0;
  #unsentBytes = 0;
  #isEmpty = true;
  /** Nothing follows what was told last. */
  #ended = false;
  #left = false;

  constructor(stream: OutputStream, options: StreamBodyOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Resolves when PHP has nothing more to say, whatever its reader still has to read. */
  get ended(): Promise<unknown> {
    return this.#stream.ended;
  }

  /**
   * To a socket, past web streams, and giving memory back behind each write. Never rejects. Through a `ReadableStream`,
   * with memory of its own and three writes for each 64 KB, 1 MB cost 3.4 ms of CPU instead of 1.4.
   */
  async writeTo(outgoing: ServerResponse): Promise<void> {
    const closed = new Promise<boolean>((resolve) => {
      outgoing.once('close', () => resolve(outgoing.writableFinished));
    });
    void closed.then((finished) => {
      if (!finished) this.#leave(readerLeft());
    });
    // What is there already leaves in one write with the head.
    if (!this.#stream.isFilled) outgoing.flushHeaders();
    try {
      for (let bytes = await this.#next(); bytes !== undefined; bytes = await this.#next()) {
        const parts = partsOf(bytes, SOCKET_PART_BYTES);
        for (const [at, part] of parts.entries()) {
          const written = writePart(outgoing, part, at === parts.length - 1 && this.#isLast);
          if (written !== undefined) {
            this.#expectReader(() => unsentBytes(outgoing));
            // Only what the kernel has is given back: of an answer that was cut off some may still be on its way.
            if (!(await Promise.race([written, closed]))) this.#leave(readerLeft());
            this.#readerIsDue = false;
          }
          if (this.#left) return;
        }
        this.#stream.giveBack();
      }
      clearTimeout(this.#idle);
      if (!this.#left && !outgoing.writableEnded) outgoing.end();
    } catch {
      clearTimeout(this.#idle);
      if (this.#options.cut === undefined) outgoing.destroy();
      else this.#options.cut();
    }
  }

  /** For those that read it in process: what they have read stays theirs. */
  readable(): ReadableStream<Uint8Array> {
    let parts: Uint8Array[] = [];
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      this.#readerIsDue = false;
      try {
        for (let bytes: Bytes | undefined = []; parts.length === 0 && bytes !== undefined; ) {
          bytes = await this.#next();
          if (this.#left) return;
          parts = partsOf(bytes ?? [], PART_BYTES).flat();
        }
        const part = parts.shift();
        if (part === undefined) {
          clearTimeout(this.#idle);
          controller.close();
        } else {
          this.#expectReader(() => 0);
          controller.enqueue(part);
        }
      } catch (thrown) {
        clearTimeout(this.#idle);
        if (this.#options.cut === undefined) controller.error(thrown);
        else this.#options.cut();
      }
    };
    // Nothing ahead of demand.
    return new ReadableStream<Uint8Array>({ pull, cancel: () => this.#leave(readerLeft()) }, { highWaterMark: 0 });
  }

  /** What to send next; undefined: that was all. Rejects when only a broken connection can tell that it was not. */
  async #next(): Promise<Bytes | undefined> {
    if (this.#ended || this.#left) return undefined;
    const { format, problem } = this.#options;
    try {
      const pieces = await this.#read();
      if (pieces === LATE) return format.heartbeat === undefined ? [] : [format.heartbeat];
      if (pieces !== undefined) {
        const bytes = format.encode(pieces, this.#isEmpty);
        this.#isEmpty = false;
        return bytes;
      }
      this.#ended = true;
      return format.end === undefined ? undefined : [format.end(this.#isEmpty)];
    } catch (thrown) {
      // To one that has left there is nothing to tell.
      if (this.#left) return undefined;
      this.#ended = true;
      const error = toGatewayError(thrown);
      if (format.failure === undefined) throw error;
      return [format.failure(problem(error))];
    }
  }

  /** Nothing follows what `#next()` gave. */
  get #isLast(): boolean {
    return this.#ended || (this.#stream.isOver && this.#options.format.end === undefined);
  }

  /** The next pieces, undefined at the end, or LATE when there was nothing for a while. */
  async #read(): Promise<unknown[] | undefined | typeof LATE> {
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

  /** It has from now on to take what it is given. One timer for all: it may go off while nothing is due. */
  #expectReader(unsent: () => number): void {
    this.#readerIsDue = true;
    this.#unsent = unsent;
    this.#unsentBytes = unsent();
    if (this.#idle !== undefined) this.#idle.refresh();
    else this.#idle = setTimeout(() => this.#lookAtReader(), this.#options.idleWriteTimeoutMs);
  }

  /** A large write is taken bit by bit: as long as those are more than a part, it goes on. */
  #lookAtReader(): void {
    if (!this.#readerIsDue) return;
    const { idleWriteTimeoutMs, cut } = this.#options;
    const unsentBytes = this.#unsent();
    if (this.#unsentBytes - unsentBytes >= PART_BYTES) {
      this.#unsentBytes = unsentBytes;
      this.#idle?.refresh();
      return;
    }
    const detail = `The reader took nothing for ${idleWriteTimeoutMs} ms: http.idleWriteTimeoutMs.`;
    this.#leave(new GatewayError('slow-reader', detail));
    cut?.();
  }

  #leave(error: GatewayError): void {
    this.#left = true;
    clearTimeout(this.#idle);
    this.#stream.cancel(error);
  }
}

const readerLeft = (): GatewayError =>
  new GatewayError('client-closed', 'The reader of the stream left.', { executed: 'yes' });

/** In parts: a reader that takes a large item slowly is not one that takes nothing. */
const partsOf = (bytes: Bytes, maxBytes: number): Uint8Array[][] => {
  const parts: Uint8Array[][] = [];
  let part: Uint8Array[] = [];
  let room = maxBytes;
  for (let rest of bytes) {
    while (rest.length > room) {
      parts.push([...part, rest.subarray(0, room)]);
      rest = rest.subarray(room);
      part = [];
      room = maxBytes;
    }
    if (rest.length > 0) part.push(rest);
    room -= rest.length;
  }
  if (part.length > 0) parts.push(part);
  return parts;
};

/** One chunk in one system call. Undefined: the kernel took all of it; else resolves when it has (true) or never will. */
const writePart = (
  outgoing: ServerResponse,
  part: readonly Uint8Array[],
  isLast: boolean,
): Promise<boolean> | undefined => {
  const written = Promise.withResolvers<boolean>();
  // An answer lets go of its socket before it writes what it has held back: 6 system calls for 64 KB.
  const { socket } = outgoing;
  socket?.cork();
  if (part.length > 1) outgoing.cork();
  for (const [at, piece] of part.entries()) {
    if (at === part.length - 1) outgoing.write(piece, (error) => written.resolve(!error));
    else outgoing.write(piece);
  }
  if (part.length > 1) outgoing.uncork();
  if (isLast) outgoing.end();
  socket?.uncork();
  return outgoing.writableLength === 0 ? undefined : written.promise;
};

/** Of what was written last, as Node's own timeouts of sockets count it. */
const unsentBytes = ({ socket }: ServerResponse): number =>
  (socket as { _handle?: { writeQueueSize?: number } | null } | null)?._handle?.writeQueueSize ?? 0;
