/** Ending a connection so that what was sent on it still arrives. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** How often one that ends is looked at: what has sent nothing between two looks in a row is closed. */
const LINGER_CHECK_MS = 250;
const LINGER_MAX_MS = 10_000;

/**
 * Closing at once would reset a peer that still sends, and it could lose the answer that is on its way: it may go on for
 * a while, to nobody. One look alone proves nothing, as this process may have been held up, too.
 */
export const closeSoftly = (socket: Socket): void => {
  if (socket.destroyed) return;
  socket.end();
  let { bytesRead } = socket;
  let looks = 0;
  let quietLooks = 0;
  const timer = setInterval(() => {
    looks += 1;
    quietLooks = socket.bytesRead === bytesRead ? quietLooks + 1 : 0;
    bytesRead = socket.bytesRead;
    if (quietLooks === 2 || looks * LINGER_CHECK_MS >= LINGER_MAX_MS) socket.destroy();
  }, LINGER_CHECK_MS);
  socket.once('close', () => clearInterval(timer));
};

/**
 * Without its last chunk an answer is not whole. What was sent before arrives, unless the reader takes too long. HTTP/1.0
 * has no chunks: there only a reset can tell.
 */
export const cutOff = ({ httpVersion, socket }: IncomingMessage): void => {
  if (httpVersion === '1.0') socket.resetAndDestroy();
  else closeSoftly(socket);
};

const DRAIN_MAX_MS = 500;
const DRAIN_MAX_BYTES = 64 * 1024 * 1024;

/** What still comes of a request that is answered already is read to nobody, so that the next can follow; not for long. */
export const drain = (incoming: IncomingMessage): void => {
  if (incoming.complete || incoming.destroyed) return;
  let bytes = 0;
  const end = (): void => {
    clearTimeout(timer);
    incoming.off('data', onData).off('close', end);
  };
  const giveUp = (): void => {
    end();
    closeSoftly(incoming.socket);
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > DRAIN_MAX_BYTES) giveUp();
  };
  const timer = setTimeout(giveUp, DRAIN_MAX_MS);
  incoming
    .on('data', onData)
    .on('close', end)
    .on('error', () => {})
    .resume();
};
