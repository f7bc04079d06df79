/** Something that listens where a gateway should, and answers each request as a test says: also wrongly, or not at all. */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { type Lifetime, temporaryFolder, thisTest } from './lifetime.ts';

export interface ScriptedRequest {
  readonly socket: Socket;
  /** Which of all requests, from 1. */
  readonly number: number;
  /** Which connection it came on, from 1. */
  readonly connection: number;
  readonly head: string;
  readonly body: string;
}

export interface ScriptedGateway {
  /** `unix:…` or, where TCP was asked for, `http://…`. */
  readonly address: string;
  readonly requests: readonly ScriptedRequest[];
  readonly connections: () => number;
}

interface Parsed {
  readonly head: string;
  readonly body: string;
  readonly rest: Buffer;
}

const parse = (bytes: Buffer): Parsed | undefined => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = bytes.subarray(0, end).toString('latin1');
  const start = end + 4;
  if (/^transfer-encoding: chunked$/im.test(head)) {
    const last = bytes.indexOf('0\r\n\r\n', start);
    if (last === -1) return undefined;
    const chunks = bytes.subarray(start, last).toString('latin1');
    return { head, body: chunks, rest: bytes.subarray(last + 5) };
  }
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  if (bytes.length < start + length) return undefined;
  return { head, body: bytes.subarray(start, start + length).toString('latin1'), rest: bytes.subarray(start + length) };
};

export interface ScriptedOptions {
  readonly tcp?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Takes the connection as it is, before anything is read. */
  readonly onConnection?: (socket: Socket, connection: number) => void;
  readonly lifetime?: Lifetime;
}

export const scriptedGateway = async (
  answer: (request: ScriptedRequest) => void,
  { tcp = false, tls, onConnection, lifetime = thisTest }: ScriptedOptions = {},
): Promise<ScriptedGateway> => {
  const requests: ScriptedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const accept = (socket: Socket): void => {
    connections += 1;
    const connection = connections;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (onConnection !== undefined) {
      onConnection(socket, connection);
      return;
    }
    let unread = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      unread = Buffer.concat([unread, bytes]);
      for (let parsed = parse(unread); parsed !== undefined; parsed = parse(unread)) {
        unread = Buffer.from(parsed.rest);
        const { head, body } = parsed;
        const request = { socket, number: requests.length + 1, connection, head, body };
        requests.push(request);
        answer(request);
      }
    });
  };
  const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
  const path = join(temporaryFolder(lifetime), 'gateway.sock');
  await new Promise<void>((resolve) => {
    if (tcp || tls !== undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  lifetime(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  const address = tls !== undefined ? `https://localhost:${port}` : tcp ? `http://127.0.0.1:${port}` : `unix:${path}`;
  return { address, requests, connections: () => connections };
};

const OURS = 'fpm-gateway-protocol: 1\r\ntrace-id: 0123456789abcdef0123456789abcdef\r\n';

/** As a gateway answers. */
export const answerOf = (value: unknown, { status = 200, headers = '', type = 'application/json' } = {}): string => {
  const body = typeof value === 'string' && type !== 'application/json' ? value : JSON.stringify(value);
  const length = Buffer.byteLength(body);
  return `HTTP/1.1 ${status} Said\r\n${OURS}content-type: ${type}\r\n${headers}content-length: ${length}\r\n\r\n${body}`;
};

export const problemOf = (status: number, problem: object, headers = ''): string =>
  answerOf(JSON.stringify({ status, ...problem }), { status, headers, type: 'application/problem+json' });

export const chunkedHead = (type = 'application/json', status = 200): string =>
  `HTTP/1.1 ${status} Said\r\n${OURS}content-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`;

export const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
