/**
 * A faulty network in user space: a proxy for TCP and unix sockets that does to each connection what it is told.
 *
 *     const proxy = await FaultProxy.open({ kind: 'unix', path }, target, lifetime);
 *     proxy.next({ toClient: { cutAfterBytes: 100, cut: 'reset' } });   // the next connection
 *     proxy.always({ toServer: { delayMs: 50 } });                     // all others from now on
 */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../../gateway/address.ts';
import type { Lifetime } from '../support/lifetime.ts';

/** What happens to the bytes of one direction. */
export interface Way {
  /** Before each chunk. */
  readonly delayMs?: number;
  /** So many bytes at a time, with a pause between them. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
  /** After so many bytes nothing more passes; 0: not one. */
  readonly cutAfterBytes?: number;
  /**
   * What then becomes of the connection. `end`: both sides end in order. `reset`: both are reset (a unix socket, which
   * knows no reset, is closed). `half-open`: the rest is swallowed, and nobody is told. Default `end`.
   */
  readonly cut?: 'end' | 'reset' | 'half-open';
  /** This byte, counted from 0, arrives with all of its bits turned. */
  readonly corruptAt?: number;
}

export interface Fault {
  /** Takes the connection and all that comes, and passes nothing on: not even that it was opened. */
  readonly blackhole?: boolean;
  /** Ends the connection as soon as it stands. */
  readonly refuse?: boolean;
  readonly toServer?: Way;
  readonly toClient?: Way;
  /** Answers itself, instead of the target. */
  readonly play?: (socket: net.Socket) => void;
}

const reset = (socket: net.Socket): void => {
  if (socket.destroyed) return;
  // A pipe has none.
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
};

const write = async (socket: net.Socket, bytes: Buffer): Promise<void> => {
  if (socket.destroyed || socket.write(bytes)) return;
  await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
};

const corrupt = (chunk: Buffer, at: number): Buffer => {
  if (at < 0 || at >= chunk.length) return chunk;
  const changed = Buffer.from(chunk);
  changed[at] = ~(changed[at] ?? 0) & 255;
  return changed;
};

/** Passes bytes on until they end or are cut. */
const pump = async (from: net.Socket, to: net.Socket, way: Way): Promise<void> => {
  const { delayMs, drip, cut = 'end', corruptAt = -1, cutAfterBytes = Number.POSITIVE_INFINITY } = way;
  let passed = 0;
  let isSwallowing = false;
  const cutOff = (): void => {
    if (cut === 'half-open') {
      isSwallowing = true;
      return;
    }
    if (cut === 'reset') {
      reset(to);
      reset(from);
      return;
    }
    to.end();
    from.destroy();
  };
  if (cutAfterBytes === 0) cutOff();
  for await (const whole of from.iterator({ destroyOnReturn: false })) {
    if (isSwallowing) continue;
    const chunk = corrupt(whole as Buffer, corruptAt - passed).subarray(0, cutAfterBytes - passed);
    if (delayMs !== undefined) await pause(delayMs);
    const step = drip?.bytes ?? chunk.length;
    for (let at = 0; at < chunk.length; at += step) {
      if (at > 0) await pause(drip?.everyMs);
      await write(to, chunk.subarray(at, at + step));
    }
    passed += chunk.length;
    if (passed >= cutAfterBytes) cutOff();
  }
  if (!isSwallowing) to.end();
};

const connectTo = (address: Address): net.Socket =>
  address.kind === 'unix'
    ? net.connect({ path: address.path, allowHalfOpen: true })
    : net.connect({ host: address.host, port: address.port, allowHalfOpen: true, noDelay: true });

export class FaultProxy {
  readonly #server: net.Server;
  readonly #target: Address;
  readonly #sockets = new Set<net.Socket>();
  readonly #next: Fault[] = [];
  #always: Fault = {};
  /** Accepted so far. */
  accepted = 0;

  /** `at`: where it listens; port 0 for any. */
  static async open(at: Address, target: Address, lifetime: Lifetime): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    const server = proxy.#server;
    if (at.kind === 'unix') server.listen({ path: at.path, readableAll: true, writableAll: true });
    else server.listen(at.port, at.host);
    await once(server, 'listening');
    lifetime(() => proxy.close());
    return proxy;
  }

  private constructor(target: Address) {
    this.#target = target;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  get address(): Address {
    const bound = this.#server.address();
    if (bound === null) throw new Error('The proxy is closed.');
    return typeof bound === 'string'
      ? { kind: 'unix', path: bound }
      : { kind: 'tcp', host: bound.address, port: bound.port };
  }

  /** Open now: those of clients and those to the target. */
  get open(): number {
    return this.#sockets.size;
  }

  /** For the next connection alone; said twice, for the next two. */
  next(fault: Fault): void {
    this.#next.push(fault);
  }

  /** For every other one that comes from now on. */
  always(fault: Fault): void {
    this.#always = fault;
  }

  /** No more faults; connections that have one keep it. */
  heal(): void {
    this.#next.length = 0;
    this.#always = {};
  }

  /** Ends what stands, in the rudest way there is. */
  resetAll(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: net.Socket): void {
    this.accepted += 1;
    this.#keep(client);
    const fault = this.#next.shift() ?? this.#always;
    if (fault.refuse) reset(client);
    else if (fault.play !== undefined) fault.play(client);
    else if (fault.blackhole) client.resume();
    else this.#pass(client, fault);
  }

  #pass(client: net.Socket, fault: Fault): void {
    const server = connectTo(this.#target);
    this.#keep(server);
    // One that breaks takes the other with it.
    client.once('error', () => server.destroy());
    server.once('error', () => reset(client));
    void pump(client, server, fault.toServer ?? {}).catch(() => {});
    void pump(server, client, fault.toClient ?? {}).catch(() => {});
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
