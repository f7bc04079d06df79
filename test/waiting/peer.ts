/** A server that is told by the path what to do, and by the line what to say. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Lifetime } from '../support/lifetime.ts';

const answer = (body: string, head = `Content-Length: ${Buffer.byteLength(body)}`): string =>
  `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`;

const ANSWERS: Readonly<Record<string, string>> = {
  '/close': answer('until the end', 'Connection: close'),
  '/chunked': 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  '/redirect': 'HTTP/1.1 302 Found\r\nLocation: /close\r\nContent-Length: 0\r\n\r\n',
  '/large': answer('x'.repeat(1_000_000)),
  '/length': answer('', 'Content-Length: 100'),
  '/json': answer('{"EUR":1.1}'),
  '/junk': 'SSH-2.0-OpenSSH\r\n',
  '/early': `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${answer('late')}`,
};

export interface Peer {
  readonly address: string;
  readonly port: number;
  readonly sockets: readonly Socket[];
}

export const startPeer = async (lifetime: Lifetime, tls?: { cert: string; key: string }): Promise<Peer> => {
  const sockets: Socket[] = [];
  const serve = (socket: Socket): void => {
    sockets.push(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      text += bytes.toString();
      // Not HTTP: a line is said back.
      if (/^say .*\n$/.test(text)) socket.end(text.slice(4));
      if (text === 'PING\r\n') socket.write('+PONG\r\n');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const path = text.split(' ')[1] ?? '';
      const known = ANSWERS[path];
      if (path === '/never' || path === '/functions/never') return;
      if (path === '/slow') setTimeout(() => socket.end(answer('slow')), 200);
      else if (known === undefined) socket.end(answer(text));
      else socket.end(known);
    });
  };
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  lifetime(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { address: `127.0.0.1:${port}`, port, sockets };
};
