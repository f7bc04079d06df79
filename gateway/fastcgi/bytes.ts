/** Bytes gathered piece by piece in one buffer that doubles: a peer's one-byte records cost no object each. Pure. */
import { borrow } from './memory.ts';

const NOTHING = Buffer.alloc(0);

export class GatheredBytes {
  #buffer: Buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** For as many as will probably come: a buffer that doubles to 1 MB is copied twice, and 2 MB in the end. At first. */
  expect(bytes: number): void {
    if (this.#length === 0) this.#buffer = borrow(bytes);
  }

  /** Copies the piece. */
  append(piece: Buffer): void {
    const needed = this.#length + piece.length;
    if (this.#length === 0 && needed > this.#buffer.length) {
      // Most answers come in one piece: nothing is allocated ahead.
      this.#buffer = Buffer.from(piece);
    } else {
      if (needed > this.#buffer.length) {
        const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
        this.#buffer.copy(larger, 0, 0, this.#length);
        this.#buffer = larger;
      }
      piece.copy(this.#buffer, this.#length);
    }
    this.#length = needed;
  }

  /** A view of all bytes so far; later appends do not change it. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
