/**
 * Bytes from a FastCGI peer → records. Pure: a push parser that holds at most one header and one control record, or one of a nested call,
 * so stream contents pass through as views of the chunk they came in.
 */
import { GatewayError } from '../errors.ts';
import { FCGI_HEADER_LEN, FCGI_MAX_CONTENT_LEN, FCGI_VERSION_1, RecordType } from './record.ts';

export interface RecordSink {
  /** A piece of STDOUT or STDERR, empty for an empty record: a view valid only during the call. Copy what you keep. */
  stream(type: typeof RecordType.STDOUT | typeof RecordType.STDERR, requestId: number, piece: Buffer): void;
  endRequest(requestId: number, appStatus: number, protocolStatus: number): void;
  getValuesResult(content: Buffer): void;
  /** A call that the peer makes, or takes back; absent: no such record may come. */
  nested?(type: typeof RecordType.CALL | typeof RecordType.CANCEL, requestId: number, content: Buffer): void;
}

/** What a peer may send in a management or END_REQUEST record. php-fpm's longest is 26 bytes. */
const CONTROL_MAX_BYTES = 4096;
const END_REQUEST_BYTES = 8;

type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'stream'; readonly type: typeof RecordType.STDOUT | typeof RecordType.STDERR }
  | { readonly kind: 'control'; readonly type: number }
  | { readonly kind: 'padding' };

const EMPTY: Buffer = Buffer.alloc(0);
const HEADER: State = { kind: 'header' };
const PADDING: State = { kind: 'padding' };
const STDOUT: State = { kind: 'stream', type: RecordType.STDOUT };
const STDERR: State = { kind: 'stream', type: RecordType.STDERR };
const END_REQUEST: State = { kind: 'control', type: RecordType.END_REQUEST };
const GET_VALUES_RESULT: State = { kind: 'control', type: RecordType.GET_VALUES_RESULT };
const CALL: State = { kind: 'control', type: RecordType.CALL };
const CANCEL: State = { kind: 'control', type: RecordType.CANCEL };

export const violation = (detail: string): GatewayError =>
  new GatewayError('bad-function-response', `The FastCGI peer broke the protocol: ${detail}.`);

export class RecordParser {
  #state: State = HEADER;
  /** Bytes of the current header or control record that came in earlier chunks. */
  #held: Buffer = Buffer.allocUnsafe(CONTROL_MAX_BYTES);
  #heldBytes = 0;
  #requestId = 0;
  #contentLeft = 0;
  #paddingLeft = 0;

  /** True between records, padding aside: an end of input here cuts nothing. */
  get atBoundary(): boolean {
    return this.#state.kind === 'padding' || (this.#state.kind === 'header' && this.#heldBytes === 0);
  }

  /** Throws `bad-function-response`; the parser must not be used after that. */
  push(chunk: Buffer, sink: RecordSink): void {
    let offset = 0;
    while (offset < chunk.length) {
      const available = chunk.length - offset;
      switch (this.#state.kind) {
        case 'header':
          if (this.#heldBytes === 0 && available >= FCGI_HEADER_LEN) {
            this.#beginRecord(chunk, offset, sink);
            offset += FCGI_HEADER_LEN;
            break;
          }
          offset += this.#hold(chunk, offset, FCGI_HEADER_LEN);
          if (this.#heldBytes === FCGI_HEADER_LEN) {
            this.#heldBytes = 0;
            this.#beginRecord(this.#held, 0, sink);
          }
          break;
        case 'stream': {
          const take = Math.min(available, this.#contentLeft);
          const type = this.#state.type;
          this.#contentLeft -= take;
          if (this.#contentLeft === 0) this.#endContent();
          sink.stream(type, this.#requestId, chunk.subarray(offset, offset + take));
          offset += take;
          break;
        }
        case 'control':
          if (this.#heldBytes === 0 && available >= this.#contentLeft) {
            const end = offset + this.#contentLeft;
            this.#endControl(this.#state.type, chunk.subarray(offset, end), sink);
            offset = end;
            break;
          }
          offset += this.#hold(chunk, offset, this.#contentLeft);
          if (this.#heldBytes === this.#contentLeft)
            this.#endControl(this.#state.type, this.#held.subarray(0, this.#heldBytes), sink);
          break;
        case 'padding': {
          const skip = Math.min(available, this.#paddingLeft);
          this.#paddingLeft -= skip;
          offset += skip;
          if (this.#paddingLeft === 0) this.#state = HEADER;
          break;
        }
      }
    }
  }

  #hold(chunk: Buffer, offset: number, wanted: number): number {
    const copied = chunk.copy(this.#held, this.#heldBytes, offset, offset + wanted - this.#heldBytes);
    this.#heldBytes += copied;
    return copied;
  }

  #beginRecord(header: Buffer, at: number, sink: RecordSink): void {
    const version = header.readUInt8(at);
    const type = header.readUInt8(at + 1);
    if (version !== FCGI_VERSION_1) throw violation(`version ${version} instead of 1`);
    this.#requestId = header.readUInt16BE(at + 2);
    this.#contentLeft = header.readUInt16BE(at + 4);
    this.#paddingLeft = header.readUInt8(at + 6);
    switch (type) {
      case RecordType.STDOUT:
      case RecordType.STDERR:
        if (this.#contentLeft > 0) {
          this.#state = type === RecordType.STDOUT ? STDOUT : STDERR;
          return;
        }
        this.#endContent();
        sink.stream(type, this.#requestId, EMPTY);
        return;
      case RecordType.END_REQUEST:
      case RecordType.GET_VALUES_RESULT:
        if (this.#contentLeft > CONTROL_MAX_BYTES) {
          throw violation(`a record of type ${type} has ${this.#contentLeft} bytes; at most ${CONTROL_MAX_BYTES}`);
        }
        if (this.#contentLeft === 0) this.#endControl(type, EMPTY, sink);
        else this.#state = type === RecordType.END_REQUEST ? END_REQUEST : GET_VALUES_RESULT;
        return;
      case RecordType.CALL:
      case RecordType.CANCEL:
        if (sink.nested === undefined) throw violation(`a record of type ${type} where an answer was expected`);
        // Half of one that is longer than the chunk it began in.
        if (this.#contentLeft > this.#held.length) this.#held = Buffer.allocUnsafe(FCGI_MAX_CONTENT_LEN);
        if (this.#contentLeft === 0) this.#endControl(type, EMPTY, sink);
        else this.#state = type === RecordType.CALL ? CALL : CANCEL;
        return;
      default:
        throw violation(`a record of type ${type} where an answer was expected`);
    }
  }

  #endControl(type: number, content: Buffer, sink: RecordSink): void {
    this.#heldBytes = 0;
    this.#endContent();
    if (type === RecordType.GET_VALUES_RESULT) {
      sink.getValuesResult(content);
      return;
    }
    if (type === RecordType.CALL || type === RecordType.CANCEL) {
      sink.nested?.(type, this.#requestId, content);
      return;
    }
    if (content.length !== END_REQUEST_BYTES) throw violation(`END_REQUEST has ${content.length} bytes instead of 8`);
    // Bytes 5 to 7 are reserved; php-fpm leaves stale memory there.
    sink.endRequest(this.#requestId, content.readUInt32BE(0), content.readUInt8(4));
  }

  #endContent(): void {
    this.#state = this.#paddingLeft > 0 ? PADDING : HEADER;
  }
}
