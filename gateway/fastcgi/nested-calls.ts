/**
 * Calls that a concurrent worker makes inside of its calls: gathered from the pieces in which they come, given to
 * whoever answers, and left when nobody waits for them any more. Pure: no socket.
 *
 * What a worker may do by mistake (too large a message, too many at once) is told to the call; only what no worker of
 * ours does ends the connection, and all calls on it.
 */
import { GatewayError } from '../errors.ts';
import { NestedCall } from './nested-call.ts';
import { violation } from './parser.ts';
import { FCGI_HEADER_LEN, FCGI_MAX_CONTENT_LEN, RecordType, writeHeader } from './record.ts';

/** Which requests a peer had begun. */
export interface BegunRequests {
  readonly ids: ReadonlySet<number>;
  /** Of so many requests, those that were written last, all that had begun are among these. */
  readonly knownOf: number;
}

/** Undefined: nobody knows. */
export type Begun = () => BegunRequests | undefined;

/** A peer that runs many requests at once and makes calls itself. */
export interface ConcurrentPeer {
  /** Of one call: its line and its body. */
  readonly messageMaxBytes: number;
  /** Answers it, sooner or later. Must not throw. */
  readonly onCall: (call: NestedCall) => void;
  /** Asked when it is gone; default: nobody knows what it had begun. */
  readonly begun?: Begun;
}

/** Where answers go. */
export interface AnswerWriter {
  /** Written, but not taken by the kernel. */
  readonly unsentBytes: number;
  write(bytes: Buffer): void;
  /** The connection is of no more use. */
  giveUp(why: string): void;
}

/** Calls of one connection that wait for an answer: further ones are refused, and past twice as many it ends. */
export const OPEN_MAX = 10_000;
/** Of messages that have come in part; at least one of the largest may. */
const GATHERED_MAX_BYTES = 64 * 1_048_576;
/**
 * Of answers that the worker does not read: others that are long are refused then, and past as much of short ones the
 * connection ends. One is taken however long it is.
 */
export const UNREAD_MAX_BYTES = 64 * 1_048_576;
/** An error's answer. */
const SHORT_ANSWER_BYTES = 65_536;

/** Its number and flags come first. */
const PIECE_HEAD_LEN = 5;
const PIECE_MAX_BYTES = FCGI_MAX_CONTENT_LEN - PIECE_HEAD_LEN;
const LAST_PIECE = 1;

export class NestedCalls {
  readonly #peer: ConcurrentPeer;
  readonly #writer: AnswerWriter;
  readonly #open = new Map<number, NestedCall>();
  /** By the request they were made in: it ends before some of them do. */
  readonly #inside = new Map<number, Set<NestedCall>>();
  #gatheredBytes = 0;
  /** Of short answers written since there was too much that the worker had not read. */
  #unreadShortBytes = 0;

  constructor(peer: ConcurrentPeer, writer: AnswerWriter) {
    this.#peer = peer;
    this.#writer = writer;
  }

  /** Calls without an answer. */
  get open(): number {
    return this.#open.size;
  }

  /** A CALL record. Throws `bad-function-response`. */
  call(requestId: number, content: Buffer): void {
    const { number, isLast } = pieceHead(content);
    const piece = content.subarray(PIECE_HEAD_LEN);
    const begun = this.#open.get(number);
    if (begun !== undefined) {
      this.#goOn(begun, requestId, piece, isLast);
      return;
    }
    const call = new NestedCall(this, requestId, number);
    call.refused = this.#refusal(piece.length, isLast);
    this.#add(call);
    if (isLast) {
      call.message = piece;
      call.isWhole = true;
      this.#peer.onCall(call);
    } else if (call.refused === undefined) {
      call.append(piece);
      this.#gatheredBytes += piece.length;
    }
  }

  /** A CANCEL record. Those whose answer has just left cross it. */
  cancel(requestId: number, content: Buffer): void {
    const { number, isLast } = pieceHead(content);
    if (!isLast || content.length !== PIECE_HEAD_LEN) throw violation('a CANCEL that is more than a number');
    const call = this.#open.get(number);
    if (call === undefined) return;
    if (call.requestId !== requestId) throw violation(`a CANCEL of call ${number}, which another request has made`);
    this.#leave(call);
  }

  /** That request is over: nobody waits for what was called in it. */
  left(requestId: number): void {
    const calls = this.#inside.get(requestId);
    if (calls === undefined) return;
    for (const call of calls) this.#leave(call);
  }

