/** The way to a gateway: `fetch` everywhere, `node:http` for a unix socket. */
import { unixTransport } from './unix.ts';

export interface Sending {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData | Blob;
  readonly signal: AbortSignal;
}

export interface Transport {
  /** POST to a path below the gateway's URL; rejects as `fetch` does. Redirects are answers, not followed. */
  send(path: string, sending: Sending): Promise<Response>;
  /** Ends kept connections that carry nothing. */
  close(): void;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const fetchTransport = (base: string, ownFetch: Fetch | undefined): Transport => ({
  send: async (path, { headers, body, signal }) => {
    // Looked up for each call: instrumentation replaces the global one after clients were made.
    const send: Fetch = ownFetch ?? ((url, init) => globalThis.fetch(url, init));
    return await send(`${base}${path}`, { method: 'POST', headers, body, signal, redirect: 'manual' });
  },
  // The runtime keeps and ends them.
  close: () => undefined,
});

/** Pages may leave out the origin; elsewhere there is none to add. */
const hasOrigin = (): boolean => 'location' in globalThis;

export const transportTo = (url: string, ownFetch: Fetch | undefined): Transport => {
  if (typeof url !== 'string') throw new TypeError('createClient needs { url }, the address of the gateway.');
  if (url.startsWith('unix:')) return unixTransport(url.slice('unix:'.length));
  const isRelative = !/^[a-z][a-z0-9+.-]*:/i.test(url);
  if (isRelative ? !hasOrigin() : !/^https?:\/\/./i.test(url))
    throw new TypeError(`${JSON.stringify(url)} is no address of a gateway; give http://, https:// or unix:/path.`);
  return fetchTransport(url.replace(/\/+$/, ''), ownFetch);
};
