/** An output that comes while PHP runs. Its reader sets the pace; when it leaves, PHP is stopped. */
import { type GatewayError, toGatewayError } from '../errors.ts';
import { giveBack, type StreamedResponse } from '../fastcgi/index.ts';
import type { ResponseHead } from './answer.ts';
import type { Conclusion, Decoder } from './decoders.ts';
import type { WholeOutput } from './function.ts';

/** Where a stream's bytes come from, and how it is stopped. */
export interface StreamSource {
  readonly response: Promise<StreamedResponse>;
  readonly attemptId: string;
  /** What its contract promises. */
  readonly item: WholeOutput;
  /** Makes the decoder and the head once PHP has sent its own; throws when that breaks the contract. */
  begin(
    response: StreamedResponse,
    emit: (piece: unknown) => void,
  ): { readonly decoder: Decoder; readonly head: ResponseHead | undefined; readonly item: WholeOutput };
  /** Stops PHP; nothing if it has ended. */
  stop(error: GatewayError): void;
  /** Says which limit it was. */
  explain(error: GatewayError): GatewayError;
  /** PHP's answer is over: for the trace. */
  concluded(response: StreamedResponse, conclusion: Conclusion): void;
}

type State =
  | { readonly kind: 'open' }
  /** What is pending may still be read; then the reader meets the error, or the end. */
  | { readonly kind: 'ended'; readonly error: GatewayError | undefined };

export class OutputStream {
  readonly #source: StreamSource;
  /** Resolves once, with what went wrong or undefined, when PHP has ended or is given up; the reader may be behind. Never rejects. */
  readonly ended: Promise<GatewayError | undefined>;
  readonly #onEnded: (error: GatewayError | undefined) => void;
  readonly #pending: unknown[] = [];
  /** What pending bytes are pieces of, and those that were read last. */
  #lent: Buffer[] = [];
  #read: Buffer[] = [];
  #state: State = { kind: 'open' };
  #begun: Promise<{ response: StreamedResponse; decoder: Decoder }> | undefined;
  #head: ResponseHead | undefined;
  #item: WholeOutput;
  #filling: Promise<void> | undefined;

  constructor(source: StreamSource) {
    this.#source = source;
    this.#item = source.item;
    let settle: (error: GatewayError | undefined) => void = () => {};
    this.ended = new Promise((resolve) => {
      settle = resolve;
    });
    this.#onEnded = (error) => settle(error);
    // Cancelled before anybody reads, nobody waits for it.
    source.response.catch(() => {});
  }

  /** What its pieces are: as promised, or the bytes with which a script refuses. */
  get item(): WholeOutput {
    return this.#item;
  }

  /** A script's; known once it is opened. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /** Resolves when PHP has sent its head. Rejects with GatewayError. */
  async opened(): Promise<void> {
    try {
      await this.#begin();
    } catch (thrown) {
      throw this.#fail(thrown);
    }
  }

  /** Resolves when there is something to read, or the good end. Rejects with GatewayError. */
  async filled(): Promise<void> {
    if (this.#pending.length > 0) return;
    if (this.#state.kind === 'open') {
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
    }
    const state: State = this.#state;
    if (this.#pending.length === 0 && state.kind === 'ended' && state.error !== undefined) throw state.error;
  }

  /** All that has come since, items or bytes; undefined at the end. Rejects with GatewayError. One at a time. */
  async read(): Promise<unknown[] | undefined> {
    await this.filled();
    this.#read = this.#lent;
    this.#lent = [];
    return this.#pending.length > 0 ? this.#pending.splice(0) : undefined;
  }

  /** Something can be read at once. */
  get isFilled(): boolean {
    return this.#pending.length > 0;
  }

  /** All was read, and it ended well. */
  get isOver(): boolean {
    return this.#pending.length === 0 && this.#state.kind === 'ended' && this.#state.error === undefined;
  }

  /** For readers that are done with all they have read, bytes written included: the memory is used again. */
  giveBack(): void {
    for (const bytes of this.#read) giveBack(bytes);
    this.#read = [];
  }

  /** Nobody reads on. Idempotent. */
  cancel(error: GatewayError): void {
    this.#pending.length = 0;
    if (this.#state.kind === 'ended') return;
    this.#source.stop(error);
    this.#end(error);
  }

  #begin(): Promise<{ response: StreamedResponse; decoder: Decoder }> {
    this.#begun ??= this.#source.response.then((response) => {
      const { decoder, head, item } = this.#source.begin(response, (piece) => this.#pending.push(piece));
      this.#head = head;
      this.#item = item;
      return { response, decoder };
    });
    return this.#begun;
  }

  /** Until something is pending, or the end. */
  async #fill(): Promise<void> {
    try {
      const { response, decoder } = await this.#begin();
      while (this.#pending.length === 0 && this.#state.kind === 'open') {
        let bytes = await response.read();
        if (bytes !== undefined) {
          // What came with it leaves in the same write.
          for (; bytes !== undefined; bytes = response.take()) this.#decode(decoder, bytes);
          if (!response.isOver) continue;
        }
        const { status, stderr, stderrIsCut } = response;
        const { attemptId } = this.#source;
        const conclusion = decoder.conclude({ status, stderr, stderrIsCut, attemptId });
        this.#source.concluded(response, conclusion);
        this.#end(conclusion.error && this.#source.explain(conclusion.error));
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #decode(decoder: Decoder, bytes: Buffer): void {
    decoder.push(bytes);
    if (this.#item.kind === 'binary') this.#lent.push(bytes);
    else giveBack(bytes);
  }

  /** PHP is of no more use: what it sends cannot be read on. The error that counts is the first. */
  #fail(thrown: unknown): GatewayError {
    const error = this.#source.explain(toGatewayError(thrown));
    if (this.#state.kind === 'open') this.#source.stop(error);
    this.#end(error);
    return this.#state.kind === 'ended' ? (this.#state.error ?? error) : error;
  }

  #end(error: GatewayError | undefined): void {
    if (this.#state.kind === 'ended') return;
    this.#state = { kind: 'ended', error };
    this.#onEnded(error);
  }
}
