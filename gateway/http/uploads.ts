/** The files of one request on their way in: counted, kept in the spool, told what they are; gone with the request. */
import { GatewayError } from '../errors.ts';
import type { FileField } from '../invoke/files.ts';
import { Pieces } from '../pieces.ts';
import type { Spool, SpoolFile } from '../spool.ts';
import { Upload } from '../upload.ts';
import { bodyTooLarge, LAST_ANSWER } from './body.ts';
import { provenMediaType, SAMPLE_BYTES } from './sniff.ts';

const NAME_MAX_CHARACTERS = 200;

/** For people: no folders, nothing invisible that could make it look like another name. */
export const cleanFileName = (sent: string): string => {
  const last = sent.slice(Math.max(sent.lastIndexOf('/'), sent.lastIndexOf('\\')) + 1);
  const visible = last
    .replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
    .normalize('NFC')
    .trim();
  const short = [...visible].slice(0, NAME_MAX_CHARACTERS).join('');
  return /^\.*$/.test(short) ? 'file' : short;
};

export interface SentFile {
  /** For messages. */
  readonly field: string;
  readonly name: string;
  readonly contentType: string | undefined;
}

export class Uploads {
  readonly #spool: Spool;
  /** Of all files together. */
  readonly #maxBytes: number;
  readonly #files: SpoolFile[] = [];
  #size = 0;
  #discarded = false;

  constructor(spool: Spool, maxBytes: number) {
    this.#spool = spool;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of all files so far. */
  get size(): number {
    return this.#size;
  }

  file(rules: FileField, sent: SentFile): ArrivingFile {
    const file = this.#spool.file();
    // A request that has ended may still be at its last piece.
    if (this.#discarded) void file.discard();
    this.#files.push(file);
    return new ArrivingFile(file, rules, sent, (bytes) => this.#add(bytes));
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** Removes what lies on disk. Once is enough, more does no harm. */
  async discard(): Promise<void> {
    this.#discarded = true;
    await Promise.all(this.#files.map(async (file) => await file.discard()));
  }

  #add(bytes: number): void {
    this.#size += bytes;
    if (this.#size > this.#maxBytes) throw bodyTooLarge(this.#maxBytes, `files of more than ${this.#maxBytes} bytes`);
  }
}

export class ArrivingFile {
  readonly #file: SpoolFile;
  readonly #rules: FileField;
  readonly #sent: SentFile;
  readonly #count: (bytes: number) => void;
  readonly #sample = new Pieces();

  constructor(file: SpoolFile, rules: FileField, sent: SentFile, count: (bytes: number) => void) {
    this.#file = file;
    this.#rules = rules;
    this.#sent = sent;
    this.#count = count;
  }

  /** A promise where the sender should wait. Throws `file-too-large`, `body-too-large` or `overloaded`. */
  write(bytes: Buffer): Promise<void> | undefined {
    const { maxBytes } = this.#rules;
    if (this.#file.size + bytes.length > maxBytes) throw fileTooLarge(this.#sent.field, maxBytes);
    this.#count(bytes.length);
    const missing = SAMPLE_BYTES - this.#sample.size;
    if (missing > 0) this.#sample.add(bytes.subarray(0, missing));
    return this.#file.write(bytes);
  }

  get size(): number {
    return this.#file.size;
  }

  async end(): Promise<Upload> {
    const { name, contentType } = this.#sent;
    const content = await this.#file.end();
    const mediaType = await provenMediaType(this.#sample.join(), contentType);
    return new Upload(cleanFileName(name), mediaType, this.#file.size, content);
  }
}

export const fileTooLarge = (field: string, maxBytes: number): GatewayError => {
  const which = field === '' ? 'The body' : `The file ${JSON.stringify(field.slice(0, 100))}`;
  return new GatewayError('file-too-large', `${which} is larger than ${maxBytes} bytes.`, { headers: LAST_ANSWER });
};
