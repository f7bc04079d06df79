/**
 * A CGI response read while it comes, at the reader's pace: PHP's writes block when the reader is slow. A concurrent
 * worker is told to hold up this answer alone, and what it had written before it read that is taken.
 */
import { GatewayError } from '../errors.ts';
import { GatheredBytes } from './bytes.ts';
import type { Over, Reception, ResponseLimits } from './collect.ts';
import type { Connection } from './connection.ts';
import type { Exchange, ExchangeSink } from './due.ts';
import type { FastCgiRequest } from './request.ts';
import { type CgiHead, CgiParser, missingHead } from './response.ts';
import { StderrKeeper } from './stderr.ts';

/** Held for a reader at most, and one read more. */
const WINDOW_BYTES = 65_536;
/** What a concurrent worker may have written before it held this answer up, besides a whole answer of the usual size. */
const OVERSHOOT_MAX_BYTES = 16 * 1_048_576;
/** Smaller pieces are put together: each costs about 200 bytes besides its own. */
const GATHER_MIN_BYTES = 1024;
const GATHER_MAX_BYTES = 16_384;

/** Its reader's half of a response. */
export interface StreamedResponse extends CgiHead {
  /**
   * The bytes that have come since; undefined at the proved end (END_REQUEST). Rejects with GatewayError. One at a time.
   * They stay as they are, unless they are given back: `giveBack(bytes)`, once.
   */
  read(): Promise<Buffer | undefined>;
  /** All was read, and it ended well. */
  readonly isOver: boolean;
  /** What `read()` would give at once; undefined when that would wait, or reject, or nothing follows. */
  take(): Buffer | undefined;
  /** PHP's error log so far. */
  readonly stderr: string;
  readonly stderrBytes: number;
  /** Something of it was dropped. */
  readonly stderrIsCut: boolean;
}

type End = { readonly kind: 'complete' } | { readonly kind: 'failed'; readonly error: unknown };

interface Settlers<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

class StreamReceiver implements ExchangeSink {
  readonly #connection: Connection;
  readonly #heldMaxBytes: number;
  /** Set once it is sent. */
  exchange: Exchange | undefined;
  readonly #cgi: CgiParser;
  readonly #stderr: StderrKeeper;
  readonly #pieces: (Buffer | GatheredBytes)[] = [];
  #heldBytes = 0;
  #stdoutBytes = 0;
  #paused = false;
  /** The read that gave a waiting reader its last piece. */
  #servedIn = 0;
  #started = false;
  readonly #over: Over | undefined;
  #end: End | undefined;
  #reader: Settlers<Buffer | undefined> | undefined;
  #opener: Settlers<StreamedResponse> | undefined;
  readonly response: Promise<StreamedResponse>;

  constructor(connection: Connection, limits: ResponseLimits, over: Over | undefined) {
    this.#connection = connection;
    this.#heldMaxBytes = connection.isConcurrent ? OVERSHOOT_MAX_BYTES + limits.bodyMaxBytes : Number.POSITIVE_INFINITY;
    this.#over = over;
    this.#stderr = new StderrKeeper(limits.stderrMaxBytes);
    this.response = new Promise((resolve, reject) => {
      this.#opener = { resolve, reject };
    });
    this.#cgi = new CgiParser(limits.headMaxBytes, {
      head: (head) => this.#begin(head),
      body: (piece) => this.#keep(piece),
    });
  }

  stdout(piece: Buffer): void {
    if (this.#end !== undefined) return;
    this.#stdoutBytes += piece.length;
    this.#cgi.push(piece);
    this.#serve();
    if (this.#heldBytes > this.#heldMaxBytes) throw this.#refuse();
    // A reader that has just got the first piece of this read comes for the others: pausing for it costs system calls.
    if (this.#heldBytes < WINDOW_BYTES || this.#paused || this.#servedIn === this.#connection.reads) return;
    this.#paused = true;
    if (this.exchange !== undefined) this.#connection.pause(this.exchange);
  }

  /** Whoever waits for it is told now: its end may be far. */
  #refuse(): GatewayError {
    const detail = `The worker was asked to hold up a stream, and sent ${this.#heldBytes} bytes more; at most ${this.#heldMaxBytes} may come.`;
    const error = new GatewayError('bad-function-response', detail, { executed: 'yes' });
    this.abandon(error);
    return error;
  }

  stderr(piece: Buffer): void {
    this.#stderr.append(piece);
  }

  over(error: GatewayError | undefined): void {
    this.#over?.(error);
    try {
      if (error !== undefined) throw error;
      if (!this.#started) this.#begin(missingHead(this.#stdoutBytes));
      this.#finish({ kind: 'complete' });
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#opener?.reject(error);
    this.#finish({ kind: 'failed', error });
  }

  /** What is held is dropped, too. */
  abandon(error: GatewayError): void {
    this.#pieces.length = 0;
    this.#heldBytes = 0;
    this.#fail(error);
  }

  #begin(head: CgiHead): void {
    this.#started = true;
    const stderr = this.#stderr;
    const isOver = (): boolean => this.#end?.kind === 'complete' && this.#pieces.length === 0;
    this.#opener?.resolve({
      ...head,
      read: () => this.#read(),
      take: () => this.#take(),
      get isOver() {
        return isOver();
      },
      get stderr() {
        return stderr.text;
      },
      get stderrBytes() {
        return stderr.bytes;
      },
      get stderrIsCut() {
        return stderr.isCut;
      },
    });
  }

  #keep(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (piece.length >= GATHER_MIN_BYTES && this.#connection.keepReceived()) {
      this.#pieces.push(piece);
      return;
    }
    const last = this.#pieces.at(-1);
    const gathering = last instanceof GatheredBytes && last.length < GATHER_MAX_BYTES ? last : new GatheredBytes();
    if (gathering !== last) this.#pieces.push(gathering);
    gathering.append(piece);
  }

  #finish(end: End): void {
    this.#end ??= end;
    // What is still held is no reason to hold up the connection: its next request may be under way before it is read.
    this.#resume();
    this.#serve();
  }

  #take(): Buffer | undefined {
    const piece = this.#pieces.shift();
    if (piece === undefined) return undefined;
    const bytes = piece instanceof GatheredBytes ? piece.bytes : piece;
    this.#heldBytes -= bytes.length;
    if (this.#heldBytes < WINDOW_BYTES) this.#resume();
    return bytes;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.exchange !== undefined) this.#connection.resume(this.exchange);
  }

  async #read(): Promise<Buffer | undefined> {
    return await new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#serve();
    });
  }

  /** Gives the waiting reader what there is. */
  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const bytes = this.#take();
    if (bytes === undefined && this.#end === undefined) return;
    this.#reader = undefined;
    if (bytes !== undefined) {
      this.#servedIn = this.#connection.reads;
      reader.resolve(bytes);
    } else if (this.#end?.kind === 'failed') {
      reader.reject(this.#end.error);
    } else {
      reader.resolve(undefined);
    }
  }
}

/** Sends one request; `response` resolves with the head as soon as it has come. */
export const stream = (
  connection: Connection,
  request: FastCgiRequest,
  limits: ResponseLimits,
  over?: Over,
): Reception<StreamedResponse> => {
  const receiver = new StreamReceiver(connection, limits, over);
  const exchange = connection.send(request, receiver);
  receiver.exchange = exchange;
  return { exchange, response: receiver.response, abandon: (error) => receiver.abandon(error) };
};
