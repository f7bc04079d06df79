/** The whole request body, within a limit that counts what arrives and not what is announced. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';

/** The rest of the body is not read, so the connection cannot be used again. */
const tooLarge = (maxBytes: number, met: string): GatewayError =>
  new GatewayError('body-too-large', `The body has ${met}; the limit is ${maxBytes}.`, {
    headers: { connection: 'close' },
  });

const assertAnnounced = (contentLength: string | null | undefined, maxBytes: number): void => {
  if (contentLength && Number(contentLength) > maxBytes) throw tooLarge(maxBytes, `${contentLength} bytes`);
};

const gone = (): GatewayError => new GatewayError('client-closed', 'The caller left before its body had arrived.');

export const readIncoming = async (incoming: IncomingMessage, maxBytes: number): Promise<Buffer> => {
  assertAnnounced(incoming.headers['content-length'], maxBytes);
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      incoming.off('data', onData).pause();
      chunks.length = 0;
      reject(tooLarge(maxBytes, `more than ${maxBytes} bytes`));
    };
    incoming.on('data', onData);
    incoming.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    // `close` comes after every body, too: an error made for it cost 6 % of a call.
    const onEnd = (): void => {
      if (!incoming.complete) reject(gone());
    };
    incoming.once('error', onEnd);
    incoming.once('close', onEnd);
  });
};

/** For requests made in process, without a socket. */
export const readRequest = async (request: Request, maxBytes: number): Promise<Buffer> => {
  assertAnnounced(request.headers.get('content-length'), maxBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes, `more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
