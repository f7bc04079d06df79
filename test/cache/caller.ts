/** Speaks the protocol of the cache with raw bytes, as PHP does or as it never would. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { CacheListener } from '../../gateway/cache/listener.ts';
import { SharedCache } from '../../gateway/cache/shared.ts';
import type { CacheLimits } from '../../gateway/cache/store.ts';
import { silentLog } from '../../gateway/log.ts';
import { type Lifetime, temporaryFolder, thisTest } from '../support/lifetime.ts';

export const LIMITS: CacheLimits = { maxBytes: 16 * 1_048_576, entriesMax: 100_000, valueMaxBytes: 1_048_576 };

export interface Opened {
  readonly cache: SharedCache;
  readonly listener: CacheListener;
  readonly path: string;
}

export const openCache = async (
  limits: Partial<CacheLimits> = {},
  connectionsMax = 100,
  lifetime: Lifetime = thisTest,
): Promise<Opened> => {
  const cache = new SharedCache({ ...LIMITS, ...limits }, () => performance.now());
  const path = join(temporaryFolder(lifetime), 'c.sock');
  const options = { pool: 'default', path, user: undefined, connectionsMax, cache, log: silentLog };
  const listener = await CacheListener.open(options);
  lifetime(() => {
    listener.destroy();
    cache.close();
  });
  return { cache, listener, path };
};

export interface Answer {
  readonly number: bigint;
  readonly status: number;
  readonly payload: Buffer;
}

export const f64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

export const i64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
};

export interface Request {
  readonly number?: bigint;
  readonly key?: string;
  readonly args?: readonly Buffer[];
  readonly value?: string | Buffer;
}

export const requestBytes = (
  command: number,
  { number = 1n, key = 'k', args = [], value = '' }: Request = {},
): Buffer => {
  const rest = Buffer.concat([...args, Buffer.from(key, 'latin1'), Buffer.from(value as string, 'latin1')]);
  const head = Buffer.alloc(14);
  head.writeUInt32LE(10 + rest.length);
  head.writeBigInt64LE(number, 4);
  head[12] = command;
  head[13] = key.length;
  return Buffer.concat([head, rest]);
};

export class Caller {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  isClosed = false;
  #bytes = Buffer.alloc(0);
  #changed: () => void = () => {};

  constructor(path: string, lifetime: Lifetime = thisTest) {
    this.socket = connect({ path });
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#changed();
    });
    lifetime(() => void this.socket.destroy());
  }

  send(command: number, request?: Request): void {
    this.socket.write(requestBytes(command, request));
  }

  async ask(command: number, request?: Request): Promise<Answer> {
    this.send(command, request);
    return await this.next();
  }

  /** Rejects when the connection ends instead. */
  async next(): Promise<Answer> {
    for (;;) {
      const answer = this.answers.shift();
      if (answer !== undefined) return answer;
      if (this.isClosed) throw new Error('The connection was closed.');
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => (this.#changed = resolve));
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4) {
      const end = 4 + this.#bytes.readUInt32LE(0);
      if (this.#bytes.length < end) return;
      const number = this.#bytes.readBigInt64LE(4);
      this.answers.push({ number, status: this.#bytes[12] ?? -1, payload: this.#bytes.subarray(13, end) });
      this.#bytes = this.#bytes.subarray(end);
      this.#changed();
    }
  }
}
