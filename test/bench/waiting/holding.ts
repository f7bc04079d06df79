/** Callers who wait: each a connection with one request on it. */
import { connect, type Socket } from 'node:net';
import type { Target } from '../load.ts';
import { rawRequest } from '../load.ts';

/** A listener takes 511 in one go. */
const AT_ONCE = 256;

export interface Held {
  /** Throws when any of them was answered, or lost. */
  check(): void;
  /** All of them leave. */
  release(): void;
}

const opened = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });

export const hold = async ({ port, paths: [path = '/'], body }: Target, count: number): Promise<Held> => {
  const request = rawRequest(path, body);
  const sockets: Socket[] = [];
  let ended = 0;
  let said = '';
  const onEnd = (text: string): void => {
    ended += 1;
    said ||= text;
  };
  const open = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    await opened(socket);
    socket.on('error', ({ message }) => onEnd(message)).on('data', (bytes) => onEnd(bytes.toString().slice(0, 200)));
    socket.on('end', () => onEnd('the connection was closed'));
    socket.write(request);
  };
  const release = (): void => {
    for (const socket of sockets)
      socket
        .removeAllListeners('error')
        .on('error', () => {})
        .destroy();
  };
  const check = (): void => {
    if (ended > 0) throw new Error(`${ended} of ${count} calls did not wait: ${said.split('\r\n')[0]}`);
  };
  try {
    while (sockets.length < count)
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, open));
  } catch (error) {
    release();
    throw error;
  }
  return { check, release };
};
