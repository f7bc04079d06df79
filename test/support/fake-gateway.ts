/** An HTTP server that answers as a test tells it: what a real gateway does not do on demand. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Lifetime, thisTest } from './lifetime.ts';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** From 1. */
  readonly count: number;
  /** Begins an answer of our protocol. */
  answer(headers?: Readonly<Record<string, string>>, status?: number): ServerResponse;
  /** A whole one. */
  json(value: unknown): void;
  problem(problem: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>): void;
  /** Ends the connection without an answer. */
  reset(): void;
}

/** Resolves to its URL. `address`: a socket's path instead of a free port. */
export const fakeGateway = async (
  tell: (asked: Asked) => void | Promise<void>,
  { lifetime = thisTest, address }: { lifetime?: Lifetime; address?: string } = {},
): Promise<string> => {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    const own = { 'fpm-gateway-protocol': '1', 'trace-id': 'ab'.repeat(16), 'request-id': 'r' };
    const answer: Asked['answer'] = (headers = {}, status = 200) => response.writeHead(status, { ...own, ...headers });
    const asked = {
      path: request.url ?? '',
      headers: request.headers,
      count,
      answer,
      json: (value: unknown) => answer({ 'content-type': 'application/json' }).end(JSON.stringify(value)),
      problem: (problem: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}) =>
        answer({ 'content-type': 'application/problem+json', ...headers }, Number(problem.status)).end(
          JSON.stringify(problem),
        ),
      reset: () => response.socket?.resetAndDestroy(),
    };
    // A caller that leaves while it sends is no failure of a test.
    void text(request).then(
      (body) => tell({ ...asked, body }),
      () => undefined,
    );
  });
  await once(server.listen(address ?? { port: 0, host: '127.0.0.1' }), 'listening');
  lifetime(() => {
    server.closeAllConnections();
    server.close();
  });
  return address === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${address}`;
};
