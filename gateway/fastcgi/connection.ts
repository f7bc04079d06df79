/**
 * One socket to a FastCGI peer. Knows bytes and order, nothing of pools, deadlines or PHP.
 *
 * Requests are begun in the order written; how many may be written ahead is the owner's choice. php-fpm tells them
 * apart by that order alone, resident workers by ids (`multiplexed`), so that one that has not begun can be taken back.
 * The owner ends a connection by `close()` (after the answers that are due) or `destroy()`.
 */
import net from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { GatewayError } from '../errors.ts';
import { Answers } from './answers.ts';
import { type Exchange, type ExchangeSink, type Failure, peerDetail } from './due.ts';
import { borrow, giveBack, isOwn, share } from './memory.ts';
import { MultiplexedAnswers } from './multiplexed.ts';
import { type ConcurrentPeer, NestedCalls } from './nested-calls.ts';
import { isReadToEnd, type Progress } from './progress.ts';
import { encodeAbort, encodePause, encodeResume, PING } from './record.ts';
import { encodeEndOfStdin, encodeRequest, encodeStdin, type FastCgiRequest, type LargeBody } from './request.ts';

/** One buffer per connection instead of a new one per read. A php-fpm record is at most this long. */
const READ_BUFFER_BYTES = 65_536;
/** While there is more: all that the kernel holds of a unix socket comes in one read, and leaves in one write. */
const LARGE_BUFFER_BYTES = 262_144;
/** After a failed write, for what the peer had sent before it died: its end lies in the socket already. */
const READ_ON_MAX_MS = 1000;
/** Of a read buffer that is kept at least this much is used. */
const KEEP_MIN_BYTES = 16_384;

/** One of ours: its progress is written here. */
type DueExchange = Exchange & { readonly progress: Progress };

export interface ConnectOptions {
  readonly timeoutMs: number;
  /** The peer tells requests apart by their ids, as resident workers do. Default false: php-fpm serves them in order. */
  readonly multiplexed?: boolean;
  /** It runs many of them at once, too, and makes calls itself: what is received is always read. Implies `multiplexed`. */
  readonly concurrent?: ConcurrentPeer | undefined;
}

/** Records to be written. */
interface Outgoing {
  readonly bytes: Buffer;
  /** Of the request that is complete with them; undefined: of none. */
  readonly progress: Progress | undefined;
}

export class Connection {
  readonly address: Address;
  /** Resolves when the socket is gone, for whatever reason; never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: net.Socket;
  readonly #answers: Answers | MultiplexedAnswers;
  readonly #nested: NestedCalls | undefined;
  /** `closing`: no new requests; ends when the last answer is in. */
  #state: 'open' | 'closing' | 'closed' = 'open';
  #readToEnd = false;
  /** The kernel says that the peer closed with bytes of ours unread. */
  #leftUnread = false;
  #failure: Failure | undefined;
  /** A large body is still on its way. */
  #sending = false;
  /** Small requests and answers of this turn of the event loop, not written yet. */
  #outgoing: Outgoing[] = [];
  #outgoingBytes = 0;
  #buffer: Buffer = borrow(READ_BUFFER_BYTES);
  /** Pieces of what the buffer holds are a sink's now. */
  #bufferGiven = false;
  #receivedBytes = 0;
  #reads = 0;

