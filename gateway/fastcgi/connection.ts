/**
 * One socket to a FastCGI peer. Knows bytes and order, nothing of pools, deadlines or PHP.
 *
 * Requests are answered in the order written, as php-fpm does; how many may be written ahead is the owner's choice
 * (pools keep it at one). The owner ends a connection by `close()` (after the answers that are due) or `destroy()`.
 */
import net from 'node:net';
import { type Code, GatewayError, isCode, isGatewayError } from '../errors.ts';
import { type Address, formatAddress } from './address.ts';
import { decodePairs } from './params.ts';
import { RecordParser, type RecordSink } from './parser.ts';
import { executedBy, newProgress, type Progress } from './progress.ts';
import { PING, RecordType } from './record.ts';
import { encodeRequest, type FastCgiRequest, PREENCODED_REQUEST_ID } from './request.ts';

/** What becomes of one request's output. Pieces are views valid only during the call. */
export interface ExchangeSink {
  stdout(piece: Buffer): void;
  stderr(piece: Buffer): void;
}

/** A request on its way. `done` settles exactly once; it rejects with a GatewayError whose `executed` is proved. */
export interface Exchange {
  readonly progress: Readonly<Progress>;
  readonly done: Promise<void>;
}

interface Pending {
  readonly sink: ExchangeSink;
  readonly progress: Progress;
  readonly resolve: () => void;
  readonly reject: (error: GatewayError) => void;
  readonly keepConnection: boolean;
}

type State =
  | { readonly kind: 'open' }
  /** No new requests; ends when the last answer is in. */
  | { readonly kind: 'closing' }
  | { readonly kind: 'closed' };

/** Why the connection ended: each request that was pending fails with it and with what its own progress proves. */
interface Failure {
  readonly code: Code;
  readonly detail: string;
  readonly cause?: unknown;
}

/** One fixed buffer per connection instead of a new one per read. A php-fpm record is at most this long. */
const READ_BUFFER_BYTES = 65_536;

export interface ConnectOptions {
  readonly timeoutMs: number;
}

