/** Fuzzed conversations through real connections over a unix socket. */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { Connection, type ConnectOptions, collect } from '../../../gateway/fastcgi/index.ts';
import { LATE, within } from '../../../gateway/within.ts';
import { type Lifetime, temporaryFolder } from '../../support/lifetime.ts';
import { type FuzzCase, makeCase } from './case.ts';
import { LIMITS, REQUEST, settled, type Verdict, verdictOf } from './core.ts';

/** Far beyond what a busy machine needs: only what never ends is late. */
const HANG_MS = 30_000;

const optionsOf = ({ mode }: FuzzCase): ConnectOptions => {
  const timeoutMs = HANG_MS;
  if (mode === 'ordered') return { timeoutMs };
  if (mode === 'multiplexed') return { timeoutMs, multiplexed: true };
  return { timeoutMs, concurrent: { messageMaxBytes: 1000, onCall: () => {} } };
};

/** A peer that sends to each connection what its first request asks for. */
export class FuzzPeer {
  readonly #path: string;

  static async open(lifetime: Lifetime): Promise<FuzzPeer> {
    const path = join(temporaryFolder(lifetime), 'fuzz.sock');
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      let asked = '';
      const onData = (bytes: Buffer): void => {
        asked += bytes.toString('latin1');
        const seed = /seed=(\d+);/.exec(asked)?.[1];
        if (seed === undefined) return;
        socket.off('data', onData).resume();
        send(socket, makeCase(Number(seed)).chunks);
      };
      socket.on('data', onData);
    });
    server.listen(path);
    await once(server, 'listening');
    lifetime(() => {
      server.close();
    });
    return new FuzzPeer(path);
  }

  private constructor(path: string) {
    this.#path = path;
  }

  /** Never rejects. */
  async fuzz(seed: number): Promise<Verdict> {
    const fuzzed = makeCase(seed);
    try {
      const bodies = await within(this.#converse(fuzzed), HANG_MS);
      if (bodies === LATE) return { wrong: 'it hangs', accepted: 0, refused: 0 };
      return verdictOf(fuzzed, bodies);
    } catch (error) {
      return { wrong: error instanceof Error ? error.message : String(error), accepted: 0, refused: 0 };
    }
  }

  async #converse(fuzzed: FuzzCase): Promise<(string | undefined)[]> {
    const connection = await Connection.open({ kind: 'unix', path: this.#path }, optionsOf(fuzzed));
    const responses = Array.from({ length: fuzzed.requests }, (_, at) => {
      const body = Buffer.from(at === 0 ? `seed=${fuzzed.seed};` : '');
      const ping = fuzzed.mode === 'ordered' && fuzzed.pings;
      return settled(collect(connection, { ...REQUEST, ping, body }, LIMITS).response);
    });
    const bodies = await Promise.all(responses);
    connection.destroy();
    await connection.closed;
    return bodies;
  }
}

/** Small pieces apart, so that they are read apart; then the end. */
const send = (socket: net.Socket, chunks: readonly Buffer[]): void => {
  const apart = chunks.length <= 12;
  const next = (at: number): void => {
    if (socket.destroyed) return;
    if (at >= chunks.length) {
      socket.end();
      return;
    }
    socket.write(chunks[at] ?? Buffer.alloc(0));
    if (apart) setImmediate(() => next(at + 1));
    else next(at + 1);
  };
  next(0);
};
