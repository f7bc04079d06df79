/** The request body as it arrives: limits of size and time count what comes, not what is announced. */
import { IncomingMessage } from 'node:http';
import type { Room } from '../buffers.ts';
import type { Settings } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { Pieces } from '../pieces.ts';

/** One that is there already. */
export class MemoryBody {
  readonly length: number;
  #bytes: Buffer | undefined;

  constructor(bytes: Buffer) {
    this.length = bytes.length;
    this.#bytes = bytes;
  }

  /** Once: a call that waits has no need to keep it. */
  take(): Buffer {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    return bytes ?? Buffer.alloc(0);
  }
}

/** Over a socket, made in process, or in a message of a worker. */
export type BodySource = IncomingMessage | Request | MemoryBody;

/** For answers given before the whole body was read: the connection cannot be used again. */
export const LAST_ANSWER = { connection: 'close' } as const;

/** Of any request: who reads a body times it, and Node's own limit is for the slowest of them, ms. */
export const longestArrivalMs = ({ http, batch }: Pick<Settings, 'http' | 'batch'>): number =>
  Math.max(http.requestTimeoutMs, http.uploadTimeoutMs, batch.timeoutMs);

export const bodyTooLarge = (maxBytes: number, met: string): GatewayError =>
  new GatewayError('body-too-large', `The body has ${met}; the limit is ${maxBytes}.`, { headers: LAST_ANSWER });

const gone = (cause?: unknown): GatewayError =>
  new GatewayError('client-closed', 'The caller left before its body had arrived.', { cause });

const tooSlow = (timeoutMs: number): GatewayError =>
  new GatewayError('request-timeout', `The request had not arrived within ${timeoutMs} ms.`, { headers: LAST_ANSWER });

export interface Arrival {
  /** For all of it to arrive, ms. */
  readonly timeoutMs: number;
  /** Takes a piece; while its promise is open, the sender has to wait. */
  readonly take: (chunk: Buffer) => Promise<void> | undefined;
}

/** Emitted by the listener on a request whose body cannot be parsed on, with a GatewayError. */
export const BROKEN_BODY = 'brokenBody';

const receiveIncoming = (incoming: IncomingMessage, { timeoutMs, take }: Arrival): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(tooSlow(timeoutMs)), timeoutMs);
    let failed = false;
    const fail = (error: unknown): void => {
      failed = true;
      clearTimeout(timer);
      incoming.off('data', onData).off(BROKEN_BODY, fail).pause();
      reject(error);
    };
    let taken: Promise<void> | undefined;
    const onData = (chunk: Buffer): void => {
      try {
        taken = take(chunk);
        if (taken === undefined) return;
        incoming.pause();
        taken.then(() => failed || incoming.resume(), fail);
      } catch (error) {
        fail(error);
      }
    };
    incoming.on('data', onData);
    incoming.once('end', () => {
      clearTimeout(timer);
      // Comes while paused, too, when the last piece was read with the end behind it.
      if (taken === undefined) resolve();
      else taken.then(resolve, reject);
    });
    // `close` comes after every body, too: an error made for it cost 6 % of a call. Of one that was parsed to its end but
    // not yet taken, no `end` comes any more.
    const onEnd = (): void => {
      if (!incoming.readableEnded) fail(gone());
    };
    incoming.once('error', onEnd);
    incoming.once('close', onEnd);
    incoming.once(BROKEN_BODY, fail);
  });

const receiveRequest = async ({ body }: Request, { timeoutMs, take }: Arrival): Promise<void> => {
  if (body === null) return;
  const reader = body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // Ends the read below; what a body says to that is of no interest.
    reader.cancel().catch(() => {});
  }, timeoutMs);
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw gone(error);
      });
      if (late) throw tooSlow(timeoutMs);
      if (done) return;
      await take(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    }
  } catch (error) {
    // Not cancelled: undici's own form bodies meet that with a rejection nobody can handle, which ends the process.
    reader.releaseLock();
    throw error;
  } finally {
    clearTimeout(timer);
  }
};

const receiveMemory = async (body: MemoryBody, { take }: Arrival): Promise<void> => {
  const bytes = body.take();
  if (bytes.length > 0) await take(bytes);
};

/** Resolves when all has arrived and is taken; rejects with what `take` throws, `client-closed` or `request-timeout`. */
export const receive = (source: BodySource, arrival: Arrival): Promise<void> => {
  if (source instanceof MemoryBody) return receiveMemory(source, arrival);
  return source instanceof IncomingMessage ? receiveIncoming(source, arrival) : receiveRequest(source, arrival);
};

/** As announced; undefined for chunked and in-process ones. */
export const contentLength = (source: BodySource): number | undefined => {
  if (source instanceof MemoryBody) return source.length;
  const announced =
    source instanceof IncomingMessage ? source.headers['content-length'] : source.headers.get('content-length');
  return announced ? Number(announced) : undefined;
};

export const hasBody = (source: BodySource): boolean => {
  if (source instanceof MemoryBody) return source.length > 0;
  if (!(source instanceof IncomingMessage)) return source.body !== null;
  return source.headers['transfer-encoding'] !== undefined || (contentLength(source) ?? 0) > 0;
};

export interface WholeBody {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Holds what is returned. */
  readonly room: Room;
}

/** A body that came with its head, as small ones do: without listeners, timer and events it costs 15 µs less. */
const arrivedWhole = (source: BodySource, announced: number): Buffer | undefined => {
  if (!(source instanceof IncomingMessage) || source.readableDidRead) return undefined;
  return announced > 0 && source.readableLength === announced ? source.read() : undefined;
};

const arriving = async (source: BodySource, { maxBytes, timeoutMs, room }: WholeBody): Promise<Buffer> => {
  const pieces = new Pieces();
  const take = (chunk: Buffer): undefined => {
    if (pieces.size + chunk.length > maxBytes) throw bodyTooLarge(maxBytes, `more than ${maxBytes} bytes`);
    room.take(chunk.length);
    pieces.add(chunk);
  };
  try {
    await receive(source, { timeoutMs, take });
    return pieces.join();
  } catch (error) {
    room.give(pieces.size);
    throw error;
  }
};

/** Rejects with `body-too-large`, `overloaded`, `request-timeout` or `client-closed`; then nothing is held of it. */
export const readWhole = async (source: BodySource, whole: WholeBody): Promise<Buffer> => {
  const { maxBytes, room } = whole;
  const announced = contentLength(source) ?? 0;
  if (announced > maxBytes) throw bodyTooLarge(maxBytes, `${announced} bytes`);
  // Told before any of it is read.
  if (announced > 0) room.assertFits(announced);
  if (source instanceof MemoryBody) {
    room.take(source.length);
    return source.take();
  }
  // Node parses on, behind the head, before any promise goes on.
  await undefined;
  const bytes = arrivedWhole(source, announced);
  if (bytes === undefined) return await arriving(source, whole);
  room.take(bytes.length);
  return bytes;
};
