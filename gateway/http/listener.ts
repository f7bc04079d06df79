/** A listening HTTP server with limits on everything a client can stretch: time, size, count. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type ServerOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { GatewayError } from '../errors.ts';
import { StartupError } from '../startup.ts';
import { problemBody, problemHeaders } from './problem.ts';

export interface ListenerOptions {
  readonly fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>;
  /** For messages: the setting that says where to listen. */
  readonly setting: string;
  readonly at: { readonly host: string; readonly port: number } | { readonly socket: string };
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly headersMaxBytes: number;
  readonly maxConnections: number;
  readonly maxRequestsPerSocket: number;
}

export interface Listener {
  /** `http://127.0.0.1:8080` or `unix:/path`. */
  readonly url: string;
  /** Refuses new connections; resolves when the last answer is out. */
  close(): Promise<void>;
  /** Ends all connections now. */
  destroy(): void;
}

const CONTEXT = { callId: undefined, traceId: undefined, expose: false };
const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

const parserError = (error: NodeJS.ErrnoException): GatewayError => {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError(
        'headers-too-large',
        'The request line and headers are larger than http.headersMaxBytes.',
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request-timeout', 'The request had not arrived within its time limit.');
    default:
      return new GatewayError('bad-request', `The request is not valid HTTP (${error.code ?? 'unknown'}).`);
  }
};

/** Node answers what its parser refuses with an empty body; callers get a problem here too. */
const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const failure = parserError(error);
  const body = JSON.stringify(problemBody(failure, CONTEXT));
  const headers = {
    ...problemHeaders(failure),
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${failure.status} ${REASONS[failure.status] ?? 'Error'}\r\n${head.join('')}\r\n${body}`);
};

const listen = (server: Server, { at, setting }: ListenerOptions): Promise<string> =>
  new Promise((resolve, reject) => {
    const target = 'socket' in at ? { path: at.socket } : at;
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = 'socket' in at ? at.socket : `${at.host}:${at.port}`;
      const detail =
        error.code === 'EADDRINUSE'
          ? `${where} is in use by another program: stop it, or choose another (PORT=8090, or ${setting} in the config).`
          : `Cannot listen on ${where}: ${error.code ?? error.message}. Choose another address in ${setting}.`;
      reject(new StartupError([{ file: setting, detail }], { cause: error }));
    });
    server.listen(target, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') resolve(`unix:${address}`);
      else resolve(`http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`);
    });
  });

export const openListener = async (options: ListenerOptions): Promise<Listener> => {
  const serverOptions: ServerOptions = {
    maxHeaderSize: options.headersMaxBytes,
    headersTimeout: Math.min(options.headersTimeoutMs, options.requestTimeoutMs),
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    // How late a time limit may strike; Node's default is 30 s.
    connectionsCheckingInterval: 1000,
    noDelay: true,
  };
  const respond = getRequestListener((request, env) => options.fetch(request, env as HttpBindings), {
    overrideGlobalObjects: false,
  });
  let draining = false;
  const server = createServer(serverOptions, (incoming, outgoing) => {
    if (draining) outgoing.setHeader('connection', 'close');
    void respond(incoming, outgoing);
  });
  server.maxConnections = options.maxConnections;
  server.maxRequestsPerSocket = options.maxRequestsPerSocket;
  server.on('clientError', onClientError);
  server.on('checkExpectation', (_incoming, outgoing) => {
    const failure = new GatewayError('expectation-failed', 'Only Expect: 100-continue is known.');
    outgoing.writeHead(failure.status, problemHeaders(failure)).end(JSON.stringify(problemBody(failure, CONTEXT)));
  });
  // A socket file of a gateway that was killed; one in use refuses to be bound all the same.
  if ('socket' in options.at) await removeStaleSocket(options.at.socket);
  const url = await listen(server, options);
  return {
    url,
    close: () => {
      draining = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      });
    },
    destroy: () => server.closeAllConnections(),
  };
};

const removeStaleSocket = async (path: string): Promise<void> => {
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = connect({ path }, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (!inUse) rmSync(path, { force: true });
};