export class Connection {
  readonly address: Address;
  /** Resolves when the socket is gone, for whatever reason; never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: net.Socket;
  readonly #parser = new RecordParser();
  readonly #recordSink: RecordSink;
  readonly #pending: Pending[] = [];
  readonly #pings: ((values: [string, string][]) => void)[] = [];
  #state: State = { kind: 'open' };
  #readToEnd = false;
  #failure: Failure | undefined;

  /** Rejects with `pool-unavailable` (nothing ran) when the peer is absent, full (EAGAIN) or too slow. */
  static async open(address: Address, options: ConnectOptions): Promise<Connection> {
    let connection: Connection | undefined;
    const socket = net.connect({
      ...(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (bytes, buffer) => connection?.receive((buffer as Buffer).subarray(0, bytes)) ?? true,
      },
    });
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        const detail = `Cannot connect to ${formatAddress(address)}: ${why}.`;
        reject(new GatewayError('pool-unavailable', detail, { executed: 'no', cause }));
      };
      const timer = setTimeout(() => fail(`no answer within ${options.timeoutMs} ms`), options.timeoutMs);
      socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message, error));
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        resolve();
      });
    });
    connection = new Connection(address, socket);
    return connection;
  }

  private constructor(address: Address, socket: net.Socket) {
    this.address = address;
    this.#socket = socket;
    this.#recordSink = {
      stream: (type, _requestId, piece) => this.#onStream(type, piece),
      endRequest: (_requestId, _appStatus, protocolStatus) => this.#onEndRequest(protocolStatus),
      getValuesResult: (content) => this.#onGetValuesResult(content),
    };
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#onClosed();
        resolve();
      });
    });
    socket.once('end', () => {
      this.#readToEnd = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Data that came before a reset is delivered first; a failed write drops what is unread and proves nothing.
      if (error.syscall === 'read') this.#readToEnd = true;
      this.#failure ??= this.#crash(error.code ?? error.message, error);
    });
  }

  get usable(): boolean {
    return this.#state.kind === 'open' && this.#socket.writable;
  }

  /** An answer is due: to a request or to a ping. */
  get busy(): boolean {
    return this.#pending.length > 0 || this.#pings.length > 0;
  }

  /** Writes one request. Throws GatewayError (executed: no) when it cannot be encoded or the connection is not open. */
  send(request: FastCgiRequest, sink: ExchangeSink): Exchange {
    if (!this.usable) throw new GatewayError('pool-unavailable', 'The connection is closed.', { executed: 'no' });
    const chunks = encodeRequest(PREENCODED_REQUEST_ID, request);
    const progress = newProgress(request.ping);
    const done = new Promise<void>((resolve, reject) => {
      this.#pending.push({ sink, progress, resolve, reject, keepConnection: request.keepConnection });
    });
    this.#write(chunks, progress);
    return { progress, done };
  }

  /** Answered when a worker has read everything written before: it is free. Undefined if the peer closed instead. */
  async ping(): Promise<[string, string][] | undefined> {
    if (!this.usable) return undefined;
    const values = new Promise<[string, string][]>((resolve) => this.#pings.push(resolve));
    this.#socket.write(PING);
    return await Promise.race([values, this.closed.then(() => undefined)]);
  }

  /** Refuses new requests and ends when the answers that are due are in. Idempotent. */
  async close(): Promise<void> {
    if (this.#state.kind === 'open') this.#state = { kind: 'closing' };
    if (!this.busy) this.destroy();
    await this.closed;
  }

  /** Ends now. What is pending fails as a crash, and our own close proves nothing about execution. Idempotent. */
  destroy(): void {
    this.#state = { kind: 'closed' };
    this.#socket.destroy();
  }

  /** Feeds bytes from the socket; always asks for more (back-pressure comes with streamed answers). */
  private receive(chunk: Buffer): boolean {
    if (this.#state.kind === 'closed') return true;
    try {
      this.#parser.push(chunk, this.#recordSink);
    } catch (thrown) {
      // A sink's own limit (response-too-large) or a protocol violation: this connection cannot be trusted any more.
      this.#failure ??= failureOf(thrown);
      this.destroy();
    }
    return true;
  }

  #write(chunks: readonly Buffer[], progress: Progress): void {
    progress.sent = 'partial';
    const written = (error?: Error | null): void => {
      if (!error) progress.sent = 'complete';
    };
    // Corked chunks leave in one writev.
    this.#socket.cork();
    for (const [index, chunk] of chunks.entries()) {
      if (index === chunks.length - 1) this.#socket.write(chunk, written);
      else this.#socket.write(chunk);
    }
    this.#socket.uncork();
  }

  #onStream(type: number, piece: Buffer): void {
    const pending = this.#pending[0];
    if (pending === undefined) throw violation('output without a request');
    pending.progress.bytesReceived += piece.length;
    if (type === RecordType.STDOUT) pending.sink.stdout(piece);
    else pending.sink.stderr(piece);
  }

  #onGetValuesResult(content: Buffer): void {
    const pending = this.#pending[0];
    if (pending?.progress.ping === 'unanswered') {
      pending.progress.ping = 'answered';
      return;
    }
    const answer = this.#pings.shift();
    if (pending !== undefined || answer === undefined) throw violation('an answer to a ping nobody sent');
    answer(decodePairs(content));
  }

  #onEndRequest(protocolStatus: number): void {
    const pending = this.#pending.shift();
    if (pending === undefined) throw violation('END_REQUEST without a request');
    pending.progress.ended = true;
    if (protocolStatus === 0) {
      pending.resolve();
    } else {
      // FCGI_CANT_MPX_CONN, FCGI_OVERLOADED, FCGI_UNKNOWN_ROLE: refused before anything ran.
      const detail = `${formatAddress(this.address)} refused the request with protocol status ${protocolStatus}.`;
      pending.reject(new GatewayError('pool-unavailable', detail, { executed: 'no' }));
    }
    // The worker blocks until we close when it was told not to keep the connection.
    if (!pending.keepConnection || (this.#state.kind === 'closing' && !this.busy)) this.destroy();
  }

  #onClosed(): void {
    this.#state = { kind: 'closed' };
    const { code, detail, cause } = this.#failure ?? this.#crash('closed', undefined);
    for (const { progress, reject } of this.#pending.splice(0)) {
      progress.readToEnd = this.#readToEnd;
      reject(new GatewayError(code, detail, { executed: executedBy(progress), cause }));
    }
  }

  #crash(why: string, cause: unknown): Failure {
    const at = formatAddress(this.address);
    return {
      code: 'worker-crashed',
      detail: `The worker behind ${at} ended the connection (${why}) before its answer was complete.`,
      cause,
    };
  }
}

const violation = (detail: string): GatewayError =>
  new GatewayError('bad-function-response', `The FastCGI peer broke the protocol: ${detail}.`);

const failureOf = (thrown: unknown): Failure => {
  if (isGatewayError(thrown) && isCode(thrown.code)) {
    return { code: thrown.code, detail: thrown.message, cause: thrown };
  }
  return { code: 'bad-function-response', detail: `The answer cannot be read: ${String(thrown)}.`, cause: thrown };
};
