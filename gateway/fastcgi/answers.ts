/**
 * What a peer owes on one connection, and whom each received byte belongs to. Pure: no socket.
 *
 *     written:  ping   ping+request A   request B        (php-fpm answers strictly in this order)
 *     due:      ping   A (unanswered)   B (unused)
 *
 * A byte that fits no due answer ends the connection: it could be taken for a later caller's answer.
 */
import { type Code, GatewayError, isCode, toGatewayError } from '../errors.ts';
import { decodePairs } from './params.ts';
import { RecordParser, type RecordSink, violation } from './parser.ts';
import { executedBy, newProgress, type Progress } from './progress.ts';
import { FCGI_UNKNOWN_ROLE, RecordType } from './record.ts';
import { PREENCODED_REQUEST_ID } from './request.ts';

/** What becomes of one request's output. Pieces are views valid only during the call. */
export interface ExchangeSink {
  stdout(piece: Buffer): void;
  stderr(piece: Buffer): void;
  /** Once: answered, or failed with an error whose `executed` is proved. Nothing comes after it. */
  over?(error: GatewayError | undefined): void;
}

/** A request on its way. */
export interface Exchange {
  readonly progress: Readonly<Progress>;
  /** What `over` of its sink is told, for those who would rather wait. */
  readonly done: Promise<void>;
}

/** Why the connection ended: each request that was due fails with it and with what its own progress proves. */
export interface Failure {
  readonly code: Code;
  readonly detail: string;
  /** For operators. */
  readonly privateDetail?: string | undefined;
  readonly cause?: unknown;
}

/** What only operators are told: an address is none of a caller's business. */
export const peerDetail = (peer: string): string => `The peer is ${peer}.`;

class DueRequest implements Exchange {
  readonly kind = 'request';
  readonly sink: ExchangeSink;
  readonly progress: Progress;
  /** Thrown by its own sink (`response-too-large`): no other request fails with it. */
  refused: GatewayError | undefined;
  #outcome: { readonly error: GatewayError | undefined } | undefined;
  #done: PromiseWithResolvers<void> | undefined;

  constructor(sink: ExchangeSink, ping: boolean) {
    this.sink = sink;
    this.progress = newProgress(ping);
  }

  /** Made when somebody asks: most exchanges are told to their sinks alone. */
  get done(): Promise<void> {
    this.#done ??= Promise.withResolvers<void>();
    if (this.#outcome !== undefined) this.#tell(this.#outcome.error);
    return this.#done.promise;
  }

  settle(error: GatewayError | undefined): void {
    this.#outcome = { error };
    this.#tell(error);
    this.sink.over?.(error);
  }

  #tell(error: GatewayError | undefined): void {
    if (error === undefined) this.#done?.resolve();
    else this.#done?.reject(error);
  }
}

interface DuePing {
  readonly kind: 'ping';
  readonly resolve: (values: [string, string][] | undefined) => void;
}

