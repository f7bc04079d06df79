/**
 * The answer of a handler that streams, as `gateway/php/Runtime.php` writes it. Pure: a push parser.
 *
 *     { <type: 1 byte> <length: 4 bytes, big endian> <payload> }*
 *     I one item as JSON · B bytes · E the envelope that ends the stream
 */
import { GatewayError } from '../errors.ts';
import { GatheredBytes } from '../fastcgi/bytes.ts';

export const STREAM_TYPE = 'application/vnd.fpm-gateway.stream';

export interface FrameSink {
  /** The JSON of one item: a view valid only during the call. */
  item(json: Buffer): void;
  /** A view into what was pushed. */
  bytes(piece: Buffer): void;
  end(envelope: Buffer): void;
}

const HEAD_BYTES = 5;
const [ITEM, BYTES, END] = [0x49, 0x42, 0x45];
const ENVELOPE_MAX_BYTES = 16 * 1_048_576;

export class FrameParser {
  readonly #itemMaxBytes: number;
  readonly #sink: FrameSink;
  readonly #head: Buffer = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  #payload = new GatheredBytes();
  #leftBytes = 0;
  #ended = false;

  constructor(itemMaxBytes: number, sink: FrameSink) {
    this.#itemMaxBytes = itemMaxBytes;
    this.#sink = sink;
  }

  /** Throws `bad-function-response`, or `response-too-large` for one item; must not be used after that. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#ended) throw violation('bytes behind the end of its stream');
      if (this.#headBytes < HEAD_BYTES) {
        const copied = chunk.copy(this.#head, this.#headBytes, offset, offset + HEAD_BYTES - this.#headBytes);
        this.#headBytes += copied;
        offset += copied;
        if (this.#headBytes === HEAD_BYTES) this.#begin();
      } else {
        const piece = chunk.subarray(offset, offset + this.#leftBytes);
        offset += piece.length;
        this.#take(piece);
      }
    }
  }

  #begin(): void {
    this.#leftBytes = this.#head.readUInt32BE(1);
    const type = this.#head[0];
    if (type !== ITEM && type !== BYTES && type !== END) throw violation('something that is no frame of a stream');
    if (type === ITEM && this.#leftBytes > this.#itemMaxBytes) {
      const detail = `An item of the stream has ${this.#leftBytes} bytes; limits.itemMaxBytes is ${this.#itemMaxBytes}.`;
      throw new GatewayError('response-too-large', detail, { executed: 'yes' });
    }
    if (type === END && this.#leftBytes > ENVELOPE_MAX_BYTES) throw violation('an end of its stream that is too large');
    if (this.#leftBytes === 0) this.#take(this.#head.subarray(0, 0));
  }

  #take(piece: Buffer): void {
    this.#leftBytes -= piece.length;
    const type = this.#head[0];
    const complete = this.#leftBytes === 0;
    if (complete) this.#headBytes = 0;
    if (type === BYTES) {
      if (piece.length > 0) this.#sink.bytes(piece);
      return;
    }
    // Most items come in one piece, which is not copied.
    if (complete && this.#payload.length === 0) {
      this.#deliver(type, piece);
      return;
    }
    this.#payload.append(piece);
    if (!complete) return;
    const whole = this.#payload.bytes;
    this.#payload = new GatheredBytes();
    this.#deliver(type, whole);
  }

  #deliver(type: number | undefined, payload: Buffer): void {
    if (type === ITEM) {
      this.#sink.item(payload);
      return;
    }
    this.#ended = true;
    this.#sink.end(payload);
  }
}

const violation = (detail: string): GatewayError =>
  new GatewayError('bad-function-response', `The runtime sent ${detail}.`, { executed: 'yes' });
