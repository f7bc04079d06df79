/**
 * The composition root: settings → traces → one release of the gateway → listeners → signals → drain.
 * In `dev` a change of the project makes a new release beside the running one and takes over only if all of it loads.
 */
import { chmodSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Caches } from './cache/caches.ts';
import type { Settings } from './config.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { createAdminApp } from './http/admin.ts';
import type { App } from './http/app.ts';
import { longestArrivalMs } from './http/body.ts';
import type { HttpEnv } from './http/context.ts';
import type { Exchange } from './http/exchange.ts';
import { type Listener, type ListenerOptions, openListener } from './http/listener.ts';
import type { Log } from './log.ts';
import { moduleImporter } from './modules.ts';
import { CONFIG_FILE, loadProject, type Project } from './project.ts';
import type { TraceExport } from './trace/export.ts';
import { TraceRing } from './trace/ring.ts';
import { exportWanted, parentBasedAlwaysOn, type TraceListener, Tracer, type TraceSink } from './trace/tracer.ts';
import { VERSION } from './version.ts';

export interface ServerOptions {
  /** Gives up a start that is under way. */
  readonly giveUp?: AbortSignal;
  readonly project: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** All pools sleep: nothing is to be done until a call comes. */
  readonly onQuiet?: (() => void) | undefined;
  /** Sees every finished trace: the tree in `dev`. */
  readonly onTrace: TraceListener | undefined;
  /** Changes what was loaded before it is used, each time; throws StartupError. */
  readonly adjust?: ((project: Project) => Project) | undefined;
}

export interface Server {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly gateway: Gateway;
  /** Loads the project again; rejects with StartupError and keeps the running release. */
  reload(): Promise<void>;
  /** Refuses new connections, finishes running calls, stops the pools, sends waiting traces. Idempotent. */
  close(): Promise<void>;
  /** Ends everything now. */
  destroy(): Promise<void>;
}

/** By which listener a request came. */
type Way = 'public' | 'internal';

/** One loaded version of the project, and the requests that entered it. */
class Release {
  readonly gateway: Gateway;
  #inside = 0;
  #left: () => void = () => {};

  constructor(gateway: Gateway) {
    this.gateway = gateway;
  }

  async fetch(way: Way, request: Request, env: HttpEnv['Bindings']): Promise<Response> {
    this.#inside += 1;
    try {
      return await this.#app(way).fetch(request, env);
    } finally {
      if (env.lasts === undefined) this.#leave();
      else void env.lasts.finally(this.#leave);
    }
  }

  /** Undefined: not a request for this way. */
  serve(way: Way, exchange: Exchange): Promise<void> | undefined {
    const served = this.#app(way).serve(exchange);
    if (served === undefined) return undefined;
    this.#inside += 1;
    // A call that waits holds what hangs on its promise: `finally` would be three closures more.
    void served.then(this.#leave, this.#leave);
    return served;
  }

  #app(way: Way): Pick<App, 'fetch' | 'serve'> {
    return way === 'public' ? this.gateway : this.gateway.internal;
  }

  readonly #leave = (): void => {
    this.#inside -= 1;
    if (this.#inside === 0) this.#left();
  };

  /** For one that another has replaced: those inside are served to their end, also if their bodies still arrive. */
  async retire(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => (this.#left = resolve));
    await this.gateway.close();
  }
}

interface Listeners {
  readonly open: Listener;
  readonly admin?: Listener;
  /** For other services of this machine. */
  readonly internal?: Listener;
}

const openListeners = async (
  { options, settings, exporter }: RunningOptions,
  release: () => Release,
): Promise<Listeners> => {
  const { log } = options;
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
      const { tracer } = release().gateway;
      const pools = () => release().gateway.pools();
      const app = createAdminApp({ tracer, admin, log, pools, exported: () => exporter?.status });
      const common = { ...listener, at: { host: admin.host, port: admin.port }, setting: 'admin.port', log };
      opened.admin = await openListener({ ...common, fetch: (request, env) => app.fetch(request, env) });
    }
    return { ...opened, open };
  } catch (error) {
    for (const listener of Object.values(opened)) listener.destroy();
    throw error;
  }
};

/** Loaded on demand: the SDK costs 170 ms and 40 MB. */
const openExport = async (enabled: boolean, env: ServerOptions['env'], log: Log): Promise<TraceExport | undefined> => {
  if (!exportWanted(env)) return undefined;
  if (!enabled) {
    log.warn({ setting: 'trace.enabled' }, 'no traces are exported: recording is off');
    return undefined;
  }
  const { startExport } = await import('./trace/export.ts');
  return await startExport(env, VERSION, log);
};

