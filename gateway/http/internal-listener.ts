/** The listeners of one release for its own PHP: the same routes, over unix sockets that only the pools' users reach. */
import type { Settings } from '../config.ts';
import type { Log } from '../log.ts';
import type { InternalSockets } from '../pool/internal-sockets.ts';
import type { App } from './app.ts';
import { longestArrivalMs } from './body.ts';
import { type Listener, openListener } from './listener.ts';

/** Over a unix socket no browser comes, so no name of another site either: clients send any Host, `localhost` mostly. */
export const forLocalPeers = (settings: Settings): Settings => ({
  ...settings,
  http: { ...settings.http, allowedHosts: [] },
});

/** Rejects with StartupError. */
export const openInternalListeners = async (
  sockets: InternalSockets,
  { fetch, serve }: App,
  { settings, log }: { readonly settings: Settings; readonly log: Log },
): Promise<readonly Listener[]> => {
  const open: Listener[] = [];
  if (sockets.all.length === 0) return open;
  sockets.makeFolder();
  const common = { ...settings.http, longestArrivalMs: longestArrivalMs(settings) };
  try {
    for (const { path } of sockets.all)
      open.push(await openListener({ ...common, at: { socket: path }, setting: 'runtimeDir', log, fetch, serve }));
    sockets.admit();
    return open;
  } catch (error) {
    for (const listener of open) listener.destroy();
    throw error;
  }
};
