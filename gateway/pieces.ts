/** Bytes that come in pieces. Tiny ones are put together: each costs about 200 bytes besides its own, 200 MB for 1 MB. */
const SMALL_MAX_PIECES = 1024;

export class Pieces {
  #large: Buffer[] = [];
  #recent: Buffer[] = [];
  #size = 0;

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  add(piece: Buffer): void {
    this.#recent.push(piece);
    this.#size += piece.length;
    if (this.#recent.length < SMALL_MAX_PIECES) return;
    this.#large.push(Buffer.concat(this.#recent));
    this.#recent = [];
  }

  /** All of them, in order; none are left. */
  take(): Buffer[] {
    const all = [...this.#large, ...this.#recent];
    this.#large = [];
    this.#recent = [];
    this.#size = 0;
    return all;
  }

  /** All of them as one; none are left. */
  join(): Buffer {
    const all = this.take();
    return all.length === 1 && all[0] ? all[0] : Buffer.concat(all);
  }
}
