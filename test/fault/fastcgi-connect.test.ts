/** Peers that cannot be reached: `pool-unavailable`, and nothing has run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Address, Connection } from '../../gateway/fastcgi/index.ts';
import { answer, answerPing, fakeFastCgi, readRequest, serve, socketPath, stall } from '../support/fake-fastcgi.ts';
import { bodyText, call, connect } from './fastcgi-client.ts';

const refusal = async (address: Address, timeoutMs = 10_000): Promise<unknown> =>
  await Connection.open(address, { timeoutMs }).then(
    (connection) => {
      connection.destroy();
      throw new Error('it connected');
    },
    (error: unknown) => error,
  );

const unreachable = (why: string): object => ({
  code: 'pool-unavailable',
  executed: 'no',
  message: expect.stringContaining(why),
});

/** A peer that listens and never accepts: its process sleeps for good. Resolves with the port, 0 for unix. */
const listenAsleep = async (target: string, backlog: number): Promise<number> => {
  const script = `
    const server = require('node:net').createServer();
    server.listen({ ...${target}, backlog: ${backlog} }, () => {
      require('node:fs').writeSync(1, (server.address().port ?? 0) + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  const [line] = await once(child.stdout, 'data');
  return Number(String(line));
};

describe('refused', () => {
  test('no such socket', async () => {
    expect(await refusal({ kind: 'unix', path: socketPath() })).toMatchObject(unreachable('ENOENT'));
  });

  test('a socket file whose master has gone', async () => {
    const path = socketPath();
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await once(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }), 'close');
    expect(await refusal({ kind: 'unix', path })).toMatchObject(unreachable('ECONNREFUSED'));
  });

  test('a path longer than a socket address holds', async () => {
    expect(await refusal({ kind: 'unix', path: `/tmp/${'x'.repeat(200)}` })).toMatchObject(unreachable('EINVAL'));
  });

  test('a port nobody listens on', async () => {
    const server = await fakeFastCgi('tcp');
    await server.close();
    expect(await refusal(server.address)).toMatchObject(unreachable('ECONNREFUSED'));
  });

  test('a name with two addresses, of which none answers', async () => {
    const server = await fakeFastCgi('tcp');
    await server.close();
    if (server.address.kind !== 'tcp') throw new Error('not TCP');
    const { port } = server.address;
    expect(await refusal({ kind: 'tcp', host: 'localhost', port })).toMatchObject(unreachable('ECONNREFUSED'));
  });
});

describe('full', () => {
  test('a full backlog on a unix socket says EAGAIN at once', async () => {
    const path = socketPath();
    await listenAsleep(JSON.stringify({ path }), 1);
    const sockets: net.Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    // A backlog of n holds n + 1.
    for (let i = 0; i < 2; i += 1) {
      const socket = net.connect(path);
      sockets.push(socket);
      await once(socket, 'connect');
    }
    expect(await refusal({ kind: 'unix', path })).toMatchObject(unreachable('EAGAIN'));
  });

  test('a full backlog on TCP says nothing: the connect timeout ends it', async () => {
    const port = await listenAsleep(JSON.stringify({ port: 0, host: '127.0.0.1' }), 1);
    const sockets: net.Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (let i = 0; i < 2; i += 1) {
      const socket = net.connect({ port, host: '127.0.0.1' });
      sockets.push(socket);
      await once(socket, 'connect');
    }
    const error = await refusal({ kind: 'tcp', host: '127.0.0.1', port }, 50);
    expect(error).toMatchObject(unreachable('no answer within 50 ms'));
  });
});

describe('reached', () => {
  test.each(['unix', 'tcp'] as const)(
    'over %s: a request is answered, and the next on the same connection',
    async (kind) => {
      const server = await fakeFastCgi(kind, [serve('one'), serve('two'), stall]);
      const connection = await connect(server.address);
      for (const body of ['one', 'two']) {
        const outcome = await call(connection, { params: [['A', body]] });
        expect(outcome).toMatchObject({
          code: 'ok',
          progress: { sent: 'complete', ping: 'answered', ended: true, readToEnd: false },
        });
        expect(bodyText(outcome)).toBe(body);
      }
      expect(server.peers).toHaveLength(1);
      expect(server.peer.requests.map(({ params }) => params[0])).toEqual([
        ['A', 'one'],
        ['A', 'two'],
      ]);
      expect(connection).toMatchObject({ usable: true, busy: false });
    },
  );

  test('by a name whose first address refuses', async () => {
    const server = await fakeFastCgi('tcp', [serve('found'), stall]);
    if (server.address.kind !== 'tcp') throw new Error('not TCP');
    const connection = await connect({ ...server.address, host: 'localhost' });
    expect(bodyText(await call(connection))).toBe('found');
  });

  test('without a ping, none is sent', async () => {
    const server = await fakeFastCgi('unix', [readRequest, answer('plain'), stall]);
    const outcome = await call(await connect(server.address), { ping: false });
    expect(outcome).toMatchObject({ code: 'ok', progress: { ping: 'unused' } });
    expect(server.peer.records.map(({ type }) => type)).toEqual([1, 4, 4, 5, 5]);
  });

  test('a ping alone tells the values of the peer', async () => {
    const server = await fakeFastCgi('unix', [answerPing, stall]);
    const connection = await connect(server.address);
    expect(await connection.ping()).toEqual([['FCGI_MPXS_CONNS', '0']]);
  });
});
