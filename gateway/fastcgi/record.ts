/**
 * FastCGI records: constants and the 8-byte header. Pure.
 * Names follow the FastCGI 1.0 specification.
 *
 *     0        1     2 .. 3      4 .. 5          6               7
 *     version  type  request id  content length  padding length  reserved
 */

export const FCGI_VERSION_1 = 1;
export const FCGI_HEADER_LEN = 8;
export const FCGI_MAX_CONTENT_LEN = 65_535;
export const FCGI_NULL_REQUEST_ID = 0;
export const FCGI_RESPONDER = 1;
export const FCGI_KEEP_CONN = 1;
/** The highest of the protocol statuses: 0 complete, 1 cannot multiplex, 2 overloaded, 3 unknown role. */
export const FCGI_UNKNOWN_ROLE = 3;

export const RecordType = {
  BEGIN_REQUEST: 1,
  ABORT_REQUEST: 2,
  END_REQUEST: 3,
  PARAMS: 4,
  STDIN: 5,
  STDOUT: 6,
  STDERR: 7,
  DATA: 8,
  GET_VALUES: 9,
  GET_VALUES_RESULT: 10,
  UNKNOWN_TYPE: 11,
  // Ours, between the gateway and concurrent workers: docs/nested-calls.md.
  CALL: 12,
  CANCEL: 13,
  ANSWER: 14,
  PAUSE: 15,
  RESUME: 16,
} as const;

export type RecordTypeCode = (typeof RecordType)[keyof typeof RecordType];

/** Writes one header; returns the offset behind it. Padding is always 0: php-fpm misreads padded empty records. */
export const writeHeader = (
  target: Buffer,
  offset: number,
  type: RecordTypeCode,
  requestId: number,
  contentLength: number,
): number => {
  target[offset] = FCGI_VERSION_1;
  target[offset + 1] = type;
  target.writeUInt16BE(requestId, offset + 2);
  target.writeUInt16BE(contentLength, offset + 4);
  target[offset + 6] = 0;
  target[offset + 7] = 0;
  return offset + FCGI_HEADER_LEN;
};

/** One whole record. */
export const encodeRecord = (type: RecordTypeCode, requestId: number, content: Buffer): Buffer => {
  const record = Buffer.allocUnsafe(FCGI_HEADER_LEN + content.length);
  writeHeader(record, 0, type, requestId, content.length);
  content.copy(record, FCGI_HEADER_LEN);
  return record;
};

const EMPTY = Buffer.alloc(0);

/** `FCGI_GET_VALUES` without names: php-fpm answers when a worker reads it, so it serves as a ping. */
export const PING: Buffer = encodeRecord(RecordType.GET_VALUES, FCGI_NULL_REQUEST_ID, EMPTY);

export const encodeBeginRequest = (requestId: number, keepConnection: boolean): Buffer =>
  encodeRecord(
    RecordType.BEGIN_REQUEST,
    requestId,
    Buffer.from([0, FCGI_RESPONDER, keepConnection ? FCGI_KEEP_CONN : 0, 0, 0, 0, 0, 0]),
  );

/** For the reader of a request's stream: no more until RESUME. */
export const encodePause = (requestId: number): Buffer => encodeRecord(RecordType.PAUSE, requestId, EMPTY);
export const encodeResume = (requestId: number): Buffer => encodeRecord(RecordType.RESUME, requestId, EMPTY);

/** Takes back a request that has not begun. */
export const encodeAbort = (requestId: number): Buffer => encodeRecord(RecordType.ABORT_REQUEST, requestId, EMPTY);
