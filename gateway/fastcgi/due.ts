/** What one connection owes: a request on its way, and how its end is told. Pure. */
import { type Code, GatewayError, isCode, toGatewayError } from '../errors.ts';
import { violation } from './parser.ts';
import { executedBy, newProgress, type Progress } from './progress.ts';
import { FCGI_UNKNOWN_ROLE } from './record.ts';

/** What becomes of one request's output. Pieces are views valid only during the call. */
export interface ExchangeSink {
  stdout(piece: Buffer): void;
  stderr(piece: Buffer): void;
  /** Once: answered, or failed with an error whose `executed` is proved. Nothing comes after it. */
  over?(error: GatewayError | undefined): void;
}

/** A request on its way. */
export interface Exchange {
  /** In its records. */
  readonly requestId: number;
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

export class DueRequest implements Exchange {
  readonly kind = 'request';
  readonly requestId: number;
  readonly sink: ExchangeSink;
  readonly progress: Progress;
  /** How many were written to the peer before it. */
  number = 0;
  /** Thrown by its own sink (`response-too-large`), or why it cannot be sent: no other request fails with it. */
  refused: GatewayError | undefined;
  #outcome: { readonly error: GatewayError | undefined } | undefined;
  #done: PromiseWithResolvers<void> | undefined;

  /** `proved`: until something says so, it has not begun. */
  constructor(requestId: number, sink: ExchangeSink, proved: boolean) {
    this.requestId = requestId;
    this.sink = sink;
    this.progress = newProgress(proved);
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

  /** A piece of its output. What its sink throws, no other request fails with. */
  receive(isStdout: boolean, piece: Buffer): void {
    this.progress.bytesReceived += piece.length;
    try {
      if (isStdout) this.sink.stdout(piece);
      else this.sink.stderr(piece);
    } catch (thrown) {
      this.refused = toGatewayError(thrown);
      throw thrown;
    }
  }

  /** Its END_REQUEST. `peer`: for operators. */
  complete(protocolStatus: number, peer: string): void {
    this.progress.ended = true;
    if (protocolStatus === 0) {
      this.settle(this.refused?.afterAttempt('yes'));
      return;
    }
    if (this.refused !== undefined) {
      this.settle(this.refused.afterAttempt('no'));
      return;
    }
    // FCGI_CANT_MPX_CONN, FCGI_OVERLOADED, FCGI_UNKNOWN_ROLE: refused before anything ran.
    const detail = `The FastCGI peer refused the request with protocol status ${protocolStatus}.`;
    const privateDetail = peerDetail(peer);
    this.settle(new GatewayError('pool-unavailable', detail, { executed: 'no', privateDetail }));
  }

  /** The connection has ended before its answer was complete. */
  breakOff({ code, detail, cause, privateDetail: more }: Failure, peer: string, readToEnd: boolean): void {
    this.progress.readToEnd = readToEnd;
    const executed = executedBy(this.progress);
    const privateDetail = `${peerDetail(peer)} ${more ?? ''}`.trim();
    this.settle(
      this.refused?.afterAttempt(executed) ?? new GatewayError(code, detail, { executed, cause, privateDetail }),
    );
  }
}

/** END_REQUEST may say this of this request. Throws `bad-function-response`. */
export const assertProtocolStatus = ({ progress }: DueRequest, protocolStatus: number): void => {
  if (protocolStatus > FCGI_UNKNOWN_ROLE) throw violation(`the unknown protocol status ${protocolStatus}`);
  if (protocolStatus !== 0 && progress.bytesReceived > 0) throw violation('output of a request that was refused');
};

/** Why a connection on which this was received cannot be trusted any more. `first`: the request it was received for. */
export const failureOf = (thrown: unknown, first: DueRequest | undefined): Failure => {
  if (first?.refused !== undefined) {
    const detail = 'The connection was ended because of the answer before.';
    return { code: 'worker-crashed', detail, cause: thrown };
  }
  const error = toGatewayError(thrown);
  const { message: detail, privateDetail } = error;
  return { code: isCode(error.code) ? error.code : 'internal-error', detail, privateDetail, cause: error };
};
