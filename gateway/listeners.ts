/** Where a server listens: for callers, for services of this machine, for operators. */
import { chmodSync } from 'node:fs';
import type { Settings } from './config.ts';
import { type AdminOptions, createAdminApp } from './http/admin.ts';
import { longestArrivalMs } from './http/body.ts';
import { type Listener, type ListenerOptions, openListener } from './http/listener.ts';
import type { Log } from './log.ts';
import type { Release, Way } from './release.ts';

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
}

/** Rejects with StartupError. */
export const openListeners = async (options: ListenersOptions): Promise<Listeners> => {
  const { settings, log, release } = options;
  const { http, admin, internal } = settings;
  const at = http.socket === undefined ? { host: http.host, port: http.port } : { socket: http.socket };
  const through = (way: Way): Pick<ListenerOptions, 'fetch' | 'serve'> => ({
    fetch: (request, env) => release().fetch(way, request, env),
    serve: (exchange) => release().serve(way, exchange),
  });
  const opened: { open?: Listener; admin?: Listener; internal?: Listener } = {};
  const listener = { ...http, longestArrivalMs: longestArrivalMs(settings) };
  try {
    const open = await openListener({ ...listener, at, setting: 'http.port', log, ...through('public') });
    opened.open = open;
    if (internal.socket !== undefined) {
      const common = { ...listener, at: { socket: internal.socket }, setting: 'internal.socket', log };
      opened.internal = await openListener({ ...common, ...through('internal') });
      // As on loopback, everybody here may call: its folder says who reaches it.
      chmodSync(internal.socket, 0o666);
    }
    if (admin.enabled) {
      const pools = () => release().gateway.pools();
      const app = createAdminApp({ ...options.admin, admin, log, pools });
      const common = { ...listener, at: { host: admin.host, port: admin.port }, setting: 'admin.port', log };
      opened.admin = await openListener({ ...common, fetch: (request, env) => app.fetch(request, env) });
    }
    return { ...opened, open };
  } catch (error) {
    for (const listener of Object.values(opened)) listener.destroy();
    throw error;
  }
};
