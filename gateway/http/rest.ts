/** Letting connections go so that no request is lost that is on its way. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './exchange.ts';
import { closeSoftly } from './soft-close.ts';

/** How often those that rest are looked at: short beside what a caller that is in a hurry waits between two requests. */
const LOOK_MS = 50;

/**
 * The end of a connection and a request may cross on the wire, and then the request is lost to its caller. An answer with
 * `Connection: close` crosses nothing, so whoever asks soon is left to ask; only who has been quiet for `idleMs` is ended.
 * Resolves when all have gone or have been told, at the latest after `maxMs`.
 */
export const restConnections = async (
  connections: ReadonlyMap<Socket, Connection>,
  idleMs: () => number,
  maxMs: number,
): Promise<void> => {
  for (const connection of connections.values()) connection.last();
  const endMs = performance.now() + maxMs;
  for (;;) {
    const nowMs = performance.now();
    let undecided = 0;
    for (const [socket, connection] of connections) {
      if (connection.leaving || socket.writableEnded) continue;
      if (connection.idleMs(nowMs, socket.bytesRead) >= idleMs()) closeSoftly(socket);
      else undecided += 1;
    }
    if (undecided === 0 || nowMs >= endMs) return;
    await sleep(LOOK_MS);
  }
};
