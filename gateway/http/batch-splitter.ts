/** Finds the items of a batch in its bytes as they arrive, and holds no more of them than one item. Pure. */
import { GatewayError } from '../errors.ts';
import { Pieces } from '../pieces.ts';

/** One that is too large is passed over: its end is looked for, nothing of it kept. */
export type Sent = { readonly kind: 'item'; readonly bytes: Buffer } | { readonly kind: 'too-large' };

export interface Splitter {
  /** Of the item that is on its way in. */
  readonly heldBytes: number;
  /** Gives the items that end in this piece. Throws `invalid-json` when no further item can be found. */
  push(chunk: Buffer, give: Give): void;
  /** Gives what the end of the body ends; throws `invalid-json` where that is in the middle. */
  end(give: Give): void;
}

export type Give = (sent: Sent) => void;

/** An item on its way in. */
class Item {
  readonly #maxBytes: number;
  readonly #pieces = new Pieces();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Nothing of one that is too large. */
  get heldBytes(): number {
    return this.#pieces.size;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes <= this.#maxBytes) this.#pieces.add(piece);
    else this.#pieces.take();
  }

  take(): Sent {
    const isTooLarge = this.#bytes > this.#maxBytes;
    this.#bytes = 0;
    return isTooLarge ? { kind: 'too-large' } : { kind: 'item', bytes: this.#pieces.join() };
  }
}

const LINE_END = 10;
const isSpace = (byte: number): boolean => byte === 32 || byte === 9 || byte === 10 || byte === 13;

const isBlank = (line: Buffer): boolean => {
  for (const byte of line) if (!isSpace(byte)) return false;
  return true;
};

/** NDJSON: an item on each line; empty lines mean nothing. */
export class LineSplitter implements Splitter {
  readonly #item: Item;

  constructor(itemMaxBytes: number) {
    this.#item = new Item(itemMaxBytes);
  }

  get heldBytes(): number {
    return this.#item.heldBytes;
  }

  push(chunk: Buffer, give: Give): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, start)) {
      // Lines without anything would be pieces that nobody takes.
      if (end > start) this.#item.add(chunk.subarray(start, end));
      this.end(give);
      start = end + 1;
    }
    if (start < chunk.length) this.#item.add(chunk.subarray(start));
  }

  end(give: Give): void {
    if (this.#item.isEmpty) return;
    const item = this.#item.take();
    if (item.kind === 'too-large' || !isBlank(item.bytes)) give(item);
  }
}

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

const invalid = (detail: string): GatewayError => new GatewayError('invalid-json', detail);

type Place = 'before' | 'inside' | 'behind';

/** One JSON array. Only its commas are looked for: whether an item is JSON is found out when it is read. */
export class ArraySplitter implements Splitter {
  readonly #item: Item;
  #place: Place = 'before';
  /** Of brackets within the item. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Behind a comma there must be another item. */
  #isDue = false;
  /** The item has more than blanks. */
  #hasContent = false;

  constructor(itemMaxBytes: number) {
    this.#item = new Item(itemMaxBytes);
  }

  get heldBytes(): number {
    return this.#item.heldBytes;
  }

  push(chunk: Buffer, give: Give): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#place !== 'inside') {
        this.#outside(byte);
        start = at + 1;
      } else if (this.#ends(byte)) {
        this.#item.add(chunk.subarray(start, at));
        this.#take(byte, give);
        start = at + 1;
      }
    }
    if (this.#place === 'inside' && start < chunk.length) this.#item.add(chunk.subarray(start));
  }

  end(): void {
    if (this.#place === 'before') throw invalid('The body is empty; send a JSON array of items.');
    if (this.#place === 'inside') throw invalid('The body ends in the middle of the array: ] is missing.');
  }

  #outside(byte: number): void {
    if (isSpace(byte)) return;
    if (this.#place === 'behind') throw invalid('Something follows the array of items.');
    if (byte !== OPEN_BRACKET) {
      throw invalid('The body is no JSON array; for one item a line send Content-Type: application/x-ndjson.');
    }
    this.#place = 'inside';
  }

  /** Whether the item ends with this byte. */
  #ends(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (this.#depth === 0 && (byte === COMMA || byte === CLOSE_BRACKET)) return true;
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth += 1;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && this.#depth > 0) this.#depth -= 1;
    if (!isSpace(byte)) this.#hasContent = true;
    return false;
  }

  #take(byte: number, give: Give): void {
    const item = this.#item.take();
    // `[]` has no item; `[,]` and `[1,]` lack one.
    const isMissing = !this.#hasContent && (this.#isDue || byte === COMMA);
    if (isMissing) throw invalid('The array lacks an item before a comma or at its end.');
    if (this.#hasContent) give(item);
    this.#hasContent = false;
    this.#isDue = byte === COMMA;
    if (byte === CLOSE_BRACKET) this.#place = 'behind';
  }
}
