/**
 * What a resident worker owes on its connection: the same as `Answers`, but each request has an id of its own, so that
 * one written ahead can be taken back (ABORT_REQUEST) while others wait. Pure: no socket.
 *
 * The worker begins requests in the order written, so only the first may have begun; the others provably have not. One
 * that runs many at once (`Begun`) writes down what it begins.
 */
import type { GatewayError } from '../errors.ts';
import { assertProtocolStatus, DueRequest, type Exchange, type ExchangeSink, type Failure, failureOf } from './due.ts';
import type { Begun, BegunRequests, NestedCalls } from './nested-calls.ts';
import { decodePairs } from './params.ts';
import { RecordParser, type RecordSink, violation } from './parser.ts';
import type { Progress } from './progress.ts';
import { RecordType } from './record.ts';

const REQUEST_ID_MAX = 65_535;

export class MultiplexedAnswers {
  readonly #peer: string;
  readonly #begun: Begun | undefined;
  /** By id, in the order written. */
  readonly #due = new Map<number, DueRequest>();
  readonly #pings: ((values: [string, string][] | undefined) => void)[] = [];
  readonly #parser = new RecordParser();
  /** Of a concurrent worker: what it calls inside of its calls. */
  readonly #nested: NestedCalls | undefined;
  readonly #sink: RecordSink = {
    stream: (type, requestId, piece) => this.#onStream(type, requestId, piece),
    endRequest: (requestId, _appStatus, protocolStatus) => this.#onEndRequest(requestId, protocolStatus),
    getValuesResult: (content) => this.#onGetValuesResult(content),
  };
  #lastId = 0;
  /** Requests, so far. */
  #written = 0;
  /** Something was written behind the last request: that it lies unread says nothing of the request. */
  #writtenBehind = false;
  /** What is due will not begin. */
  #ends = false;
  /** Whose records are being read. */
  #current: DueRequest | undefined;

  /** `peer`: its address, for operators. `nested`: of a peer that runs many requests at once and makes calls itself. */
  constructor(peer: string, nested?: NestedCalls, begun?: Begun) {
    this.#peer = peer;
    this.#nested = nested;
    this.#begun = begun;
    if (nested !== undefined)
      this.#sink.nested = (type, requestId, content) => this.#onNested(type, requestId, content);
  }

  get settled(): boolean {
    return this.#due.size === 0 && this.#pings.length === 0;
  }

  expectRequest(sink: ExchangeSink): Exchange & { readonly progress: Progress } {
    do this.#lastId = (this.#lastId % REQUEST_ID_MAX) + 1;
    while (this.#due.has(this.#lastId));
    const request = new DueRequest(this.#lastId, sink, this.#nested === undefined && this.#due.size > 0);
    request.number = this.#written;
    this.#written += 1;
    this.#due.set(this.#lastId, request);
    this.#writtenBehind = false;
    return request;
  }

  expectPing(): Promise<[string, string][] | undefined> {
    this.#writtenBehind = true;
    return new Promise((resolve) => this.#pings.push(resolve));
  }

  /** False: it is answered already. The answer to an abort is the END_REQUEST of what it ends, or of what ran all the same. */
  expectAbort(requestId: number): boolean {
    this.#writtenBehind = true;
    return this.#due.has(requestId);
  }

  /** Its END_REQUEST has not come. */
  isDue(requestId: number): boolean {
    return this.#due.has(requestId);
  }

  /** Its request cannot be sent to its end: it fails with this when it is taken back. */
  refuse(requestId: number, error: GatewayError): void {
    const request = this.#due.get(requestId);
    if (request !== undefined) request.refused ??= error;
  }

  /** The peer has said with its last answer that it serves no other. */
  noneBegins(): void {
    this.#ends = true;
    if (this.#nested !== undefined) return;
    for (const { progress } of this.#due.values()) progress.ping = 'unanswered';
  }

  push(chunk: Buffer): Failure | undefined {
    try {
      this.#current = undefined;
      this.#parser.push(chunk, this.#sink);
      // The CANCEL of a call inside of one that has just been answered may follow.
      if (this.#nested === undefined && this.settled && !this.#parser.atBoundary)
        throw violation('bytes after the last answer that was due');
      return undefined;
    } catch (thrown) {
      return failureOf(thrown, this.#current);
    }
  }

  /** `leftUnread`: the kernel says that the peer closed with bytes of ours unread, which are the last ones written. */
  end(failure: Failure, readToEnd: boolean, leftUnread: boolean): void {
    for (const resolve of this.#pings.splice(0)) resolve(undefined);
    const due = [...this.#due.values()];
    this.#due.clear();
    const [only] = due;
    if (this.#nested !== undefined) prove(due, this.#begun?.(), this.#written);
    // It was not read whole, so it has not begun.
    else if (only !== undefined && due.length === 1 && leftUnread && !this.#writtenBehind)
      only.progress.ping = 'unanswered';
    for (const request of due) request.breakOff(failure, this.#peer, readToEnd);
  }

  #onStream(type: number, requestId: number, piece: Buffer): void {
    const request = this.#requestDue(requestId, 'output');
    // The rest of what was refused (too large) is dropped: those behind it lose nothing.
    if (piece.length === 0 || request.refused !== undefined) return;
    try {
      request.receive(type === RecordType.STDOUT, piece);
    } catch (thrown) {
      if (request.refused === undefined) throw thrown;
    }
  }

  #onEndRequest(requestId: number, protocolStatus: number): void {
    const request = this.#requestDue(requestId, 'END_REQUEST');
    assertProtocolStatus(request, protocolStatus);
    this.#due.delete(requestId);
    this.#nested?.left(requestId);
    // The one that is first now may have begun.
    const [first] = this.#ends || this.#nested !== undefined ? [] : this.#due.values();
    if (first !== undefined) first.progress.ping = 'unused';
    request.complete(protocolStatus, this.#peer);
  }

  #onNested(type: number, requestId: number, content: Buffer): void {
    if (type === RecordType.CANCEL) this.#nested?.cancel(requestId, content);
    else this.#nested?.call(this.#requestDue(requestId, 'a call').requestId, content);
  }

  #onGetValuesResult(content: Buffer): void {
    const resolve = this.#pings.shift();
    if (resolve === undefined) throw violation('an answer to a ping nobody sent');
    resolve(decodePairs(content));
  }

  #requestDue(requestId: number, what: string): DueRequest {
    const request = this.#due.get(requestId);
    if (request === undefined) throw violation(`${what} for the request id ${requestId}, which is not due`);
    this.#current = request;
    return request;
  }
}

/** What it has not begun, its end proves; of what was written long ago nobody knows. */
const prove = (due: readonly DueRequest[], begun: BegunRequests | undefined, written: number): void => {
  if (begun === undefined) return;
  for (const { requestId, number, progress } of due)
    if (!begun.ids.has(requestId) && written - number <= begun.knownOf) progress.ping = 'unanswered';
};