  /** The connection has ended. */
  end(): void {
    for (const call of this.#open.values()) this.#leave(call);
  }

  answer(call: NestedCall, head: string, body: string | Uint8Array | null): boolean {
    // Once: the number may be another one's by now.
    if (this.#open.get(call.number) !== call) return true;
    const length = head.length + (body?.length ?? 0);
    const { unsentBytes } = this.#writer;
    const isTooMuch = unsentBytes > 0 && unsentBytes + length > UNREAD_MAX_BYTES;
    if (isTooMuch && length > SHORT_ANSWER_BYTES) return false;
    this.#unreadShortBytes = isTooMuch ? this.#unreadShortBytes + length : 0;
    this.#forget(call);
    if (this.#unreadShortBytes <= UNREAD_MAX_BYTES) this.#writer.write(encodeAnswer(call, head, body));
    else this.#writer.giveUp(`The worker does not read the answers to its calls: ${unsentBytes} bytes wait.`);
    return true;
  }

  #goOn(call: NestedCall, requestId: number, piece: Buffer, isLast: boolean): void {
    const { number } = call;
    if (call.isWhole) throw violation(`call ${number} again, before its answer`);
    if (call.requestId !== requestId) throw violation(`a piece of call ${number}, which another request has begun`);
    call.refused ??= this.#tooMuch(call.messageBytes + piece.length, piece.length);
    if (call.refused === undefined) {
      call.append(piece);
      this.#gatheredBytes += piece.length;
    } else this.#dropMessage(call);
    if (!isLast) return;
    call.isWhole = true;
    this.#gatheredBytes -= call.messageBytes;
    this.#peer.onCall(call);
  }

  #refusal(pieceBytes: number, isLast: boolean): GatewayError | undefined {
    const open = this.#open.size;
    if (open < OPEN_MAX) return this.#tooMuch(pieceBytes, isLast ? 0 : pieceBytes);
    if (open >= 2 * OPEN_MAX) throw violation(`${open} calls of its own wait for an answer; at most ${OPEN_MAX} may`);
    const detail = `${open} calls made by this worker wait for an answer already; at most ${OPEN_MAX} may. Make fewer at once.`;
    return new GatewayError('overloaded', detail, { retryAfterMs: 1000 });
  }

  /** `bytes`: of this message; `more`: of them those to be kept until the rest has come. */
  #tooMuch(bytes: number, more: number): GatewayError | undefined {
    const { messageMaxBytes } = this.#peer;
    if (bytes > messageMaxBytes) {
      const detail = `The call has more than ${messageMaxBytes} bytes, which is the limit with its headers.`;
      return new GatewayError('body-too-large', detail);
    }
    const gatheredMaxBytes = Math.max(GATHERED_MAX_BYTES, messageMaxBytes);
    if (this.#gatheredBytes + more <= gatheredMaxBytes) return undefined;
    const detail = `Calls that arrive from this worker in pieces have more than ${gatheredMaxBytes} bytes in all. Make fewer large ones at once.`;
    return new GatewayError('overloaded', detail, { retryAfterMs: 1000 });
  }

  #dropMessage(call: NestedCall): void {
    this.#gatheredBytes -= call.messageBytes;
    call.dropMessage();
  }

  #add(call: NestedCall): void {
    this.#open.set(call.number, call);
    const beside = this.#inside.get(call.requestId);
    if (beside === undefined) this.#inside.set(call.requestId, new Set([call]));
    else beside.add(call);
  }

  #forget(call: NestedCall): void {
    this.#open.delete(call.number);
    const beside = this.#inside.get(call.requestId);
    beside?.delete(call);
    if (beside?.size === 0) this.#inside.delete(call.requestId);
  }

  #leave(call: NestedCall): void {
    this.#forget(call);
    if (!call.isWhole) this.#dropMessage(call);
    call.leave();
  }
}

const pieceHead = (content: Buffer): { readonly number: number; readonly isLast: boolean } => {
  if (content.length < PIECE_HEAD_LEN) throw violation(`a nested call's record has ${content.length} bytes`);
  const flags = content.readUInt8(4);
  if (flags > LAST_PIECE) throw violation(`a nested call's record has the unknown flags ${flags}`);
  return { number: content.readUInt32BE(0), isLast: flags === LAST_PIECE };
};

const writePieceHead = (
  target: Buffer,
  at: number,
  { requestId, number }: Address,
  bytes: number,
  isLast: boolean,
): number => {
  const content = writeHeader(target, at, RecordType.ANSWER, requestId, PIECE_HEAD_LEN + bytes);
  target.writeUInt32BE(number, content);
  target[content + 4] = isLast ? LAST_PIECE : 0;
  return content + PIECE_HEAD_LEN;
};

type Address = Pick<NestedCall, 'requestId' | 'number'>;
const RECORD_HEAD_LEN = FCGI_HEADER_LEN + PIECE_HEAD_LEN;
const NOTHING = new Uint8Array(0);

/** All records of one answer. Nothing of the body is used behind it. */
export const encodeAnswer = (address: Address, head: string, body: string | Uint8Array | null): Buffer => {
  const text = typeof body === 'string' ? head + body : head;
  const bytes = typeof body === 'string' || body === null ? NOTHING : body;
  const textBytes = Buffer.byteLength(text);
  const total = textBytes + bytes.length;
  if (total <= PIECE_MAX_BYTES) {
    const answer = Buffer.allocUnsafe(RECORD_HEAD_LEN + total);
    const start = writePieceHead(answer, 0, address, total, true);
    // Of ASCII alone the bytes are the same, and need no look at every character.
    answer.write(text, start, textBytes === text.length ? 'latin1' : 'utf8');
    answer.set(bytes, start + textBytes);
    return answer;
  }
  return inPieces(address, Buffer.concat([Buffer.from(text), bytes], total));
};

const inPieces = (address: Address, message: Buffer): Buffer => {
  const pieces = Math.ceil(message.length / PIECE_MAX_BYTES);
  const answer = Buffer.allocUnsafe(message.length + pieces * RECORD_HEAD_LEN);
  let at = 0;
  for (let from = 0; from < message.length; from += PIECE_MAX_BYTES) {
    const bytes = Math.min(PIECE_MAX_BYTES, message.length - from);
    at = writePieceHead(answer, at, address, bytes, from + bytes === message.length);
    at += message.copy(answer, at, from, from + bytes);
  }
  return answer;
};
