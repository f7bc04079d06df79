/** Fields of a query string, a form or a multipart body: what PHP's arrays would be, as JSON values. Pure. */
import { GatewayError } from '../errors.ts';
import type { FieldText, FieldTexts } from '../invoke/written.ts';
import { parseFieldName } from './php-names.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const decodeText = (bytes: Uint8Array, what: string): string => {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new GatewayError('invalid-form', `${what} is not UTF-8.`);
  }
};

/** `+` is a space and `%41` is A; a % before anything else stands for itself, as in PHP and in browsers. */
const decodeComponent = (latin1: string, what: string): string => {
  if (/^[\w.*-]*$/.test(latin1)) return latin1;
  const escaped = /%([0-9A-Fa-f]{2})/g;
  const bytes = latin1
    .replaceAll('+', ' ')
    .replace(escaped, (_text, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decodeText(Buffer.from(bytes, 'latin1'), what);
};

/** A PHP array: ordered, with keys of its own or the next free number. */
class Branch {
  readonly #entries = new Map<string, string | Branch>();
  #nextIndex = 0;
  /** A key whose successor depends on PHP's version or lies beyond its integers. */
  #odd: string | undefined;

  set(key: string | null, value: string): void {
    this.#entries.set(this.#use(key), value);
  }

  /** Text in its place is replaced, as PHP does. */
  branch(key: string | null): Branch {
    const used = this.#use(key);
    const known = this.#entries.get(used);
    if (known instanceof Branch) return known;
    const made = new Branch();
    this.#entries.set(used, made);
    return made;
  }

  #use(key: string | null): string {
    if (key === null) {
      if (this.#odd !== undefined)
        throw new GatewayError('invalid-form', `PHP versions disagree on what [] is behind the key ${this.#odd}.`);
      this.#nextIndex += 1;
      return String(this.#nextIndex - 1);
    }
    if (/^(?:0|[1-9]\d{0,14})$/.test(key)) this.#nextIndex = Math.max(this.#nextIndex, Number(key) + 1);
    else if (/^(?:-[1-9]\d*|\d{16,})$/.test(key)) this.#odd = key;
    return key;
  }

  /** A list where the keys are 0 to n - 1. */
  value(): unknown {
    const isList = this.#entries.size > 0 && this.#entries.size === this.#nextIndex;
    const keys = isList ? Array.from({ length: this.#nextIndex }, (_, at) => String(at)) : [];
    return isList && keys.every((key) => this.#entries.has(key)) ? keys.map((key) => this.#at(key)) : this.object();
  }

  object(): Record<string, unknown> {
    // Defines members, sets none: a name of the caller's never reaches a setter.
    return Object.fromEntries([...this.#entries.keys()].map((key) => [key, this.#at(key)]));
  }

  #at(key: string): unknown {
    const entry = this.#entries.get(key);
    return entry instanceof Branch ? entry.value() : entry;
  }
}

/** One count for all of a request: query, body and files. */
export class FieldCount {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Throws `too-many-fields`. */
  add(): void {
    this.#count += 1;
    if (this.#count <= this.#max) return;
    throw new GatewayError(
      'too-many-fields',
      `The request has more than ${this.#max} fields and files: limits.fieldsMax.`,
    );
  }
}

export interface FieldRules {
  readonly count: FieldCount;
  readonly maxDepth: number;
  /** Whether the contract asks for a list under this name: `tags=a&tags=b` is one then, as it is everywhere but in PHP. */
  readonly isList: (name: string) => boolean;
}

export class Fields {
  readonly #rules: FieldRules;
  readonly #root = new Branch();
  readonly #written = new Map<string, FieldText[]>();

  constructor(rules: FieldRules) {
    this.#rules = rules;
  }

  /** Throws `invalid-form`, `json-too-deep` or `too-many-fields`. */
  add(name: string, text: string): void {
    this.#rules.count.add();
    const [top, ...keys] = parseFieldName(name, this.#rules.maxDepth);
    const path = keys.length === 0 && this.#rules.isList(top) ? [top, null] : [top, ...keys];
    let branch = this.#root;
    for (const key of path.slice(0, -1)) branch = branch.branch(key);
    branch.set(path.at(-1) ?? null, text);
    const pairs = this.#written.get(top) ?? [];
    pairs.push([name, text]);
    this.#written.set(top, pairs);
  }

  /** `a=1&b[]=2`; bytes above ASCII as latin1. */
  addEncoded(text: string): void {
    let at = 0;
    while (at < text.length) {
      const found = text.indexOf('&', at);
      const end = found === -1 ? text.length : found;
      const pair = text.slice(at, end);
      at = end + 1;
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const name = decodeComponent(equals === -1 ? pair : pair.slice(0, equals), 'A field name');
      this.add(name, equals === -1 ? '' : decodeComponent(pair.slice(equals + 1), 'The text of a field'));
    }
  }

  get written(): FieldTexts {
    return { pairs: this.#written, tree: this.value() };
  }

  get isEmpty(): boolean {
    return this.#written.size === 0;
  }

  has(member: string): boolean {
    return this.#written.has(member);
  }

  get members(): Iterable<string> {
    return this.#written.keys();
  }

  /** All members; texts are texts still. */
  value(): Record<string, unknown> {
    return this.#root.object();
  }
}
