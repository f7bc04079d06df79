/** Where a server listens: for callers, for services of this machine, for operators. */
import { chmodSync, closeSync } from 'node:fs';
import type { Settings } from './config.ts';
import { Descriptors, fitOf, readOpenFiles } from './descriptors.ts';
import { type AdminOptions, createAdminApp } from './http/admin.ts';
import { longestArrivalMs } from './http/body.ts';
import { type Address, addressText, type Inherited } from './http/listen.ts';
import { type Listener, type ListenerOptions, openListener } from './http/listener.ts';
import type { Log } from './log.ts';
import type { Release, Way } from './release.ts';
import type { InheritedSocket, InheritedSockets, SocketName } from './sockets.ts';
import { StartupError } from './startup.ts';

export interface Listeners {
  readonly open: Listener;
  readonly admin?: Listener;
  /** For other services of this machine. */
  readonly internal?: Listener;
}

export interface ListenersOptions {
  readonly settings: Settings;
  readonly log: Log;
  readonly release: () => Release;
  readonly admin: Pick<AdminOptions, 'tracer' | 'exported' | 'actions'>;
  /** Taken over instead of made anew. */
  readonly sockets: InheritedSockets;
}

/** Which of them to take over; one that the settings want elsewhere now, or no more, is closed. */
const adopter =
  ({ sockets, log }: Pick<ListenersOptions, 'sockets' | 'log'>) =>
  (name: SocketName, at: Address | undefined): Inherited | undefined => {
    const socket = sockets.get(name);
    if (socket === undefined) return undefined;
    const isFitting = socket.at === undefined || (at !== undefined && socket.at === addressText(at));
    if (isFitting) return socket;
    log.info({ name, left: socket.at }, 'a listener is not taken over: the settings want it elsewhere');
    closeSync(socket.fd);
    return undefined;
  };

/** The settings know only the address that they name themselves. */
const assertCredential = ({ url }: Listener, { token }: Settings['admin']): void => {
  const isNear = url.startsWith('unix:') || /^http:\/\/(?:127\.|\[::1\]|\[::ffff:127\.)/.test(url);
  if (isNear || token !== undefined) return;
  const detail = `The socket that was passed for it is open to the network (${url}): set admin.token (FPMG_ADMIN__TOKEN), or pass one on 127.0.0.1.`;
  throw new StartupError([{ file: 'LISTEN_FDS', property: 'admin', detail }]);
};

/** As the next process gets them. */
export const socketsOf = (listeners: Listeners): InheritedSocket[] =>
  (
    [
      ['http', listeners.open],
      ['admin', listeners.admin],
      ['internal', listeners.internal],
    ] as const
  ).flatMap(([name, listener]) => {
    if (listener === undefined) return [];
    const { fd, at, path, owned } = listener.bound;
    return [{ name, fd, at, path: path?.path, owned }];
  });

/** Throws StartupError where not one connection would fit. */
const watchDescriptors = ({ settings, log, release }: ListenersOptions): Descriptors => {
  const { http, overload } = settings;
  const reserve = overload.descriptorsFree;
  const files = readOpenFiles();
  const workers = release()
    .gateway.pools()
    .reduce((sum, { maxWorkers }) => sum + maxWorkers, 0);
  const fit = files && fitOf(files, { workers, maxConnections: http.maxConnections, reserve });
  if (fit?.kind === 'none') throw new StartupError([{ file: 'ulimit -n', detail: fit.detail }]);
  if (fit?.kind === 'fewer') log.warn({ connections: fit.connections }, fit.detail);
  return new Descriptors({ reserve, read: readOpenFiles, clock: () => performance.now() });
};

/** Rejects with StartupError. */
export const openListeners = async (options: ListenersOptions): Promise<Listeners> => {
  const { settings, log, release } = options;
  const { http, admin, internal } = settings;
  const adopt = adopter(options);
  const at = http.socket === undefined ? { host: http.host, port: http.port } : { socket: http.socket };
  const through = (way: Way): Pick<ListenerOptions, 'fetch' | 'serve'> => ({
    fetch: (request, env) => release().fetch(way, request, env),
    serve: (exchange) => release().serve(way, exchange),
  });
  const opened: { open?: Listener; admin?: Listener; internal?: Listener } = {};
  const descriptors = watchDescriptors(options);
  const listener = { ...http, longestArrivalMs: longestArrivalMs(settings) };
  try {
    const inherited = adopt('http', at);
    const ours = { ...listener, at, inherited, setting: 'http.port', log, descriptors };
    const open = await openListener({ ...ours, ...through('public') });
    opened.open = open;
    const internalAt = internal.socket === undefined ? undefined : { socket: internal.socket };
    const internalInherited = adopt('internal', internalAt);
    if (internalAt !== undefined || internalInherited !== undefined) {
      const where = { at: internalAt ?? { socket: '' }, inherited: internalInherited };
      const common = { ...listener, ...where, setting: 'internal.socket', log };
      opened.internal = await openListener({ ...common, ...through('internal') });
      // As on loopback, everybody here may call: its folder says who reaches it.
      if (internalAt !== undefined && internalInherited === undefined) chmodSync(internalAt.socket, 0o666);
    }
    const adminAt = { host: admin.host, port: admin.port };
    const adminInherited = adopt('admin', admin.enabled ? adminAt : undefined);
    if (!admin.enabled && adminInherited !== undefined) {
      log.warn({ setting: 'admin.enabled' }, 'a socket was passed for the admin listener, which is off: it is closed');
      closeSync(adminInherited.fd);
    }
    if (admin.enabled) {
      const pools = () => release().gateway.pools();
      const app = createAdminApp({ ...options.admin, admin, log, pools });
      const where = { at: adminAt, inherited: adminInherited, setting: 'admin.port' };
      const common = { ...listener, ...where, log };
      opened.admin = await openListener({ ...common, fetch: (request, env) => app.fetch(request, env) });
      if (adminInherited !== undefined) assertCredential(opened.admin, admin);
    }
    return { ...opened, open };
  } catch (error) {
    for (const listener of Object.values(opened)) listener.destroy();
    throw error;
  }
};
