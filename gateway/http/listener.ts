/** A listening HTTP server with limits on everything a client can stretch: time, size, count. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server';
import type { Descriptors } from '../descriptors.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Log } from '../log.ts';
import { BROKEN_BODY } from './body.ts';
import type { HttpEnv } from './context.ts';
import { Connection, Exchange } from './exchange.ts';
import { writeAnswer } from './http-answer.ts';
import { type Address, type Bound, type Inherited, listen } from './listen.ts';
import { problemAnswer, problemBody, problemHeaders, problemResponse } from './problem.ts';
import { restConnections } from './rest.ts';
import { closeSoftly, drain } from './soft-close.ts';

export interface ListenerOptions {
  readonly fetch: (request: Request, env: HttpEnv['Bindings']) => Response | Promise<Response>;
  /** Asked first: answers without the detour over web requests and responses, or does not (undefined). */
  readonly serve?: ((exchange: Exchange) => Promise<void> | undefined) | undefined;
  /** For messages: the setting that says where to listen. */
  readonly setting: string;
  readonly at: Address;
  /** Listens already: taken over from the process that made it. */
  readonly inherited?: Inherited | undefined;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For the slowest of all requests to arrive. */
  readonly longestArrivalMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly headersMaxBytes: number;
  readonly maxConnections: number;
  readonly maxRequestsPerSocket: number;
  /** Callers from outside wait for room; absent: those that are let in whatever there is, as calls under way need them. */
  readonly descriptors?: Descriptors;
  readonly log: Log;
}

export interface Listener {
  /** `http://127.0.0.1:8080` or `unix:/path`. */
  readonly url: string;
  /** For a process that takes over. */
  readonly bound: Bound;
  /**
   * Refuses new connections and lets the others go without losing a request that is on its way: each is answered once
   * more, with `Connection: close`, or is quiet for that long. Resolves when none promises to take another request, at
   * the latest after `maxMs`.
   */
  rest(idleMs: () => number, maxMs: number): Promise<void>;
  /**
   * Refuses new connections at once. When `work` is done, ends those that wait for nothing; answers still on their
   * way have `graceMs` to arrive.
   */
  close(work: Promise<unknown>, graceMs: number): Promise<void>;
  /** Ends all connections now. */
  destroy(): void;
}

const CONTEXT = { callId: undefined, traceId: undefined, expose: false };
const CHECK_EVERY_MS = 1000;
/** No address, so that nobody trusts it. */
const UNKNOWN_PEER = 'unknown';
const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
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

