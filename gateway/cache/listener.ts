/** Where the workers of one pool reach their cache: a unix socket that their user alone may open. */
import { chmodSync, chownSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { Answers } from './answers.ts';
import { CacheConnection } from './connection.ts';
import type { SharedCache } from './shared.ts';

export interface CacheListenerOptions {
  readonly pool: string;
  readonly path: string;
  /** Undefined: workers run as the gateway's own user. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  readonly connectionsMax: number;
  readonly cache: SharedCache;
  readonly log: Log;
}

export class CacheListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** Nobody but the gateway may enter the folder yet. Rejects with StartupError. */
  static async open(options: CacheListenerOptions): Promise<CacheListener> {
    const { pool, path, user } = options;
    const listener = new CacheListener(options);
    try {
      await listener.#listen(path);
      chmodSync(path, 0o600);
      if (user !== undefined) chownSync(path, user.uid, user.gid);
      return listener;
    } catch (error) {
      listener.destroy();
      const detail = `The socket of its cache, ${path}, cannot be opened: ${error instanceof Error ? error.message : String(error)}.`;
      throw new StartupError([{ file: `pools.${pool}`, property: 'cache', detail }], { cause: error });
    }
  }

  private constructor({ pool, connectionsMax, cache, log }: CacheListenerOptions) {
    const answers = new Answers();
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      new CacheConnection(socket, cache, answers);
    });
    this.#server.maxConnections = connectionsMax;
    let isTold = false;
    this.#server.on('drop', () => {
      if (isTold) return;
      isTold = true;
      log.warn({ pool, connectionsMax }, 'more connections to the cache than its pool can have: refused');
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Answers that wait for their readers. */
  get unreadBytes(): number {
    let bytes = 0;
    for (const socket of this.#sockets) bytes += socket.writableLength;
    return bytes;
  }

  /** Workers that are still there see it as gone. Idempotent. */
  destroy(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path }, resolve);
    });
    // A connection that cannot be accepted, such as for want of file handles, is no reason to end.
    this.#server.on('error', () => {});
  }
}
