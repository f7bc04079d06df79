/** Where a listener listens: an address of its own, or a socket that it takes over. */
import type { Server } from 'node:http';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { SocketPath } from './socket-path.ts';

export type Address = { readonly host: string; readonly port: number } | { readonly socket: string };

/** A listening socket that another process made. */
export interface Inherited {
  readonly fd: number;
  /** Of a unix socket, as far as it is known. */
  readonly path?: string | undefined;
  /** Where the settings of its maker wanted it; undefined: its maker is no gateway, and the settings do not count. */
  readonly at?: string | undefined;
  /** Its path goes when the gateway stops; systemd's stays. */
  readonly owned: boolean;
}

/** A socket that listens. */
export interface Bound {
  /** `http://127.0.0.1:8080` or `unix:/path`. */
  readonly url: string;
  /** Its descriptor in this process. */
  readonly fd: number;
  /** Of a unix socket. */
  readonly path: SocketPath | undefined;
  readonly at: string | undefined;
  readonly owned: boolean;
}

/** As the settings say it, to be compared. */
export const addressText = (at: Address): string => ('socket' in at ? `unix:${at.socket}` : `${at.host}:${at.port}`);

interface ListenOptions {
  readonly at: Address;
  readonly inherited?: Inherited | undefined;
  readonly setting: string;
  readonly log: Log;
}

const problem = ({ at, inherited, setting }: ListenOptions, error: NodeJS.ErrnoException): StartupError => {
  const where = 'socket' in at ? at.socket : `${at.host}:${at.port}`;
  const why = error.code ?? error.message;
  if (inherited !== undefined) {
    const detail = `Cannot listen on the socket that was passed as descriptor ${inherited.fd}: ${why}. Pass a stream socket that is bound.`;
    return new StartupError([{ file: setting, detail }], { cause: error });
  }
  const detail =
    error.code === 'EADDRINUSE'
      ? `${where} is in use by another program: stop it, or choose another (PORT=8090, or ${setting} in the config).`
      : `Cannot listen on ${where}: ${why}. Choose another address in ${setting}.`;
  return new StartupError([{ file: setting, detail }], { cause: error });
};

const urlOf = (server: Server, path: SocketPath | undefined, fd: number): string => {
  const address = server.address();
  if (address === null || typeof address === 'string') return `unix:${path?.path ?? `descriptor ${fd}`}`;
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
};

/** Node has no public name for it. */
const descriptorOf = (server: Server): number => (server as { _handle?: { fd?: number } })._handle?.fd ?? -1;

const listening = (server: Server, target: object): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(target, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** Rejects with StartupError. */
export const listen = async (server: Server, options: ListenOptions): Promise<Bound> => {
  const { at, inherited, log } = options;
  const name = inherited === undefined && 'socket' in at ? at.socket : inherited?.path;
  const path = name === undefined ? undefined : new SocketPath(name);
  try {
    if (inherited !== undefined) {
      await listening(server, { fd: inherited.fd });
    } else if (path === undefined) {
      await listening(server, at);
    } else {
      await path.clear();
      await listening(server, { path: path.bindPath });
      path.settle();
    }
  } catch (error) {
    server.close();
    throw problem(options, error as NodeJS.ErrnoException);
  }
  // A connection that cannot be accepted (too many open files) must not end the others.
  server.on('error', (error) => log.error({ err: error }, 'cannot accept a connection'));
  const fd = descriptorOf(server);
  const made = { at: addressText(at), owned: true };
  return { url: urlOf(server, path, fd), fd, path, at: (inherited ?? made).at, owned: (inherited ?? made).owned };
};
