/** A multipart body: its texts into fields, its files into the spool, each stopped as soon as it breaks a limit. */
import type { Holding } from '../buffers.ts';
import { GatewayError } from '../errors.ts';
import type { FileField } from '../invoke/files.ts';
import { Pieces } from '../pieces.ts';
import type { Upload } from '../upload.ts';
import { type BodySource, bodyTooLarge, contentLength, LAST_ANSWER, receive } from './body.ts';
import { decodeText, type FieldCount, type Fields } from './fields.ts';
import { parseHeaderValue } from './header-value.ts';
import { MultipartParser, malformed, type PartEvent, type PartHead } from './multipart-parser.ts';
import type { ArrivingFile, Uploads } from './uploads.ts';

export interface MultipartTarget {
  /** Of the contract, by name. */
  readonly files: ReadonlyMap<string, FileField>;
  readonly fields: Fields;
  readonly count: FieldCount;
  readonly uploads: Uploads;
  /** Of all that is no file. */
  readonly holding: Holding;
}

export interface MultipartLimits {
  readonly timeoutMs: number;
  /** Of all that is no file: texts, headers, boundaries. */
  readonly textMaxBytes: number;
  readonly filesMaxBytes: number;
}

export const boundaryOf = (contentType: string): string => {
  const boundary = parseHeaderValue(contentType)?.parameters.get('boundary') ?? '';
  // RFC 2046, 5.1.1.
  if (/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)) return boundary;
  throw malformed('The Content-Type has no boundary of 1 to 70 characters as RFC 2046 allows them.');
};

interface OpenFile {
  readonly kind: 'file';
  readonly name: string;
  readonly sentName: string;
  readonly file: ArrivingFile;
  readonly mayBeEmpty: boolean;
}

/** What one part becomes while it arrives. */
type Open = { readonly kind: 'text'; readonly name: string; readonly pieces: Pieces } | OpenFile;

export class MultipartReader {
  readonly #target: MultipartTarget;
  readonly #found = new Map<string, Upload[]>();
  /** By member, the name as sent. */
  readonly #empty = new Map<string, string>();
  #open: Open | undefined;

  constructor(target: MultipartTarget) {
    this.#target = target;
  }

  /** Files by the name of their member, in the order sent. */
  get files(): ReadonlyMap<string, readonly Upload[]> {
    return this.#found;
  }

  /** Names, as sent, of file inputs that were left empty; not of members that have a file besides. */
  get emptyFiles(): readonly string[] {
    return [...this.#empty].filter(([member]) => !this.#found.has(member)).map(([, sentName]) => sentName);
  }

  /** Resolves to the size of the whole body, in bytes. */
  async read(source: BodySource, boundary: string, limits: MultipartLimits): Promise<number> {
    const { timeoutMs, textMaxBytes, filesMaxBytes } = limits;
    const announced = contentLength(source) ?? 0;
    if (announced > textMaxBytes + filesMaxBytes)
      throw bodyTooLarge(textMaxBytes + filesMaxBytes, `${announced} bytes`);
    const parser = new MultipartParser(boundary);
    let size = 0;
    const checkTexts = (): void => {
      const textBytes = size - this.#target.uploads.size;
      if (textBytes > textMaxBytes)
        throw bodyTooLarge(textMaxBytes, `more than ${textMaxBytes} bytes besides its files`);
      this.#target.holding.resize(textBytes);
    };
    const take = (chunk: Buffer): Promise<void> | undefined => {
      size += chunk.length;
      const events = parser.push(chunk);
      const waiting = this.#advance(events);
      if (waiting !== undefined) return this.#finish(events, waiting).then(checkTexts);
      checkTexts();
      return undefined;
    };
    await receive(source, { timeoutMs, take });
    parser.end();
    return size;
  }

  /** To the first event that has to be waited for: a promise for every piece would cost 8 µs, and pieces may be bytes. */
  #advance(events: Generator<PartEvent, void>): Promise<void> | undefined {
    for (let next = events.next(); !next.done; next = events.next()) {
      const waiting = this.#handle(next.value);
      if (waiting !== undefined) return waiting;
    }
    return undefined;
  }

  async #finish(events: Generator<PartEvent, void>, first: Promise<void>): Promise<void> {
    for (let waiting: Promise<void> | undefined = first; waiting !== undefined; waiting = this.#advance(events))
      await waiting;
  }

  #handle(event: PartEvent): Promise<void> | undefined {
    switch (event.kind) {
      case 'part':
        this.#begin(event.head);
        return undefined;
      case 'data':
        return this.#write(event.bytes);
      case 'end':
        return this.#end();
    }
  }

  #begin({ name, fileName, contentType }: PartHead): void {
    const { files, uploads, count } = this.#target;
    if (fileName === undefined) {
      const charset = parseHeaderValue(contentType ?? '')?.parameters.get('charset') ?? 'utf-8';
      if (!/^(?:utf-8|us-ascii)$/i.test(charset))
        throw malformed(`The text ${JSON.stringify(name.slice(0, 100))} is in ${charset.slice(0, 100)}; send UTF-8.`);
      this.#open = { kind: 'text', name, pieces: new Pieces() };
      return;
    }
    count.add();
    const known = [...files].find(([member, { many }]) => name === member || (many && name === `${member}[]`));
    if (known === undefined) throw unknownFile(name, files);
    const [member, rules] = known;
    // Of an input that was left empty there may be one more.
    if (fileName !== '') this.#assertRoom(member);
    const file = uploads.file(rules, { field: member, name: fileName, contentType });
    this.#open = { kind: 'file', name: member, sentName: name, file, mayBeEmpty: fileName === '' };
  }

  #write(bytes: Buffer): Promise<void> | undefined {
    if (this.#open?.kind === 'file') return this.#open.file.write(bytes);
    this.#open?.pieces.add(bytes);
    return undefined;
  }

  #end(): Promise<void> | undefined {
    const open = this.#open;
    this.#open = undefined;
    if (open?.kind === 'text')
      this.#target.fields.add(open.name, decodeText(open.pieces.join(), `The text ${JSON.stringify(open.name)}`));
    return open?.kind === 'file' ? this.#endFile(open) : undefined;
  }

  async #endFile(open: OpenFile): Promise<void> {
    // What browsers send for a file input that was left empty.
    if (open.mayBeEmpty && open.file.size === 0) {
      this.#empty.set(open.name, open.sentName);
      return;
    }
    this.#assertRoom(open.name);
    this.#found.set(open.name, [...(this.#found.get(open.name) ?? []), await open.file.end()]);
  }

  /** For one more file. */
  #assertRoom(member: string): void {
    const maxCount = this.#target.files.get(member)?.maxCount ?? 0;
    if ((this.#found.get(member)?.length ?? 0) < maxCount) return;
    const detail = `There are more than ${maxCount} files named ${JSON.stringify(member)}, which the contract allows.`;
    throw new GatewayError('too-many-fields', detail, { headers: LAST_ANSWER });
  }
}

const unknownFile = (name: string, files: ReadonlyMap<string, FileField>): GatewayError => {
  const known = [...files].map(([member, { many }]) => JSON.stringify(many ? `${member}[]` : member));
  const taken = known.length === 0 ? 'it takes no files' : `it takes ${known.join(', ')}`;
  return malformed(`The function takes no file named ${JSON.stringify(name.slice(0, 100))}; ${taken}.`);
};
