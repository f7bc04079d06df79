/**
 * A FastCGI peer that does exactly what a test tells it: each accepted connection plays one story, step by step.
 *
 *     const peer = await fakeFastCgi('unix', [readPing, answerPing, close], [readRequest, answer('ok'), stall]);
 *
 * The first connection plays the first story, the second the second, all further ones the last. A connection reads
 * only while a step asks for it: what a story leaves unread stays in the kernel, so that closing is a reset.
 */
import net from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Address } from '../../gateway/fastcgi/index.ts';
import {
  decodeRecords,
  decodeRequests,
  endRequest as endRecord,
  pingAnswer,
  stderr as stderrRecord,
  stdout as stdoutRecord,
  Type,
  type WireRecord,
  type WireRequest,
} from '../wire/codec.ts';
import { temporaryFolder } from './lifetime.ts';

/** The client has ended the connection: the story is over. */
class Gone extends Error {}

export class FakePeer {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  readonly records: WireRecord[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #read = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const { records, rest } = decodeRecords(Buffer.concat([this.#rest, chunk]));
      this.records.push(...records);
      this.#rest = rest;
    });
    // A listener for data sets the stream flowing.
    socket.pause();
  }

  /** Complete requests read so far. */
  get requests(): WireRequest[] {
    return decodeRequests(this.records);
  }

  /** Reads until a record that no step has asked for yet is such. */
  async readUntil(matches: (record: WireRecord) => boolean): Promise<void> {
    for (;;) {
      const at = this.records.findIndex((record, index) => index >= this.#read && matches(record));
      if (at !== -1) {
        this.#read = at + 1;
        this.socket.pause();
        return;
      }
      await this.#more();
    }
  }

  async write(bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(new Gone(error.message)) : resolve()));
    });
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const done = (gone: boolean): void => {
        this.socket.off('data', onData).off('end', onGone).off('close', onGone);
        if (gone) reject(new Gone('closed'));
        else resolve();
      };
      const onData = (): void => done(false);
      const onGone = (): void => done(true);
      if (this.socket.readableEnded || this.socket.destroyed) reject(new Gone('closed'));
      else this.socket.on('data', onData).on('end', onGone).on('close', onGone).resume();
    });
  }
}

export type Step = (peer: FakePeer) => void | Promise<void>;
export type Story = readonly Step[];

export interface FakeServer {
  readonly address: Address;
  /** In the order accepted. */
  readonly peers: readonly FakePeer[];
  readonly peer: FakePeer;
  close(): Promise<void>;
}

export const socketPath = (): string => join(temporaryFolder(), 'peer.sock');

/** Ends with the test. A step that throws fails it. */
export const fakeFastCgi = async (kind: Address['kind'], ...stories: Story[]): Promise<FakeServer> => {
  const peers: FakePeer[] = [];
  const failures: unknown[] = [];
  const play = async (peer: FakePeer, story: Story): Promise<void> => {
    try {
      for (const step of story) await step(peer);
    } catch (error) {
      if (error instanceof Gone) peer.socket.destroy();
      else failures.push(error);
    }
  };
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = new FakePeer(socket);
    const story = stories[Math.min(peers.length, stories.length - 1)] ?? [];
    peers.push(peer);
    void play(peer, story);
  });
  const path = socketPath();
  await new Promise<void>((resolve) => {
    if (kind === 'unix') server.listen(path, resolve);
    else server.listen(0, '127.0.0.1', resolve);
  });
  const bound = server.address();
  const close = async (): Promise<void> => {
    for (const { socket } of peers) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(async () => {
    await close();
    if (failures.length > 0) throw failures[0];
  });
  return {
    address:
      typeof bound === 'object' && bound !== null
        ? { kind: 'tcp', host: '127.0.0.1', port: bound.port }
        : { kind: 'unix', path },
    peers,
    get peer(): FakePeer {
      const last = peers.at(-1);
      if (last === undefined) throw new Error('nobody has connected');
      return last;
    },
    close,
  };
};

// Steps that read
export const readPing: Step = async (peer) => await peer.readUntil(({ type }) => type === Type.GET_VALUES);
export const readBegin: Step = async (peer) => await peer.readUntil(({ type }) => type === Type.BEGIN);
/** To its empty STDIN; pings in front are passed over unanswered. */
export const readRequest: Step = async (peer) =>
  await peer.readUntil(({ type, content }) => type === Type.STDIN && content.length === 0);
/** Reads and drops whatever comes until the client ends. */
export const swallow: Step = async (peer) => await peer.readUntil(() => false);

// Steps that write
export const send =
  (...chunks: readonly Buffer[]): Step =>
  async (peer) =>
    await peer.write(Buffer.concat(chunks));
/** Each chunk in a write of its own. */
export const sendApart =
  (...chunks: readonly Buffer[]): Step =>
  async (peer) => {
    for (const chunk of chunks) {
      await peer.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
export const answerPing: Step = send(pingAnswer());
export const stdout = (text: string | Uint8Array): Step => send(stdoutRecord(text));
export const stderr = (text: string | Uint8Array): Step => send(stderrRecord(text));
export const endRequest = (protocolStatus = 0): Step => send(endRecord(protocolStatus));
/** A whole plain answer with this body, without reading. */
export const answer = (body: string): Step => send(stdoutRecord(`\r\n${body}`), endRecord());
/** Reads one request with its ping and answers both. */
export const serve =
  (body: string): Step =>
  async (peer) => {
    for (const step of [readPing, answerPing, readRequest, answer(body)]) await step(peer);
  };
/** The same bytes in full records until so many have gone out. */
export const flood =
  (type: number, totalBytes: number): Step =>
  async (peer) => {
    const make = type === Type.STDOUT ? stdoutRecord : stderrRecord;
    for (let left = totalBytes; left > 0; left -= 65_000)
      await peer.write(make(Buffer.alloc(Math.min(left, 65_000), 'f')));
  };

// Steps that end or wait
/** Ends its side only: php-fpm does so after its last request. */
export const halfClose: Step = (peer) => void peer.socket.end();
/** A reset if bytes lie unread, else an end. */
export const close: Step = (peer) => void peer.socket.destroy();
/** TCP only. */
export const reset: Step = (peer) => void peer.socket.resetAndDestroy();
export const stall: Step = async (peer) => await peer.closed;
export const waitFor =
  (event: Promise<unknown>): Step =>
  async () => {
    await event;
  };
