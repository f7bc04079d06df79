/** One FastCGI request as the bytes to write. Pure: every byte is known before the first is sent. */
import { GatewayError } from '../errors.ts';
import { encodeParams, type Params } from './params.ts';
import { encodeBeginRequest, FCGI_HEADER_LEN, FCGI_MAX_CONTENT_LEN, PING, RecordType, writeHeader } from './record.ts';

/** The id in params encoded ahead. Peers that answer in order need no other: php-fpm echoes any id and checks none. */
export const PREENCODED_REQUEST_ID = 1;

export interface FastCgiRequest {
  /** PARAMS records encoded ahead (`encodeParams` with `PREENCODED_REQUEST_ID`), the same for many requests. */
  readonly encodedParams?: Buffer;
  /** CONTENT_LENGTH is added here and must not be among them. */
  readonly params: Params;
  /** The whole body. php-fpm hangs, and mixes up answers, if it gets fewer bytes than CONTENT_LENGTH says. */
  readonly body: Buffer;
  /** Writes a ping in front: its answer proves that a worker has begun to read this request. */
  readonly ping: boolean;
  /** False: the peer closes the connection after its answer. */
  readonly keepConnection: boolean;
}

/** Below this a body is copied behind its head, so that one buffer is written; above it, the copy costs more. */
const COPY_MAX_BYTES = 65_536;

const endOfStream = (type: typeof RecordType.PARAMS | typeof RecordType.STDIN, requestId: number): Buffer => {
  const record = Buffer.allocUnsafe(FCGI_HEADER_LEN);
  writeHeader(record, 0, type, requestId, 0);
  return record;
};

const encodeStdin = (requestId: number, body: Buffer): Buffer[] => {
  const chunks: Buffer[] = [];
  for (let start = 0; start < body.length; start += FCGI_MAX_CONTENT_LEN) {
    const content = body.subarray(start, start + FCGI_MAX_CONTENT_LEN);
    const header = Buffer.allocUnsafe(FCGI_HEADER_LEN);
    writeHeader(header, 0, RecordType.STDIN, requestId, content.length);
    chunks.push(header, content);
  }
  chunks.push(endOfStream(RecordType.STDIN, requestId));
  return chunks;
};

/** Buffers to be written together, in this order. */
export const encodeRequest = (requestId: number, request: FastCgiRequest): Buffer[] => {
  if (requestId < 1 || requestId > 0xffff) {
    throw new GatewayError('internal-error', `FastCGI request ids are 1 to 65535, not ${requestId}.`);
  }
  const params = encodeParams(requestId, [...request.params, ['CONTENT_LENGTH', String(request.body.length)]]);
  const chunks = [
    ...(request.ping ? [PING] : []),
    encodeBeginRequest(requestId, request.keepConnection),
    ...(request.encodedParams ? [request.encodedParams] : []),
    params,
    endOfStream(RecordType.PARAMS, requestId),
    ...encodeStdin(requestId, request.body),
  ];
  return request.body.length <= COPY_MAX_BYTES ? [Buffer.concat(chunks)] : chunks;
};
