/** The proxy does what it is told, or what the harness says about the gateway would be about nothing. */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Address } from '../../gateway/address.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { until } from '../support/until.ts';
import { type Fault, FaultProxy } from './fault-proxy.ts';

const listenAt = (kind: Address['kind']): Address =>
  kind === 'unix' ? { kind, path: join(temporaryFolder(), 'proxy.sock') } : { kind: 'tcp', host: '127.0.0.1', port: 0 };

interface Ends {
  readonly proxy: FaultProxy;
  /** What the server has received on its last connection, all of it answered in upper case. */
  readonly received: () => string;
  connect(): Visitor;
}

/** A client that writes down what happens to it. */
class Visitor {
  readonly socket: net.Socket;
  text = '';
  state: 'open' | 'ended' | 'reset' = 'open';

  constructor(address: Address) {
    this.socket =
      address.kind === 'unix' ? net.connect({ path: address.path }) : net.connect(address.port, address.host);
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString();
    });
    this.socket.on('end', () => {
      if (this.state === 'open') this.state = 'ended';
    });
    this.socket.on('error', () => {
      this.state = 'reset';
    });
    thisTest(() => void this.socket.destroy());
  }
}

const openEnds = async (kind: Address['kind'], fault: Fault): Promise<Ends> => {
  let received = '';
  const server = net.createServer((socket) => {
    received = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write(bytes.toString().toUpperCase());
    });
  });
  const at = listenAt(kind);
  if (at.kind === 'unix') server.listen(at.path);
  else server.listen(at.port, at.host);
  await once(server, 'listening');
  thisTest(() => void server.close());
  const bound = server.address();
  const target: Address =
    typeof bound === 'object' && bound !== null ? { kind: 'tcp', host: '127.0.0.1', port: bound.port } : at;
  const proxy = await FaultProxy.open(listenAt(kind), target, thisTest);
  proxy.next(fault);
  return { proxy, received: () => received, connect: () => new Visitor(proxy.address) };
};

describe.each(['tcp', 'unix'] as const)('over %s', (kind) => {
  test('without a fault all bytes pass, both ways, and an end is passed on', async () => {
    const { proxy, connect } = await openEnds(kind, {});
    const visitor = connect();
    visitor.socket.end('a'.repeat(300_000));
    await until('it is answered and ended', () => visitor.state === 'ended');
    expect(visitor.text).toBe('A'.repeat(300_000));
    await until('nothing stays open', () => proxy.open === 0);
  });

  test('an answer is cut after so many bytes, and the connection ends', async () => {
    const { connect } = await openEnds(kind, { toClient: { cutAfterBytes: 3 } });
    const visitor = connect();
    visitor.socket.write('abcdef');
    await until('it ends', () => visitor.state === 'ended');
    expect(visitor.text).toBe('ABC');
  });

  test('a request is cut after so many bytes', async () => {
    const { connect, received } = await openEnds(kind, { toServer: { cutAfterBytes: 2, cut: 'half-open' } });
    const visitor = connect();
    visitor.socket.write('abcdef');
    await until('the answer to what passed has come', () => visitor.text === 'AB');
    expect([received(), visitor.state]).toEqual(['ab', 'open']);
  });

  test('half-open swallows the answer and tells nobody', async () => {
    const { connect, received } = await openEnds(kind, { toClient: { cutAfterBytes: 0, cut: 'half-open' } });
    const visitor = connect();
    visitor.socket.write('abc');
    await until('the server has it', () => received() === 'abc');
    expect([visitor.text, visitor.state]).toEqual(['', 'open']);
  });

  test('one byte arrives changed', async () => {
    const { connect } = await openEnds(kind, { toServer: { corruptAt: 1 } });
    const visitor = connect();
    visitor.socket.write('abc');
    await until('it is answered', () => visitor.text.length >= 3);
    expect([visitor.text[0], visitor.text[1] === 'B']).toEqual(['A', false]);
  });

  test('drips arrive whole', async () => {
    const { connect } = await openEnds(kind, { toClient: { drip: { bytes: 1, everyMs: 1 }, delayMs: 1 } });
    const visitor = connect();
    visitor.socket.write('abcdef');
    await until('all of it has come', () => visitor.text === 'ABCDEF');
  });

  test('a black hole takes everything and reaches nobody', async () => {
    const { proxy, connect } = await openEnds(kind, { blackhole: true });
    const visitor = connect();
    visitor.socket.write('abc');
    await until('it is accepted', () => proxy.accepted === 1);
    expect([visitor.text, visitor.state, proxy.open]).toEqual(['', 'open', 1]);
  });

  test('a fault is for one connection: the next one has none', async () => {
    const { connect } = await openEnds(kind, { refuse: true });
    const first = connect();
    await until('the first is gone', () => first.state !== 'open');
    const second = connect();
    second.socket.write('abc');
    await until('the second is answered', () => second.text === 'ABC');
  });
});

test('over tcp a reset is a reset', async () => {
  const { connect } = await openEnds('tcp', { toClient: { cutAfterBytes: 3, cut: 'reset' } });
  const visitor = connect();
  visitor.socket.write('abcdef');
  await until('it is over', () => visitor.state !== 'open');
  expect(visitor.state).toBe('reset');
});
