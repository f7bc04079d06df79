/** multipart/form-data (RFC 7578) for PHP, from texts and files. Pure, but for reading the files when it is sent. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { LargeBody } from '../fastcgi/index.ts';
import type { Upload } from '../upload.ts';

export interface FilePart {
  readonly kind: 'file';
  readonly name: string;
  readonly upload: Upload;
}

export type Part = { readonly kind: 'text'; readonly name: string; readonly text: string } | FilePart;

/** Four STDIN records: the fewest system calls that 200 concurrent uploads can afford in memory. */
const READ_BYTES = 4 * 65_535;

/** As PHP undoes it: a name arrives as it is. Line ends, which it cannot undo, are written as browsers do. */
const quoted = (name: string): string =>
  `"${name.replaceAll(/["\\]/g, '\\$&').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"`;

const partHead = (part: Part, boundary: string): string => {
  const disposition = `--${boundary}\r\nContent-Disposition: form-data; name=${quoted(part.name)}`;
  if (part.kind === 'text') return `${disposition}\r\n\r\n`;
  const { name, mediaType } = part.upload;
  return `${disposition}; filename=${quoted(name)}\r\nContent-Type: ${mediaType}\r\n\r\n`;
};

type Segment = Buffer | { readonly path: string; readonly size: number };

const segmentsOf = (parts: readonly Part[], boundary: string): Segment[] => [
  ...parts.flatMap((part): Segment[] => [
    Buffer.from(partHead(part, boundary)),
    part.kind === 'text' ? Buffer.from(part.text) : uploadSegment(part.upload),
    Buffer.from('\r\n'),
  ]),
  Buffer.from(`--${boundary}--\r\n`),
];

const uploadSegment = ({ content, size }: Upload): Segment =>
  content.kind === 'memory' ? content.bytes : { path: content.path, size };

const asBody = (segments: readonly Segment[]): Buffer | LargeBody => {
  const inMemory = segments.filter((segment) => Buffer.isBuffer(segment));
  if (inMemory.length === segments.length) return Buffer.concat(inMemory);
  const length = segments.reduce((sum, segment) => sum + (Buffer.isBuffer(segment) ? segment.length : segment.size), 0);
  return { length, chunks: () => readSegments(segments) };
};

async function* readSegments(segments: readonly Segment[]): AsyncGenerator<Buffer> {
  for (const segment of segments) {
    if (Buffer.isBuffer(segment)) yield segment;
    else yield* createReadStream(segment.path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>;
  }
}

/** A body and its Content-Type; small ones in one buffer. */
export const encodeMultipart = (parts: readonly Part[]): { contentType: string; body: Buffer | LargeBody } => {
  // Random, so that no file can hold it.
  const boundary = `fpm-gateway-${randomBytes(18).toString('hex')}`;
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: asBody(segmentsOf(parts, boundary)) };
};

/** The file as the whole body. */
export const uploadBody = (upload: Upload): Buffer | LargeBody => asBody([uploadSegment(upload)]);

/** Files one behind the other, with nothing between them. */
export const joinUploads = (head: Buffer, uploads: readonly Upload[]): Buffer | LargeBody =>
  asBody([head, ...uploads.map(uploadSegment)]);
