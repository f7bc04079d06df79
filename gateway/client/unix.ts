/**
 * HTTP over a unix socket, for Node, Bun and Deno: `fetch` has no way to one. Node's modules are asked for at run time,
 * never imported, so bundles for browsers hold none of them.
 */
import type { Agent, IncomingMessage, RequestOptions } from 'node:http';
import type { Sending, Transport } from './transport.ts';

type Http = typeof import('node:http');
type Streams = typeof import('node:stream');

interface NodeModules {
  readonly http: Http;
  readonly streams: Streams;
}

const nodeModules = (): NodeModules => {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const [http, streams] = ['node:http', 'node:stream'].map((name) => process?.getBuiltinModule?.(name));
  if (http === undefined || streams === undefined)
    throw new TypeError('unix: addresses need Node 22.3, Bun 1.2 or Deno 2.1, or newer.');
  return { http: http as Http, streams: streams as Streams };
};

/** As `fetch` has them; a list of cookies stays several. */
const headersOf = ({ rawHeaders }: IncomingMessage): Headers => {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return headers;
};

/** Statuses that a Response may have no body with. */
const BODILESS = new Set([204, 205, 304]);

const toResponse = (answer: IncomingMessage, { Readable }: Streams): Response => {
  const status = answer.statusCode ?? 0;
  // Asked here, as servers replace Response by one that throws only when it is read.
  if (status < 200 || status > 599) throw new RangeError(`its status is ${status}, which is none of 200 to 599`);
  const hasBody = !BODILESS.has(status);
  if (!hasBody) answer.resume();
  const body = hasBody ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null;
  return new Response(body, { status, headers: headersOf(answer) });
};

interface Encoded {
  readonly bytes: string | Uint8Array;
  /** Of a form, which knows its boundary. */
  readonly type: string | undefined;
}

/**
 * Written as fetch would, and whole: streamed, an abort in the middle of a form makes fetch's writer push into a closed
 * stream, a rejection that nobody can handle and that ends the process.
 */
const encode = async (body: Sending['body']): Promise<Encoded> => {
  if (typeof body === 'string') return { bytes: body, type: undefined };
  const encoded = new Response(body);
  // No Buffer: it is no global in every Deno.
  return { bytes: new Uint8Array(await encoded.arrayBuffer()), type: encoded.headers.get('content-type') ?? undefined };
};

const post = async (modules: NodeModules, options: RequestOptions, sending: Sending): Promise<Response> => {
  const { http, streams } = modules;
  const { headers, body, signal } = sending;
  const { bytes, type } = await encode(body);
  return await new Promise((resolve, reject) => {
    const request = http.request({ ...options, method: 'POST', signal });
    for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
    if (type !== undefined) request.setHeader('content-type', type);
    request.on('response', (answer) => {
      try {
        resolve(toResponse(answer, streams));
      } catch (error) {
        // Thrown from here it would end the process.
        answer.destroy();
        reject(error);
      }
    });
    // Behind the answer its body tells, and there is nobody to reject.
    request.on('error', reject);
    // An answer of 101 ends the connection without a word.
    request.on('close', () => reject(new Error('it was closed')));
    request.end(bytes);
  });
};

export const unixTransport = (socketPath: string): Transport => {
  if (!socketPath.startsWith('/'))
    throw new TypeError(`unix:${socketPath} is no address of a gateway; give unix: and an absolute path.`);
  const modules = nodeModules();
  const agent: Agent = new modules.http.Agent({ keepAlive: true });
  return {
    send: async (path, sending) => await post(modules, { agent, socketPath, path }, sending),
    close: () => agent.destroy(),
  };
};
