/** A call that PHP makes inside of one of its calls, over the connection of its own worker. Pure. */
import { LeavingCaller } from '../caller.ts';
import type { GatewayError } from '../errors.ts';
import { GatheredBytes } from './bytes.ts';

const NOTHING = Buffer.alloc(0);

/** Takes answers. */
interface Answerer {
  answer(call: NestedCall, head: string, body: string | Uint8Array | null): boolean;
}

export class NestedCall extends LeavingCaller {
  /** Of the call it was made in. */
  readonly requestId: number;
  /** Its own: no other open call of the connection has it. */
  readonly number: number;
  /** Why it cannot be served: its message, or they all together, are too much. It wants an answer all the same. */
  refused: GatewayError | undefined;
  /** All of its message has come. */
  isWhole = false;
  readonly #answerer: Answerer;
  /** Bytes of pieces, or of the only one. */
  #message: GatheredBytes | Buffer | undefined;

  constructor(answerer: Answerer, requestId: number, number: number) {
    super();
    this.#answerer = answerer;
    this.requestId = requestId;
    this.number = number;
  }

  /** Nobody waits for its answer any more. */
  override leave(): void {
    this.#message = undefined;
    super.leave();
  }

  /** One piece of several is copied; so is the only one, because the read buffer is used again. */
  append(piece: Buffer): void {
    const message = this.#message instanceof GatheredBytes ? this.#message : new GatheredBytes();
    message.append(piece);
    this.#message = message;
  }

  /** All of its message. */
  set message(bytes: Buffer) {
    this.#message = Buffer.from(bytes);
  }

  get messageBytes(): number {
    return this.#message?.length ?? 0;
  }

  dropMessage(): void {
    this.#message = undefined;
  }

  /** Once: what follows has no need to keep it. A line of JSON, and the body behind it. */
  takeMessage(): Buffer {
    const message = this.#message;
    this.#message = undefined;
    return message instanceof GatheredBytes ? message.bytes : (message ?? NOTHING);
  }

  /**
   * `head`: a line of JSON, its end included. False: nothing was written, because the worker takes too little of what
   * waits for it already; a shorter answer is taken.
   */
  answer(head: string, body: string | Uint8Array | null): boolean {
    return this.hasLeft || this.#answerer.answer(this, head, body);
  }
}
