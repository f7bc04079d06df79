/**
 * The composition root: settings → traces → one release of the gateway → listeners → signals → drain.
 * In `dev` a change of the project makes a new release beside the running one and takes over only if all of it loads.
 */
import { isDeepStrictEqual } from 'node:util';
import { Caches } from './cache/caches.ts';
import type { Settings } from './config.ts';
import { type Gateway, openGateway } from './gateway.ts';
import type { Listener } from './http/listener.ts';
import { type Listeners, openListeners } from './listeners.ts';
import type { Log } from './log.ts';
import { moduleImporter } from './modules.ts';
import { CONFIG_FILE, loadProject, type Project } from './project.ts';
import { Release } from './release.ts';
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
    const { options, settings, tracer, exporter } = running;
    const admin = { tracer, exported: () => exporter?.status };
    const listeners = await openListeners({ settings, log: options.log, release: current, admin });
    server = new RunningServer(running, first, listeners);
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