export class Answers {
  readonly #peer: string;
  readonly #due: (DueRequest | DuePing)[] = [];
  readonly #parser = new RecordParser();
  readonly #sink: RecordSink = {
    stream: (type, requestId, piece) => this.#onStream(type, requestId, piece),
    endRequest: (requestId, _appStatus, protocolStatus) => this.#onEndRequest(requestId, protocolStatus),
    getValuesResult: (content) => this.#onGetValuesResult(content),
  };

  /** `peer`: its address, for operators. */
  constructor(peer: string) {
    this.#peer = peer;
  }

  /** Nothing is due. */
  get settled(): boolean {
    return this.#due.length === 0;
  }

  /** `ping`: one is written in front of the request. The progress is the caller's to complete: `sent`. */
  expectRequest(sink: ExchangeSink, ping: boolean): Exchange & { readonly progress: Progress } {
    const request = new DueRequest(sink, ping);
    this.#due.push(request);
    return request;
  }

  /** Resolves with undefined when the connection ends first. */
  expectPing(): Promise<[string, string][] | undefined> {
    return new Promise((resolve) => this.#due.push({ kind: 'ping', resolve }));
  }

  /** Takes bytes as they came. A failure: the connection cannot be trusted any more and must end with it. */
  push(chunk: Buffer): Failure | undefined {
    try {
      this.#parser.push(chunk, this.#sink);
      if (this.settled && !this.#parser.atBoundary) throw violation('bytes after the last answer that was due');
      return undefined;
    } catch (thrown) {
      const head = this.#due[0];
      if (head?.kind === 'request' && head.refused) {
        const detail = 'The connection was ended because of the answer before.';
        return { code: 'worker-crashed', detail, cause: thrown };
      }
      const error = toGatewayError(thrown);
      const { message: detail, privateDetail } = error;
      return { code: isCode(error.code) ? error.code : 'internal-error', detail, privateDetail, cause: error };
    }
  }

  /** The connection has ended: settles all that is due. */
  end(failure: Failure, readToEnd: boolean): void {
    for (const due of this.#due.splice(0)) {
      if (due.kind === 'ping') {
        due.resolve(undefined);
        continue;
      }
      due.progress.readToEnd = readToEnd;
      const executed = executedBy(due.progress);
      const { code, detail, cause } = failure;
      const privateDetail = `${peerDetail(this.#peer)} ${failure.privateDetail ?? ''}`.trim();
      due.settle(
        due.refused?.afterAttempt(executed) ?? new GatewayError(code, detail, { executed, cause, privateDetail }),
      );
    }
  }

  #onStream(type: number, requestId: number, piece: Buffer): void {
    const request = this.#requestDue(requestId, 'output');
    // An empty record ends a stream; END_REQUEST says the same.
    if (piece.length === 0) return;
    request.progress.bytesReceived += piece.length;
    try {
      if (type === RecordType.STDOUT) request.sink.stdout(piece);
      else request.sink.stderr(piece);
    } catch (thrown) {
      request.refused = toGatewayError(thrown);
      throw thrown;
    }
  }

  #onEndRequest(requestId: number, protocolStatus: number): void {
    const request = this.#requestDue(requestId, 'END_REQUEST');
    const { progress } = request;
    if (protocolStatus > FCGI_UNKNOWN_ROLE) throw violation(`the unknown protocol status ${protocolStatus}`);
    if (protocolStatus !== 0 && progress.bytesReceived > 0) throw violation('output of a request that was refused');
    this.#due.shift();
    progress.ended = true;
    if (protocolStatus === 0) {
      request.settle(undefined);
      return;
    }
    // FCGI_CANT_MPX_CONN, FCGI_OVERLOADED, FCGI_UNKNOWN_ROLE: refused before anything ran.
    const detail = `The FastCGI peer refused the request with protocol status ${protocolStatus}.`;
    const privateDetail = peerDetail(this.#peer);
    request.settle(new GatewayError('pool-unavailable', detail, { executed: 'no', privateDetail }));
  }

  #onGetValuesResult(content: Buffer): void {
    const due = this.#due[0];
    if (due?.kind === 'request' && due.progress.ping === 'unanswered') {
      due.progress.ping = 'answered';
    } else if (due?.kind === 'ping') {
      const values = decodePairs(content);
      this.#due.shift();
      due.resolve(values);
    } else {
      throw violation('an answer to a ping nobody sent');
    }
  }

  #requestDue(requestId: number, what: string): DueRequest {
    const due = this.#due[0];
    if (due?.kind !== 'request') throw violation(`${what} without a request`);
    if (requestId !== PREENCODED_REQUEST_ID)
      throw violation(`${what} for the request id ${requestId}, which is not ours`);
    // Else "unanswered" would prove nothing when this connection breaks.
    if (due.progress.ping === 'unanswered') throw violation(`${what} before the answer to the ping in front of it`);
    return due;
  }
}