/** For what Node's parser refuses, where there is no ServerResponse: callers get a problem here too. */
const answerRaw = (socket: Socket, failure: GatewayError): void => {
  if (!socket.writable) return;
  const body = JSON.stringify(problemBody(failure, CONTEXT));
  const headers = {
    ...problemHeaders(failure),
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${failure.status} ${REASONS[failure.status] ?? 'Error'}\r\n${head.join('')}\r\n${body}`);
  closeSoftly(socket);
};

/** Answers stay in order: a request that cannot be parsed is told so after the answers to those before it. */
const onParserError = (error: NodeJS.ErrnoException, socket: Socket, connection: Connection): void => {
  if (connection.broken) return;
  connection.broken = true;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { unanswered } = connection;
  const last = unanswered.at(-1)?.outgoing;
  if (last === undefined) {
    answerRaw(socket, parserError(error));
  } else if (last.req.complete) {
    last.once('close', () => answerRaw(socket, parserError(error)));
  } else if (unanswered.length === 1 && !last.headersSent) {
    // The error is in the body of this very request.
    answerRaw(socket, parserError(error));
  } else if (unanswered.length === 1 && last.req.listenerCount(BROKEN_BODY) > 0) {
    // Whoever reads it while it answers already says so, and then nothing can follow.
    last.once('close', () => closeSoftly(socket));
    last.req.emit(BROKEN_BODY, parserError(error));
  } else {
    closeSoftly(socket);
  }
};

const refuseWithoutRoom = (socket: Socket, connection: Connection, descriptors: Descriptors | undefined): void => {
  const admittance = descriptors?.opened() ?? 'admit';
  if (descriptors === undefined || admittance === 'admit') return;
  connection.refused = true;
  connection.broken = true;
  if (admittance === 'refuse') answerRaw(socket, descriptors.refusal());
  else socket.destroy();
};

const onThrown = (thrown: unknown): Response => {
  const failure =
    thrown instanceof RequestError
      ? new GatewayError('bad-request', `The request target or Host header is not valid: ${thrown.message}.`)
      : toGatewayError(thrown);
  return problemResponse(failure, CONTEXT, {});
};

const onExpectation = (_incoming: IncomingMessage, outgoing: ServerResponse): void => {
  const failure = new GatewayError('expectation-failed', 'Only Expect: 100-continue is known.');
  const body = JSON.stringify(problemBody(failure, CONTEXT));
  const headers = { ...problemHeaders(failure), connection: 'close', 'content-length': Buffer.byteLength(body) };
  outgoing.writeHead(failure.status, headers).end(body);
};

const nodeOptions = (options: ListenerOptions): ServerOptions => ({
  maxHeaderSize: options.headersMaxBytes,
  headersTimeout: Math.min(options.headersTimeoutMs, options.requestTimeoutMs),
  // Those who read bodies time each, and they shall strike first.
  requestTimeout: options.longestArrivalMs + CHECK_EVERY_MS,
  // By `endIdle`.
  keepAliveTimeout: 0,
  // How late a time limit may strike; Node's default is 30 s.
  connectionsCheckingInterval: CHECK_EVERY_MS,
  // Checked by our own rules: Node's answer has no body.
  requireHostHeader: false,
  noDelay: true,
});

/** Ends connections on which nothing happens for that long, or a look later; 0: none. */
const endIdle = (connections: ReadonlyMap<Socket, Connection>, timeoutMs: number): NodeJS.Timeout | undefined => {
  if (timeoutMs === 0) return undefined;
  const look = (): void => {
    const nowMs = performance.now();
    for (const [socket, connection] of connections)
      if (connection.idleMs(nowMs, socket.bytesRead) >= timeoutMs && !socket.writableEnded) closeSoftly(socket);
  };
  return setInterval(look, Math.min(CHECK_EVERY_MS, Math.ceil(timeoutMs / 2))).unref();
};

/** `resting`: whoever asks is answered, and told to come no more. `closing`: who waits for nothing is sent away. */
type Phase = 'open' | 'resting' | 'closing';

class OpenListener implements Listener {
  readonly url: string;
  readonly bound: Bound;
  phase: Phase = 'open';
  readonly #server: Server;
  readonly #connections: ReadonlyMap<Socket, Connection>;
  #accepts: Promise<void> | undefined;

  constructor(bound: Bound, server: Server, connections: ReadonlyMap<Socket, Connection>) {
    this.url = bound.url;
    this.bound = bound;
    this.#server = server;
    this.#connections = connections;
  }

  async rest(idleMs: () => number, maxMs: number): Promise<void> {
    if (this.phase === 'open') this.phase = 'resting';
    void this.#refuse();
    await restConnections(this.#connections, idleMs, maxMs);
  }

  async close(work: Promise<unknown>, graceMs: number): Promise<void> {
    this.phase = 'closing';
    const closed = this.#refuse();
    for (const [socket, connection] of this.#connections)
      if (connection.unanswered.length === 0) closeSoftly(socket);
      else connection.last();
    await work;
    for (const [socket, { unanswered }] of this.#connections) {
      const awaited = unanswered.some(({ incoming, outgoing }) => incoming.complete || outgoing.headersSent);
      if (!awaited) closeSoftly(socket);
    }
    const timer = setTimeout(() => this.destroy(), graceMs);
    await closed;
    clearTimeout(timer);
    // Ends the timer that looks for slow requests.
    this.#server.close();
  }

  destroy(): void {
    this.#server.close();
    this.bound.path?.remove();
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** Resolves when there is no connection any more. */
  #refuse(): Promise<void> {
    this.#accepts ??= new Promise((resolve) => {
      // Not the close() of http: it cuts off answers that are written but not yet sent (Node 24).
      NetServer.prototype.close.call(this.#server, () => resolve());
      this.bound.path?.remove();
    });
    return this.#accepts;
  }
}

export const openListener = async (options: ListenerOptions): Promise<Listener> => {
  const { fetch, serve, log, descriptors } = options;
  const connections = new Map<Socket, Connection>();
  let listener: OpenListener | undefined;
  let isUnix = false;
  const { keepAliveTimeoutMs } = options;
  const keepAlive = keepAliveTimeoutMs === 0 ? undefined : `timeout=${Math.floor(keepAliveTimeoutMs / 1000)}`;
  /** Of those that go the long way. */
  const exchanges = new WeakMap<ServerResponse, Exchange>();
  const respond = getRequestListener(
    (request, env) => fetch(request, exchanges.get((env as HttpBindings).outgoing) ?? {}),
    {
      hostname: 'localhost',
      // Hono's own Response, for this process: a third less CPU for a refusal, a fifth for a call.
      overrideGlobalObjects: true,
      errorHandler: (thrown) => {
        if (!(thrown instanceof RequestError)) log.error({ err: thrown }, 'a bug of the gateway');
        return onThrown(thrown);
      },
    },
  );
  const onBug = (thrown: unknown, { outgoing }: Exchange): void => {
    log.error({ err: thrown }, 'a bug of the gateway');
    if (outgoing.headersSent) outgoing.destroy();
    else writeAnswer(problemAnswer(toGatewayError(thrown), CONTEXT, {}), outgoing, undefined);
  };
  const server = createServer(nodeOptions(options), (incoming, outgoing) => {
    const { socket } = incoming;
    // It crossed the end of the connection, where no answer can follow: its caller may safely ask again.
    if (socket.writableEnded) {
      incoming.resume();
      return;
    }
    const connection = connections.get(socket);
    if (connection?.refused) return;
    const phase = listener?.phase ?? 'open';
    const peer = connection === undefined ? UNKNOWN_PEER : connection.peer;
    const exchange = new Exchange(incoming, outgoing, { peer, keepAlive });
    // Its socket has closed, though what it sent is parsed still.
    if (connection === undefined) exchange.leave();
    connection?.asked(exchange);
    if (phase !== 'open') connection?.last();
    const served = serve?.(exchange);
    outgoing.on('close', () => {
      connection?.answered(exchange);
      if (listener?.phase === 'closing' && connection?.unanswered.length === 0) closeSoftly(socket);
      // For the others node-server does it.
      if (served !== undefined) drain(incoming);
    });
    if (served === undefined) {
      exchanges.set(outgoing, exchange);
      if (keepAlive !== undefined && outgoing.shouldKeepAlive && phase === 'open')
        outgoing.setHeader('keep-alive', keepAlive);
      void respond(incoming, outgoing);
    } else {
      served.catch((thrown: unknown) => onBug(thrown, exchange));
    }
  });
  server.maxConnections = options.maxConnections;
  server.maxRequestsPerSocket = options.maxRequestsPerSocket;
  server.on('connection', (socket: Socket) => {
    const peer = isUnix ? undefined : (socket.remoteAddress ?? UNKNOWN_PEER);
    const connection = new Connection(peer);
    connections.set(socket, connection);
    socket.destroySoon = () => closeSoftly(socket);
    socket.on('close', () => {
      connections.delete(socket);
      connection.left();
      descriptors?.closed();
    });
    refuseWithoutRoom(socket, connection, descriptors);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    if (connection === undefined) socket.destroy();
    else onParserError(error, socket, connection);
  });
  server.on('checkExpectation', onExpectation);
  server.on('connect', (_incoming: IncomingMessage, socket: Socket) => {
    // From here on Node listens no more: a reset would end the process.
    socket.on('error', () => socket.destroy()).resume();
    const headers = { allow: 'GET, HEAD, POST, OPTIONS' };
    answerRaw(socket, new GatewayError('method-not-allowed', 'This is no proxy: CONNECT is refused.', { headers }));
  });
  const bound = await listen(server, options);
  isUnix = bound.path !== undefined || bound.url.startsWith('unix:');
  const idleTimer = endIdle(connections, keepAliveTimeoutMs);
  server.once('close', () => clearInterval(idleTimer));
  listener = new OpenListener(bound, server, connections);
  return listener;
};
