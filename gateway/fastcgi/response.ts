/**
 * STDOUT of a responder → CGI response (RFC 3875): status, headers, body. Pure: a push parser.
 * The head may span records and chunks; the body passes through as views.
 */
import { GatewayError } from '../errors.ts';
import { GatheredBytes } from './bytes.ts';

export interface CgiHead {
  /** 200 when no `Status` header was sent. */
  readonly status: number;
  /** In the order sent, names in lower case; `status` is not among them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/**
 * A request that PHP ended without a byte of output, not even headers: 8.2.32 does so when recursion has used up all
 * memory. It is answered, and STDERR says why. Throws `bad-function-response` when there was output.
 */
export const missingHead = (stdoutBytes: number): CgiHead => {
  if (stdoutBytes > 0) throw violation('it ended before its headers did');
  return { status: 500, headers: [] };
};

export interface CgiSink {
  head(head: CgiHead): void;
  /** A view that is valid only during the call. */
  body(piece: Buffer): void;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const LF = 10;
const CR = 13;

/** `met` is PHP's text: for operators, not for callers. */
const violation = (detail: string, met?: string): GatewayError =>
  new GatewayError('bad-function-response', `The CGI response is malformed: ${detail}.`, {
    executed: 'yes',
    ...(met === undefined ? {} : { privateDetail: `It sent ${JSON.stringify(met.slice(0, 100))}.` }),
  });

/** Without the spaces and tabs around it. `trim()` would take control characters too, before they are refused. */
const trimOws = (text: string): string => {
  const blank = (at: number): boolean => text[at] === ' ' || text[at] === '\t';
  let start = 0;
  let end = text.length;
  while (start < end && blank(start)) start += 1;
  while (end > start && blank(end - 1)) end -= 1;
  return text.slice(start, end);
};

const parseLine = (line: string): readonly [name: string, value: string] => {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  const value = trimOws(line.slice(colon + 1));
  if (colon < 1 || !TOKEN.test(name)) throw violation('a line of its head is not a header', line);
  if (CONTROL.test(value)) throw violation('a header holds a control character', line);
  return [name.toLowerCase(), value];
};

const parseStatus = (value: string): number => {
  // 1xx is not an answer; HTTP has none above 599.
  const status = /^([2-5]\d\d)(?: |$)/.exec(value)?.[1];
  if (status === undefined) throw violation('its Status is none of 200 to 599', value);
  return Number(status);
};

/** Parses a whole head, without the empty line that ends it. */
export const parseHead = (text: string): CgiHead => {
  const headers: (readonly [name: string, value: string])[] = [];
  let status: number | undefined;
  for (let at = 0; at < text.length; ) {
    const lf = text.indexOf('\n', at);
    const end = lf === -1 ? text.length : lf;
    const line = text.slice(at, lf > at && text[lf - 1] === '\r' ? lf - 1 : end);
    at = end + 1;
    if (line === '') continue;
    const header = parseLine(line);
    if (header[0] !== 'status') {
      headers.push(header);
    } else {
      if (status !== undefined) throw violation('two Status headers');
      status = parseStatus(header[1]);
    }
  }
  return { status: status ?? 200, headers };
};

/** Where the body begins: behind the first empty line, or -1. */
const bodyStart = (bytes: Buffer, from: number): number => {
  for (let lf = bytes.indexOf(LF, from); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
    if (lf === 0 || (lf === 1 && bytes[0] === CR)) return lf + 1;
    const next = bytes[lf + 1];
    if (next === LF) return lf + 2;
    if (next === CR && bytes[lf + 2] === LF) return lf + 3;
  }
  return -1;
};

export class CgiParser {
  readonly #maxHeadBytes: number;
  readonly #sink: CgiSink;
  #hasHead = false;
  /** Of a head that came in several pieces. */
  #pending: GatheredBytes | undefined;

  constructor(maxHeadBytes: number, sink: CgiSink) {
    this.#maxHeadBytes = maxHeadBytes;
    this.#sink = sink;
  }

  push(piece: Buffer): void {
    if (this.#hasHead) {
      this.#sink.body(piece);
      return;
    }
    // At most two bytes of a head's end came before this piece, so no earlier byte is looked at twice.
    const from = Math.max(0, (this.#pending?.length ?? 0) - 2);
    this.#pending?.append(piece);
    const bytes = this.#pending?.bytes ?? piece;
    const start = bodyStart(bytes, from);
    if ((start === -1 ? bytes.length : start) > this.#maxHeadBytes) {
      throw violation(`its head is larger than ${this.#maxHeadBytes} bytes`);
    }
    if (start === -1) {
      if (this.#pending === undefined) {
        this.#pending = new GatheredBytes();
        this.#pending.append(piece);
      }
      return;
    }
    this.#hasHead = true;
    this.#pending = undefined;
    this.#sink.head(parseHead(bytes.toString('latin1', 0, start)));
    if (start < bytes.length) this.#sink.body(bytes.subarray(start));
  }
}
