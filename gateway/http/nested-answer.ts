/** An answer to a call of a concurrent worker: one line of JSON and the body, where HTTP has a status line and headers. */
import { GatewayError } from '../errors.ts';
import { giveBack, type NestedCall } from '../fastcgi/index.ts';
import type { BatchBody } from './batch-body.ts';
import type { WholeAnswer } from './http-answer.ts';
import { StreamBody } from './stream-body.ts';

/** One that came several times is joined, as clients do with what came over HTTP. */
const headLine = (status: number, flat: readonly string[], hasBody: boolean): string => {
  const headers: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at] ?? '';
    const value = flat[at + 1] ?? '';
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  if (hasBody) headers['content-type'] ??= 'text/plain; charset=UTF-8';
  return `${JSON.stringify({ status, headers })}\n`;
};

/** False: the worker does not take it, because it reads too little of what waits for it already. */
export const writeNestedAnswer = (call: NestedCall, { status, headers, body }: WholeAnswer): boolean => {
  const isTaken = call.answer(headLine(status, headers, body !== null), body);
  // All of it is copied.
  if (body !== null && typeof body !== 'string') giveBack(body);
  return isTaken;
};

const tooLong = (maxBytes: number): GatewayError => {
  const detail = `The answer has more than ${maxBytes} bytes, and a call over the worker's connection gets its answer whole: limits.responseMaxBytes. Stream it over FPMG_GATEWAY instead.`;
  return new GatewayError('response-too-large', detail, { executed: 'yes' });
};

/** `stopsIt`: whoever makes it does not know that the caller has left. */
export const readStreamBody = (body: StreamBody | BatchBody, call: NestedCall, maxBytes: number): Promise<Buffer> =>
  readToEnd(body.readable(), call, { maxBytes, stopsIt: body instanceof StreamBody });

/** What comes bit by bit over HTTP, read to its end. Rejects with what cut it, or `response-too-large`. */
export const readToEnd = async (
  readable: ReadableStream<Uint8Array>,
  call: NestedCall,
  { maxBytes, stopsIt }: { readonly maxBytes: number; readonly stopsIt: boolean },
): Promise<Buffer> => {
  const reader = readable.getReader();
  const stop = (): void => void reader.cancel().catch(() => {});
  if (stopsIt) call.whenLeft({ callerLeft: stop });
  if (stopsIt && call.hasLeft) stop();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > maxBytes) {
      stop();
      throw tooLong(maxBytes);
    }
    parts.push(value);
  }
  return Buffer.concat(parts);
};
