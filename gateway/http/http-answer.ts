/** The answer to a call as plain data, and the two ways it is given: written to a socket, or as a web `Response`. */
import type { ServerResponse } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  /** Name, value, name, value …; a name may come several times. */
  readonly headers: string[];
  /** Null: none, and no length is told. */
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null;
}

export const flatHeaders = (headers: Readonly<Record<string, string>>): string[] => Object.entries(headers).flat();

const hasHeader = (headers: readonly string[], name: string): boolean => {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return true;
  return false;
};

/** Throws what is wrong with the answer, before anything of it is sent. */
export const writeAnswer = ({ status, headers, body }: HttpAnswer, outgoing: ServerResponse): void => {
  // A script may say nothing of its bytes; what goes through the router gets the same then.
  if (body !== null && !hasHeader(headers, 'content-type')) headers.push('content-type', 'text/plain; charset=UTF-8');
  if (body instanceof ReadableStream) {
    outgoing.writeHead(status, headers).flushHeaders();
    writeStream(body, outgoing).catch(() => outgoing.destroy());
  } else if (body === null) {
    outgoing.writeHead(status, headers).end();
  } else {
    // With a length, head and body leave in one write.
    const length = Buffer.byteLength(body);
    headers.push('content-length', String(length));
    // Of ASCII alone the bytes are the same, and need no look at every character.
    outgoing.writeHead(status, headers).end(body, length === body.length ? 'latin1' : 'utf8');
  }
};

/** At the reader's pace. When it leaves, the stream is told. */
const writeStream = async (body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> => {
  const reader = body.getReader();
  let wake = (): void => {};
  outgoing.on('drain', () => wake());
  outgoing.on('close', () => {
    void reader.cancel();
    wake();
  });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!outgoing.write(value) && !outgoing.closed) await new Promise<void>((resolve) => (wake = resolve));
  }
  outgoing.end();
};

export const toResponse = ({ status, headers: flat, body }: HttpAnswer): Response => {
  const headers: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) headers.push([flat[at] ?? '', flat[at + 1] ?? '']);
  // A Buffer is a Uint8Array over an ArrayBuffer; its type allows a shared one, which sockets never give.
  return new Response(body as Exclude<HttpAnswer['body'], Uint8Array> | Uint8Array<ArrayBuffer>, { status, headers });
};
