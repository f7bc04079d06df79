/** Cuts what arrives on one connection into requests. Holds at most one that is arriving. */
import { HEAD_BYTES, LENGTH_BYTES, REQUEST_SANE_BYTES } from './protocol.ts';

/** `too-large`: it was dropped but for its head. `malformed`: where the next one begins is not known. */
export type Cut = 'incomplete' | 'request' | 'too-large' | 'malformed';

const NOTHING = Buffer.alloc(0);

export class Requests {
  /** Where the request lies that was cut last, without its length. */
  bytes: Buffer = NOTHING;
  from = 0;
  to = 0;
  /** Nothing else lies in these bytes. */
  isOwn = false;
  /** What that request had, or would have had, in all. */
  length = 0;
  /** How far the chunk was read. */
  end = 0;
  /** The bytes of a length, of a request, or of the head of one that is too large. */
  #arriving: Buffer = NOTHING;
  #arrived = 0;
  #dropping = 0;

  /** Part of a request has arrived. */
  get isWithin(): boolean {
    return this.#arriving !== NOTHING;
  }

  next(chunk: Buffer, at: number, requestMaxBytes: number): Cut {
    if (this.isWithin) return this.#collect(chunk, at, requestMaxBytes);
    const left = chunk.length - at;
    if (left < LENGTH_BYTES) return this.#await('length', LENGTH_BYTES, chunk, at, requestMaxBytes);
    const length = chunk.readUInt32LE(at);
    const from = at + LENGTH_BYTES;
    if (length > requestMaxBytes || length > left - LENGTH_BYTES)
      return this.#begin(length, chunk, from, requestMaxBytes);
    this.#tell(chunk, from, from + length, false);
    this.end = this.to;
    return 'request';
  }

  #arrives: 'length' | 'request' | 'head' = 'length';

  #begin(length: number, chunk: Buffer, at: number, requestMaxBytes: number): Cut {
    this.end = at;
    this.length = length;
    this.#arriving = NOTHING;
    if (length > REQUEST_SANE_BYTES || length < HEAD_BYTES) return 'malformed';
    if (length <= requestMaxBytes) return this.#await('request', length, chunk, at, requestMaxBytes);
    this.#dropping = length - HEAD_BYTES;
    return this.#await('head', HEAD_BYTES, chunk, at, requestMaxBytes);
  }

  #await(what: 'length' | 'request' | 'head', bytes: number, chunk: Buffer, at: number, requestMaxBytes: number): Cut {
    this.#arrives = what;
    this.#arriving = Buffer.allocUnsafeSlow(bytes);
    this.#arrived = 0;
    return this.#collect(chunk, at, requestMaxBytes);
  }

  #collect(chunk: Buffer, at: number, requestMaxBytes: number): Cut {
    const whole = this.#arriving;
    const bytes = Math.min(whole.length - this.#arrived, chunk.length - at);
    chunk.copy(whole, this.#arrived, at, at + bytes);
    this.#arrived += bytes;
    this.end = at + bytes;
    if (this.#arrived < whole.length) return 'incomplete';
    if (this.#arrives === 'length') return this.#begin(whole.readUInt32LE(0), chunk, this.end, requestMaxBytes);
    if (this.#arrives === 'head' && !this.#drop(chunk)) return 'incomplete';
    this.#arriving = NOTHING;
    this.#tell(whole, 0, whole.length, true);
    return this.#arrives === 'head' ? 'too-large' : 'request';
  }

  /** True: all of it is gone. */
  #drop(chunk: Buffer): boolean {
    const bytes = Math.min(this.#dropping, chunk.length - this.end);
    this.#dropping -= bytes;
    this.end += bytes;
    return this.#dropping === 0;
  }

  #tell(bytes: Buffer, from: number, to: number, isOwn: boolean): void {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
    this.isOwn = isOwn;
  }
}