  /** Rejects with `pool-unavailable` (nothing ran) when the peer is absent, full (EAGAIN) or too slow. */
  static open(address: Address, options: ConnectOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined;
      // Nothing is read before the connection stands: FastCGI peers speak when asked.
      const first = Buffer.alloc(1);
      const socket = net.connect({
        ...(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }),
        noDelay: true,
        onread: {
          buffer: () => (connection === undefined ? first : connection.#nextBuffer()),
          callback: (bytes, buffer) => {
            if (connection !== undefined) connection.#receive(buffer.subarray(0, bytes) as Buffer);
            return true;
          },
        },
      });
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        const detail = `The FastCGI peer cannot be reached: ${why}.`;
        const privateDetail = peerDetail(formatAddress(address));
        reject(new GatewayError('pool-unavailable', detail, { executed: 'no', cause, privateDetail }));
      };
      const timer = setTimeout(() => fail(`no answer within ${options.timeoutMs} ms`), options.timeoutMs);
      socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message, error));
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        connection = new Connection(address, socket, options);
        resolve(connection);
      });
    });
  }

  private constructor(address: Address, socket: net.Socket, { multiplexed = false, concurrent }: ConnectOptions) {
    this.address = address;
    this.#socket = socket;
    const peer = formatAddress(address);
    if (concurrent !== undefined) {
      const unsentBytes = (): number => this.#unsentBytes;
      this.#nested = new NestedCalls(concurrent, {
        get unsentBytes() {
          return unsentBytes();
        },
        write: (bytes) => this.#answer(bytes),
        giveUp: (detail) => {
          this.#failure ??= { code: 'bad-function-response', detail };
          this.destroy();
        },
      });
    }
    const hasIds = multiplexed || concurrent !== undefined;
    this.#answers = hasIds ? new MultiplexedAnswers(peer, this.#nested, concurrent?.begun) : new Answers(peer);
    const sameMachine = address.kind === 'unix' || isLoopback(socket.remoteAddress);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#onClosed();
        resolve();
      });
    });
    socket.once('end', () => {
      this.#readToEnd = true;
      // No answer can come any more, and a php-fpm worker that has ended its side blocks until we close ours.
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (isReadToEnd(error, sameMachine)) {
        this.#readToEnd = true;
        this.#leftUnread = address.kind === 'unix';
      }
      this.#failure ??= this.#crash(error.code ?? error.message, error);
    });
    if (sameMachine) this.#readOnAfterFailedWrite();
  }

  get usable(): boolean {
    return this.#state === 'open' && !this.#isWithinBody && this.#socket.writable;
  }

  /** A large body is on its way: nothing else may be written. Concurrent peers tell its records from others by their ids. */
  get #isWithinBody(): boolean {
    return this.#sending && this.#nested === undefined;
  }

  /** What is no request may still be written to a peer that takes no more of those. */
  get #isWritable(): boolean {
    return this.#nested === undefined ? this.usable : this.#state !== 'closed' && this.#socket.writable;
  }

  /**
   * A write to a worker that has just died fails before its end is read, and Node would destroy the socket with all
   * that lies unread: nothing would be proved of the requests written ahead. On one machine the end follows at once.
   */
  #readOnAfterFailedWrite(): void {
    const socket = this.#socket;
    const destroy = socket.destroy.bind(socket);
    socket.destroy = (error?: NodeJS.ErrnoException): net.Socket => {
      if (error?.syscall !== 'write' || this.#state === 'closed' || this.#readToEnd) return destroy(error);
      this.#state = 'closing';
      this.#failure ??= this.#crash(error.code ?? error.message, error);
      const timer = setTimeout(() => destroy(error), READ_ON_MAX_MS);
      socket.once('close', () => clearTimeout(timer));
      // Behind an error a stream no longer says `end`.
      socket.push = (chunk: unknown): boolean => {
        this.#readToEnd = chunk === null;
        destroy(error);
        return false;
      };
      socket.resume();
      return socket;
    };
  }

  /** An answer is due: to a request or to a ping. */
  get busy(): boolean {
    return !this.#answers.settled;
  }

  /** Writes one request. Throws GatewayError (executed: no) when it cannot be encoded or the connection is not open. */
  send(request: FastCgiRequest, sink: ExchangeSink): Exchange {
    if (!this.usable) {
      const privateDetail = peerDetail(formatAddress(this.address));
      throw new GatewayError('pool-unavailable', 'The connection is closed.', { executed: 'no', privateDetail });
    }
    const exchange = this.#expect(request, sink);
    const { progress, requestId } = exchange;
    const chunks = encodeRequest(request, requestId);
    // Told not to keep the connection, the worker answers this and no other, then blocks until we close.
    if (!request.keepConnection) this.#state = 'closing';
    const [first] = chunks;
    if (!Buffer.isBuffer(request.body)) {
      this.#flush();
      this.#write(chunks, progress, false);
      void this.#writeLarge(request.body, exchange);
    } else if (first !== undefined && chunks.length === 1) {
      this.#writeSoon(first, progress);
    } else {
      this.#flush();
      this.#write(chunks, progress, true);
    }
    return exchange;
  }

  #expect(request: FastCgiRequest, sink: ExchangeSink): DueExchange {
    return this.#answers instanceof Answers
      ? this.#answers.expectRequest(sink, request.ping)
      : this.#answers.expectRequest(sink);
  }

  /**
   * Takes back a request that stands behind others, of a multiplexed peer: it is answered as refused before it began,
   * or runs if it has begun meanwhile.
   */
  abort({ requestId }: Pick<Exchange, 'requestId'>): void {
    if (this.#answers instanceof Answers || !this.#isWritable || !this.#answers.expectAbort(requestId)) return;
    this.#flush();
    this.#socket.write(encodeAbort(requestId));
  }

  /**
   * A multiplexed peer has said that it serves nothing more: what is due has not begun, and its end, which is close,
   * proves it. Takes no more requests.
   */
  expectEnd(): void {
    if (this.#answers instanceof Answers) return;
    if (this.#state === 'open') this.#state = 'closing';
    this.#answers.noneBegins();
  }

  /** How many there were: pieces received in the same one belong together. */
  get reads(): number {
    return this.#reads;
  }

  /** Its reader takes it slowly: reads no more until `resume()`, so that the peer's writes block once the kernel's buffers
   * are full. A concurrent peer is asked to hold up this request alone. */
  pause(exchange: Exchange): void {
    if (this.#nested === undefined) this.#socket.pause();
    else this.#tell(exchange, encodePause);
  }

  resume(exchange: Exchange): void {
    if (this.#nested === undefined) this.#socket.resume();
    else this.#tell(exchange, encodeResume);
  }

  /** The peer may send some more of a request that is paused. */
  get isConcurrent(): boolean {
    return this.#nested !== undefined;
  }

  /** Calls that the peer has made and that are not answered yet. */
  get nestedCalls(): number {
    return this.#nested?.open ?? 0;
  }

  /** Of one that is over the id may be another's soon. */
  #tell({ requestId }: Exchange, encode: (requestId: number) => Buffer): void {
    if (this.#answers instanceof Answers || this.#state === 'closed' || !this.#answers.isDue(requestId)) return;
    this.#writeSoon(encode(requestId), undefined);
  }

  get #unsentBytes(): number {
    return this.#socket.writableLength + this.#outgoingBytes;
  }

  /** Also while the connection is closing: calls that still run may wait for it. */
  #answer(bytes: Buffer): void {
    if (this.#state === 'closed' || !this.#socket.writable) return;
    this.#writeSoon(bytes, undefined);
  }

  /**
   * For sinks that would keep a piece instead of copying it: they are one more user of what was just received, and
   * later reads go elsewhere. False when so little was that it would keep a far larger buffer alive.
   */
  keepReceived(): boolean {
    this.#bufferGiven ||= this.#receivedBytes >= KEEP_MIN_BYTES;
    if (this.#bufferGiven) share(this.#buffer);
    return this.#bufferGiven;
  }

  #nextBuffer(): Buffer {
    const bytes = this.#receivedBytes < READ_BUFFER_BYTES ? READ_BUFFER_BYTES : LARGE_BUFFER_BYTES;
    if (bytes !== this.#buffer.length || (this.#bufferGiven && !isOwn(this.#buffer))) {
      giveBack(this.#buffer);
      this.#buffer = borrow(bytes);
    }
    this.#bufferGiven = false;
    return this.#buffer;
  }

  /** Answered when a worker has read everything written before: it is free. Undefined if the peer closed instead. */
  async ping(): Promise<[string, string][] | undefined> {
    if (!this.#isWritable) return undefined;
    const values = this.#answers.expectPing();
    this.#flush();
    this.#socket.write(PING);
    return await values;
  }

  /** Refuses new requests and ends when the answers that are due are in. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing';
    if (!this.busy) this.destroy();
    await this.closed;
  }

  /** Ends now. What is due fails as a crash, and our own close proves nothing about execution. Idempotent. */
  destroy(): void {
    this.#state = 'closed';
    this.#failure ??= {
      code: 'worker-crashed',
      detail: 'The connection was destroyed before its answer was complete.',
    };
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes = chunk.length;
    this.#reads += 1;
    const failure = this.#answers.push(chunk);
    this.#failure ??= failure;
    // Answered before it was all asked: what is left of the body would be read as the next request.
    const over = !this.busy && (this.#state === 'closing' || this.#isWithinBody);
    if (failure !== undefined || over) this.destroy();
  }

  /** At the pace the peer reads. What cannot be sent to its end ends the connection: the peer would wait for the rest. */
  async #writeLarge(body: LargeBody, { requestId, progress }: DueExchange): Promise<void> {
    this.#sending = true;
    try {
      let leftBytes = body.length;
      for await (const bytes of body.chunks()) {
        leftBytes -= bytes.length;
        if (leftBytes < 0) break;
        if (!this.#write(encodeStdin(requestId, bytes), progress, false)) await this.#drained();
        if (this.#state === 'closed' || this.#isOver(requestId)) return;
      }
      if (leftBytes !== 0) throw new Error(`its bytes are ${leftBytes < 0 ? 'more' : 'fewer'} than its length`);
      this.#sending = false;
      this.#write([encodeEndOfStdin(requestId)], progress, true);
    } catch (cause) {
      // It may name a file of ours.
      const privateDetail = cause instanceof Error ? cause.message : String(cause);
      const failure = {
        code: 'internal-error',
        detail: 'The request body cannot be sent.',
        privateDetail,
        cause,
      } as const;
      if (this.#nested !== undefined && this.#answers instanceof MultiplexedAnswers) {
        // The others on it go on.
        this.#answers.refuse(
          requestId,
          new GatewayError('internal-error', failure.detail, { executed: 'no', privateDetail, cause }),
        );
        this.abort({ requestId });
        return;
      }
      this.#failure ??= failure;
      this.destroy();
    }
  }

  /** Answered, or taken back, while its body was on its way: the rest is for nobody. */
  #isOver(requestId: number): boolean {
    return this.#nested !== undefined && this.#answers instanceof MultiplexedAnswers && !this.#answers.isDue(requestId);
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.on('drain', done).on('close', done);
      if (socket.destroyed) done();
    });
  }

  /**
   * What is sent to one worker in one turn of the event loop leaves in one system call: each costs about as much as
   * all of our own work for a request. The turn ends behind everything that was ready to be read when it began.
   */
  #writeSoon(bytes: Buffer, progress: Progress | undefined): void {
    this.#outgoing.push({ bytes, progress });
    this.#outgoingBytes += bytes.length;
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    const [first] = outgoing;
    if (first === undefined || this.#socket.destroyed) return;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    const socket = this.#socket;
    const bytes = outgoing.length === 1 ? first.bytes : Buffer.concat(outgoing.map((each) => each.bytes));
    socket.write(bytes, (error) => {
      if (error) return;
      for (const { progress } of outgoing) if (progress !== undefined) progress.sent = 'complete';
    });
    this.#markSent(outgoing);
  }

  /**
   * An error at once is that of the first system call, which took nothing: the peer had closed before (EPIPE). A kept
   * connection that went stale unnoticed is thus known not to have run its request.
   */
  #markSent(written: Iterable<Pick<Outgoing, 'progress'>>): void {
    if (this.#socket.errored || this.#failure !== undefined) return;
    for (const { progress } of written) if (progress?.sent === 'nothing') progress.sent = 'partial';
  }

  /** `last`: the request is complete with these bytes. False when the caller should wait for `drain`. */
  #write(chunks: readonly Buffer[], progress: Progress, last: boolean): boolean {
    const socket = this.#socket;
    const written = (error?: Error | null): void => {
      if (!error && last) progress.sent = 'complete';
    };
    // Corked chunks leave in one writev.
    socket.cork();
    for (const [index, chunk] of chunks.entries()) {
      if (index === chunks.length - 1) socket.write(chunk, written);
      else socket.write(chunk);
    }
    socket.uncork();
    this.#markSent([{ progress }]);
    return !socket.writableNeedDrain;
  }

  #onClosed(): void {
    this.#state = 'closed';
    giveBack(this.#buffer);
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#nested?.end();
    this.#answers.end(this.#failure ?? this.#crash('closed'), this.#readToEnd, this.#leftUnread);
  }

  #crash(why: string, cause?: unknown): Failure {
    const detail = `The worker ended the connection (${why}) before its answer was complete.`;
    return { code: 'worker-crashed', detail, cause };
  }
}

const isLoopback = (ip: string | undefined): boolean => ip !== undefined && /^(?:(?:::ffff:)?127\.|::1$)/.test(ip);
