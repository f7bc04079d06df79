/** One FastCGI request as the bytes to write. Pure: every byte is known before the first is sent. */
import { appendParams, type Params } from './params.ts';
import {
  encodeBeginRequest,
  encodeRecord,
  FCGI_HEADER_LEN,
  FCGI_MAX_CONTENT_LEN,
  PING,
  RecordType,
  writeHeader,
} from './record.ts';

/**
 * A body that is not in memory: files on disk. Its length is known before its first byte is sent, because php-fpm
 * hangs, and mixes up answers, if it gets fewer bytes than CONTENT_LENGTH says.
 */
export interface LargeBody {
  readonly length: number;
  /** The bytes, from the start; called once for each attempt. */
  chunks(): AsyncIterable<Buffer>;
}

/** The id in params encoded ahead. Peers that answer in order need no other: php-fpm echoes any id and checks none. Peers of ours that tell requests apart by it get it written anew. */
export const PREENCODED_REQUEST_ID = 1;

export interface FastCgiRequest {
  /** PARAMS records encoded ahead (`encodeParams` with `PREENCODED_REQUEST_ID`), the same for many requests. */
  readonly encodedParams?: Buffer;
  /** CONTENT_LENGTH is added here and must not be among them. */
  readonly params: Params;
  readonly body: Buffer | LargeBody;
  /** Writes a ping in front: its answer proves that a worker has begun to read this request. */
  readonly ping: boolean;
  /** False: the peer closes the connection after its answer. */
  readonly keepConnection: boolean;
}

/** Below this a body is copied behind its head, so that one buffer is written; above it, the copy costs more. */
const COPY_MAX_BYTES = 65_536;

/** The same bytes in every request: made once. */
const NOTHING = Buffer.alloc(0);
const BEGIN_AND_KEEP = encodeBeginRequest(PREENCODED_REQUEST_ID, true);
const BEGIN_AND_CLOSE = encodeBeginRequest(PREENCODED_REQUEST_ID, false);
const END_OF_PARAMS = encodeRecord(RecordType.PARAMS, PREENCODED_REQUEST_ID, NOTHING);
const END_OF_STDIN = encodeRecord(RecordType.STDIN, PREENCODED_REQUEST_ID, NOTHING);

/** STDIN records around these bytes, which are not copied. */
export const encodeStdin = (requestId: number, bytes: Buffer): Buffer[] => {
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += FCGI_MAX_CONTENT_LEN) {
    const content = bytes.subarray(start, start + FCGI_MAX_CONTENT_LEN);
    const header = Buffer.allocUnsafe(FCGI_HEADER_LEN);
    writeHeader(header, 0, RecordType.STDIN, requestId, content.length);
    chunks.push(header, content);
  }
  return chunks;
};

export const encodeEndOfStdin = (requestId: number): Buffer =>
  requestId === PREENCODED_REQUEST_ID ? END_OF_STDIN : encodeRecord(RecordType.STDIN, requestId, NOTHING);

/**
 * Buffers to be written together, in this order; one where the body is small. A large body and `encodeEndOfStdin`
 * follow.
 */
export const encodeRequest = (request: FastCgiRequest, requestId: number): Buffer[] => {
  const { body, encodedParams, params, ping, keepConnection } = request;
  const own: Params = [...params, ['CONTENT_LENGTH', String(body.length)]];
  const allParams = appendParams(PREENCODED_REQUEST_ID, encodedParams ?? NOTHING, own);
  const begin = keepConnection ? BEGIN_AND_KEEP : BEGIN_AND_CLOSE;
  const head = ping ? [PING, begin, allParams, END_OF_PARAMS] : [begin, allParams, END_OF_PARAMS];
  if (Buffer.isBuffer(body) && body.length <= COPY_MAX_BYTES) {
    if (body.length > 0) head.push(...encodeStdin(PREENCODED_REQUEST_ID, body));
    head.push(END_OF_STDIN);
    return [withId(Buffer.concat(head), requestId)];
  }
  const large = requestId === PREENCODED_REQUEST_ID ? head : [withId(Buffer.concat(head), requestId)];
  if (Buffer.isBuffer(body)) large.push(...encodeStdin(requestId, body), encodeEndOfStdin(requestId));
  return large;
};

/** Whole records of ours, made anew: each gets this id. */
const withId = (records: Buffer, requestId: number): Buffer => {
  if (requestId === PREENCODED_REQUEST_ID) return records;
  for (let at = 0; at < records.length; at += FCGI_HEADER_LEN + records.readUInt16BE(at + 4)) {
    // A ping has none.
    if (records[at] !== undefined && records.readUInt16BE(at + 2) !== 0) records.writeUInt16BE(requestId, at + 2);
  }
  return records;
};