const loadRelease = async ({ project, env, adjust }: ServerOptions, reloads: number): Promise<Project> => {
  const loaded = await loadProject({ folder: project, env, importModule: moduleImporter(reloads) });
  return adjust === undefined ? loaded : adjust(loaded);
};

/** Rejects with StartupError. */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { log, env, onTrace } = options;
  const loaded = await loadRelease(options, 0);
  const { settings } = loaded;
  const { enabled, ringMax } = settings.trace;
  const exporter = await openExport(enabled, env, log);
  const sinks: TraceSink[] = onTrace === undefined ? [] : [(trace, inRing) => inRing && onTrace(trace.record())];
  if (exporter !== undefined) sinks.push(exporter.sink);
  const tracer = new Tracer(new TraceRing(ringMax), exporter?.sampler ?? parentBasedAlwaysOn, sinks, enabled);
  let gateway: Gateway | undefined;
  try {
    const caches = new Caches();
    gateway = await openGateway(loaded, { log, tracer, caches, giveUp: options.giveUp, onQuiet: options.onQuiet });
    return await RunningServer.open({ options, settings, tracer, caches, exporter }, new Release(gateway));
  } catch (error) {
    await gateway?.destroy();
    await exporter?.shutdown();
    throw error;
  }
};

interface RunningOptions {
  readonly options: ServerOptions;
  readonly settings: Settings;
  readonly tracer: Tracer;
  /** What pools have cached outlives a release. */
  readonly caches: Caches;
  readonly exporter: TraceExport | undefined;
}

/** What the listeners and the ring were made with; the rest of the settings belongs to a release. */
const fixedSettings = ({ http, admin, internal, trace }: Settings): object => {
  const { allowedHosts: _allowed, trustedPeers: _trusted, serverTiming: _timing, ...listener } = http;
  return { http: listener, admin, socket: internal.socket, trace };
};

/** Node keeps the modules of every release: 242 kB each for the example project. */
const RELOADS_BEFORE_RESTART = 500;

class RunningServer implements Server {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly #running: RunningOptions;
  readonly #listeners: readonly Listener[];
  #release: Release;
  /** Replaced ones that still serve, and the current one. */
  readonly #releases = new Set<Release>();
  #reloads = 0;
  #ending: Promise<void> | undefined;

  static async open(running: RunningOptions, first: Release): Promise<RunningServer> {
    let server: RunningServer | undefined;
    const current = (): Release => (server === undefined ? first : server.#release);
    server = new RunningServer(running, first, await openListeners(running, current));
    return server;
  }

  private constructor(running: RunningOptions, first: Release, listeners: Listeners) {
    this.#running = running;
    this.#release = first;
    this.#releases.add(first);
    this.url = listeners.open.url;
    this.adminUrl = listeners.admin?.url;
    this.#listeners = Object.values(listeners);
  }

  get gateway(): Gateway {
    return this.#release.gateway;
  }

  async reload(): Promise<void> {
    const { options, settings, tracer, caches } = this.#running;
    const { log } = options;
    this.#reloads += 1;
    if (this.#reloads === RELOADS_BEFORE_RESTART)
      log.warn({ reloads: this.#reloads }, 'old contracts fill the memory: restart this gateway when it suits');
    const loaded = await loadRelease(options, this.#reloads);
    const gateway = await openGateway(loaded, { log, tracer, caches, onQuiet: options.onQuiet });
    if (this.#ending !== undefined) {
      await gateway.destroy();
      return;
    }
    if (!isDeepStrictEqual(fixedSettings(gateway.settings), fixedSettings(settings)))
      log.warn({ file: CONFIG_FILE }, 'changed settings of listeners and traces take effect at the next start');
    const previous = this.#release;
    this.#release = new Release(gateway);
    this.#releases.add(this.#release);
    void previous
      .retire()
      .catch((error) => log.error({ err: error }, 'a replaced release did not close'))
      .finally(() => this.#releases.delete(previous));
  }

  close(): Promise<void> {
    this.#ending ??= this.#drain();
    return this.#ending;
  }

  async destroy(): Promise<void> {
    this.#ending ??= Promise.resolve();
    for (const listener of this.#listeners) listener.destroy();
    await Promise.all([...this.#releases].map(({ gateway }) => gateway.destroy()));
  }

  async #drain(): Promise<void> {
    const { settings, exporter } = this.#running;
    const work = Promise.all([...this.#releases].map(({ gateway }) => gateway.close()));
    await Promise.all(this.#listeners.map((listener) => listener.close(work, settings.shutdownGraceMs)));
    await exporter?.shutdown();
  }
}
