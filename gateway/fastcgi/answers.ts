/**
 * What a peer owes on one connection, and whom each received byte belongs to. Pure: no socket.
 *
 *     written:  ping   ping+request A   request B        (php-fpm answers strictly in this order)
 *     due:      ping   A (unanswered)   B (unused)
 *
 * A byte that fits no due answer ends the connection: it could be taken for a later caller's answer.
 */
import { assertProtocolStatus, DueRequest, type Exchange, type ExchangeSink, type Failure, failureOf } from './due.ts';
import { decodePairs } from './params.ts';
import { RecordParser, type RecordSink, violation } from './parser.ts';
import type { Progress } from './progress.ts';
import { RecordType } from './record.ts';
import { PREENCODED_REQUEST_ID } from './request.ts';

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
    const request = new DueRequest(PREENCODED_REQUEST_ID, sink, ping);
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
      const first = this.#due[0];
      return failureOf(thrown, first?.kind === 'request' ? first : undefined);
    }
  }

  /** The connection has ended: settles all that is due. */
  end(failure: Failure, readToEnd: boolean): void {
    for (const due of this.#due.splice(0)) {
      if (due.kind === 'ping') due.resolve(undefined);
      else due.breakOff(failure, this.#peer, readToEnd);
    }
  }

  #onStream(type: number, requestId: number, piece: Buffer): void {
    const request = this.#requestDue(requestId, 'output');
    // An empty record ends a stream; END_REQUEST says the same.
    if (piece.length === 0) return;
    request.receive(type === RecordType.STDOUT, piece);
  }

  #onEndRequest(requestId: number, protocolStatus: number): void {
    const request = this.#requestDue(requestId, 'END_REQUEST');
    assertProtocolStatus(request, protocolStatus);
    this.#due.shift();
    request.complete(protocolStatus, this.#peer);
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
