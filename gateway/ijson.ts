/**
 * I-JSON (RFC 7493): what JavaScript and PHP read alike. Pure.
 *
 * JSON.parse alone takes lone surrogates, duplicate members, 1e400 (then writes it as null) and 9007199254740993 (then
 * loses its last digit), and blocks the event loop on a depth bomb. One scan of the text before it refuses all of
 * these; the scan trusts nothing about syntax, which JSON.parse then decides.
 */
import { GatewayError } from './errors.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const OPEN_BRACKET = 91;
const CLOSE_BRACE = 125;
const CLOSE_BRACKET = 93;
const COLON = 58;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const invalid = (detail: string): GatewayError => new GatewayError('invalid-json', detail);

const isWhitespace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

/** The offset behind the closing quote, or the end of the text when there is none. */
const skipString = (text: string, start: number): number => {
  const quote = text.indexOf('"', start + 1);
  if (quote === -1) return text.length;
  // Nothing escapes it: found by the engine's own search, most texts need no look at each character.
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote + 1;
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    at += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
};

/** Undefined where the literal is not valid JSON: JSON.parse will say so. */
const readString = (literal: string): string | undefined => {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return undefined;
  }
};

const assertNumber = (literal: string, at: number): void => {
  if (literal.length < 16 && !/e/i.test(literal)) return;
  const value = Number(literal);
  if (!Number.isFinite(value)) throw invalid(`The number ${literal.slice(0, 40)} at ${at} is out of range.`);
  // 9007199254740993.0 is that integer, too.
  if (/^-?\d+(?:\.0*)?$/.test(literal) && !Number.isSafeInteger(value)) {
    throw invalid(`The integer ${literal.slice(0, 40)} at ${at} is beyond 2^53 and would change: send it as a string.`);
  }
};

const addMember = (members: Set<string> | undefined, name: string, at: number): void => {
  if (members === undefined) return;
  if (members.has(name))
    throw new GatewayError(
      'duplicate-key',
      `The member ${JSON.stringify(name.slice(0, 100))} appears twice; again at ${at}.`,
    );
  if (name === '__proto__') throw invalid(`The member name "__proto__" at ${at} is refused.`);
  members.add(name);
};

const NUMBER = /-?\d[\d.eE+-]*/y;

/** Throws `invalid-json`, `duplicate-key` or `json-too-deep` for valid JSON that is not I-JSON. */
export const assertIJson = (text: string, maxDepth: number): void => {
  /** Member names of each open object; undefined for arrays. */
  const open: (Set<string> | undefined)[] = [];
  const isWellFormed = text.isWellFormed();
  /** The next one that is not behind us. */
  let backslash = text.indexOf('\\');
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = skipString(text, at);
      if (backslash !== -1 && backslash < at) backslash = text.indexOf('\\', at);
      const hasEscape = backslash !== -1 && backslash < end;
      let next = end;
      while (isWhitespace(text.charCodeAt(next))) next += 1;
      const isName = text.charCodeAt(next) === COLON;
      // What a value says matters only where it could hold half of a surrogate pair.
      const value = isName || hasEscape || !isWellFormed ? readString(text.slice(at, end)) : undefined;
      if (value !== undefined && !value.isWellFormed())
        throw invalid(`The string at ${at} holds half of a surrogate pair.`);
      if (value !== undefined && isName) addMember(open.at(-1), value, at);
      at = end;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      open.push(code === OPEN_BRACE ? new Set() : undefined);
      if (open.length > maxDepth)
        throw new GatewayError('json-too-deep', `The body is nested deeper than ${maxDepth} levels at ${at}.`);
      at += 1;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      open.pop();
      at += 1;
    } else if (code === 45 || (code >= 48 && code <= 57)) {
      NUMBER.lastIndex = at;
      const literal = NUMBER.exec(text)?.[0] ?? '-';
      assertNumber(literal, at);
      at += literal.length;
    } else {
      at += 1;
    }
  }
};

/** The value; throws `invalid-json`, `duplicate-key` or `json-too-deep`. */
export const parseIJson = (bytes: Uint8Array, maxDepth: number): unknown => {
  if (bytes.length === 0) throw invalid('The body is empty; send JSON.');
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw invalid('The body is not UTF-8.');
  }
  assertIJson(text, maxDepth);
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the mistake; it goes back to its sender only.
    throw invalid(`The body is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : 'unreadable'}.`);
  }
};
