/**
 * multipart/form-data (RFC 7578): bytes in, parts out, whatever pieces they come in. Pure.
 *
 * ```
 * --boundary CRLF headers CRLF CRLF body CRLF --boundary CRLF headers … body CRLF --boundary-- epilogue
 * ```
 *
 * Our own, because the libraries (busboy, @fastify/busboy) drop without a word what they cannot read: a part without
 * Content-Disposition, headers beyond their limit, text behind a boundary. A caller would lose data and never know.
 */
import { GatewayError } from '../errors.ts';
import { LAST_ANSWER } from './body.ts';
import { parseHeaderValue } from './header-value.ts';

export interface PartHead {
  readonly name: string;
  /** Undefined for text. As sent, never to be used for paths. */
  readonly fileName: string | undefined;
  /** Content-Type as sent. */
  readonly contentType: string | undefined;
}

export type PartEvent =
  | { readonly kind: 'part'; readonly head: PartHead }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

const HEAD_MAX_BYTES = 8192;
const CR = 0x0d;
const CRLF = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');
const LAST = Buffer.from('--');

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const malformed = (detail: string): GatewayError =>
  new GatewayError('invalid-form', detail, { headers: LAST_ANSWER });

/** Lower-case name → value. */
const parseHeaders = (bytes: Buffer): Map<string, string> => {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed('The headers of a part are not UTF-8.');
  }
  const headers = new Map<string, string>();
  for (const line of text === '' ? [] : text.split('\r\n')) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
    const [, name, value = ''] = /^([A-Za-z0-9-]+):[ \t]*([^\0-\x08\x0a-\x1f\x7f]*)$/.exec(line) ?? [];
    if (name === undefined) throw malformed(`A part has the header line ${JSON.stringify(line.slice(0, 100))}.`);
    if (headers.has(name.toLowerCase())) throw malformed(`A part has the header ${name.slice(0, 100)} twice.`);
    headers.set(name.toLowerCase(), value);
  }
  return headers;
};

/** `UTF-8''na%C3%AFve.txt` (RFC 8187), which some clients send instead of a plain file name. */
const extendedFileName = (encoded: string): string => {
  try {
    return decodeURIComponent(/^utf-8'[^']*'(.*)$/is.exec(encoded)?.[1] ?? '%');
  } catch {
    throw malformed('The filename* of a part is not UTF-8 in percent-encoding.');
  }
};

const parseHead = (bytes: Buffer): PartHead => {
  const headers = parseHeaders(bytes);
  const disposition = parseHeaderValue(headers.get('content-disposition') ?? '');
  if (disposition?.value !== 'form-data') throw malformed('A part has no Content-Disposition: form-data.');
  const { parameters } = disposition;
  const name = parameters.get('name');
  if (name === undefined) throw malformed('A part has no name.');
  const where = `The part ${JSON.stringify(name.slice(0, 100))}`;
  const contentType = headers.get('content-type');
  if (/^\s*multipart\//i.test(contentType ?? ''))
    throw malformed(`${where} is itself multipart: send each file as a part of its own.`);
  const coding = headers.get('content-transfer-encoding');
  if (coding !== undefined && !/^(?:binary|7bit|8bit)$/i.test(coding.trim()))
    throw malformed(
      `${where} has the transfer encoding ${JSON.stringify(coding.slice(0, 100))}; send bytes as they are.`,
    );
  const extended = parameters.get('filename*');
  const fileName = extended === undefined ? parameters.get('filename') : extendedFileName(extended);
  return { name, fileName, contentType };
};

/** How many bytes at the end could be the beginning of the delimiter. */
const overlap = (bytes: Buffer, delimiter: Buffer): number => {
  const tail = bytes.subarray(Math.max(0, bytes.length - delimiter.length + 1));
  // A delimiter begins with the only CR in it, so the last CR is the one place to look at.
  const at = tail.lastIndexOf(CR);
  return at !== -1 && delimiter.indexOf(tail.subarray(at)) === 0 ? tail.length - at : 0;
};

export class MultipartParser {
  readonly #delimiter: Buffer;
  #state: 'preamble' | 'boundary' | 'head' | 'body' | 'epilogue' = 'preamble';
  /** Not decided yet. The first boundary has no line before it. */
  #rest: Buffer = CRLF;

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /** What is known with this piece. Throws `invalid-form`. */
  *push(piece: Buffer): Generator<PartEvent, void> {
    let bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let used = -1;
    while (used !== 0 && this.#state !== 'epilogue') {
      used = yield* this.#step(bytes);
      bytes = bytes.subarray(used);
    }
    this.#rest = this.#state === 'epilogue' ? Buffer.alloc(0) : bytes;
  }

  /** To be told when no more comes. */
  end(): void {
    if (this.#state !== 'epilogue') throw malformed('The multipart body ends before its last boundary.');
  }

  /** Bytes used; 0 where more are needed. */
  *#step(bytes: Buffer): Generator<PartEvent, number> {
    switch (this.#state) {
      case 'preamble':
      case 'body': {
        const found = bytes.indexOf(this.#delimiter);
        const end = found === -1 ? bytes.length - overlap(bytes, this.#delimiter) : found;
        if (this.#state === 'body' && end > 0) yield { kind: 'data', bytes: bytes.subarray(0, end) };
        if (found === -1) return end;
        if (this.#state === 'body') yield { kind: 'end' };
        this.#state = 'boundary';
        return end + this.#delimiter.length;
      }
      case 'boundary': {
        if (bytes.length < 2) return 0;
        const isLast = bytes.subarray(0, 2).equals(LAST);
        if (!isLast && !bytes.subarray(0, 2).equals(CRLF)) throw malformed('A boundary is followed by something else.');
        this.#state = isLast ? 'epilogue' : 'head';
        // The line end stays: with no headers, it is half of the empty line that ends them.
        return isLast ? 2 : yield* this.#step(bytes);
      }
      case 'head': {
        const end = bytes.indexOf(HEAD_END);
        if ((end === -1 ? bytes.length : end) > HEAD_MAX_BYTES)
          throw malformed(`The headers of a part are larger than ${HEAD_MAX_BYTES} bytes.`);
        if (end === -1) return 0;
        yield { kind: 'part', head: parseHead(bytes.subarray(CRLF.length, end)) };
        this.#state = 'body';
        return end + HEAD_END.length;
      }
      default:
        return 0;
    }
  }
}
