/**
 * Bytes of request bodies that are held in memory at once, over all requests, and never more than the limit: each body
 * has a limit of its own, but nobody knows how many come at once. Counted as they arrive, not as announced: senders that
 * announce much and send little must not keep out the others. For a small body it is an addition and a comparison.
 */
import { GatewayError } from './errors.ts';

/** Most calls are over within it. */
const RETRY_AFTER_MS = 1000;

/** Where bytes are counted: for all, or for one request of them. */
export interface Room {
  /** Throws `overloaded` where so many would not fit now. */
  assertFits(bytes: number): void;
  /** They are held from now on; throws `overloaded`. */
  take(bytes: number): void;
  /** They are not held any more. */
  give(bytes: number): void;
}

export class Buffers implements Room {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  fits(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.#maxBytes;
  }

  assertFits(bytes: number): void {
    if (!this.fits(bytes)) throw noRoom(bytes, this.#usedBytes, this.#maxBytes);
  }

  take(bytes: number): void {
    this.assertFits(bytes);
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** What one request holds of it, given back at once. */
export class Holding implements Room {
  readonly #room: Room;
  #bytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  get bytes(): number {
    return this.#bytes;
  }

  assertFits(bytes: number): void {
    this.#room.assertFits(bytes);
  }

  take(bytes: number): void {
    this.#room.take(bytes);
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#room.give(bytes);
    this.#bytes -= bytes;
  }

  /** It holds so many from now on; throws `overloaded`, and holds what it held. */
  resize(bytes: number): void {
    if (bytes > this.#bytes) this.take(bytes - this.#bytes);
    else this.give(this.#bytes - bytes);
  }

  /** Any number of times. */
  release(): void {
    this.give(this.#bytes);
  }
}

const noRoom = (bytes: number, usedBytes: number, maxBytes: number): GatewayError => {
  const detail = `There is no room in memory for ${bytes} more bytes of this body: bodies of calls under way have ${usedBytes}, and limits.buffersMaxBytes is ${maxBytes}.`;
  // Most of it may be on its way still: the connection cannot be used again.
  return new GatewayError('overloaded', detail, {
    retryAfterMs: RETRY_AFTER_MS,
    headers: { connection: 'close' },
  });
};
