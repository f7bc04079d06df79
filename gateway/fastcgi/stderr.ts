/** What a request wrote to STDERR: its beginning, and past a limit its end, where PHP reports why it stopped. Pure. */
import { GatheredBytes } from './bytes.ts';

const TAIL_BYTES = 4096;

export class StderrKeeper {
  readonly #maxBytes: number;
  readonly #head = new GatheredBytes();
  #tail: Buffer = Buffer.alloc(0);
  /** All that was sent, dropped bytes included. */
  bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  append(piece: Buffer): void {
    const room = Math.max(0, this.#maxBytes - this.#head.length);
    this.bytes += piece.length;
    if (room > 0) this.#head.append(piece.subarray(0, room));
    if (piece.length > room)
      this.#tail = Buffer.from(Buffer.concat([this.#tail, piece.subarray(room)]).subarray(-TAIL_BYTES));
  }

  /** Something was dropped in the middle. */
  get isCut(): boolean {
    return this.bytes > this.#head.length + this.#tail.length;
  }

  get text(): string {
    const head = this.#head.bytes.toString('utf8');
    if (this.#tail.length === 0) return head;
    const dropped = this.bytes - this.#head.length - this.#tail.length;
    return `${head}${dropped > 0 ? `\n… ${dropped} bytes dropped …\n` : ''}${this.#tail.toString('utf8')}`;
  }
}
