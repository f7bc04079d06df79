/**
 * The composition root: settings → traces → one release of the gateway → listeners → signals → drain.
 * In `dev` a change of the project makes a new release beside the running one and takes over only if all of it loads.
 */
import { existsSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Hono } from 'hono';
import { Caches } from './cache/caches.ts';
import type { Settings } from './config.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { callsActions } from './http/admin-calls.ts';
import { releaseActions } from './http/admin-releases.ts';
import type { HttpEnv } from './http/context.ts';
import type { Listener } from './http/listener.ts';
import { type Listeners, openListeners, socketsOf } from './listeners.ts';
import type { Log } from './log.ts';
import { moduleImporter } from './modules.ts';
import { CONFIG_FILE, loadProject, type Project } from './project.ts';
import { Release } from './release.ts';
import { Releases, type ReleasesStatus } from './releases.ts';
import type { InheritedSocket, InheritedSockets } from './sockets.ts';
import { StartupError } from './startup.ts';
import type { TraceExport } from './trace/export.ts';
import { TraceRing } from './trace/ring.ts';
import { exportWanted, parentBasedAlwaysOn, type TraceListener, Tracer, type TraceSink } from './trace/tracer.ts';
import { VERSION } from './version.ts';
import { aborted, LATE, within } from './within.ts';

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
  /** Listening sockets that are taken over instead of made. */
  readonly sockets?: InheritedSockets | undefined;
  /** Changes what was loaded before it is used, each time; throws StartupError. */
  readonly adjust?: ((project: Project) => Project) | undefined;
}

/** Told to stop; told so by who waits at a terminal, without `shutdownDelayMs`; or a new process serves in its place. */
export type Ending = 'told' | 'interrupted' | 'replaced';

export interface Server {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly gateway: Gateway;
  /** Its listening sockets, for a process that takes over. */
  readonly sockets: readonly InheritedSocket[];
  /** Whether paths of unix sockets are this process's to remove when it ends. */
  own(owned: boolean): void;
  readonly releases: ReleasesStatus;
  /** Loads the project again; resolves with its release. Rejects with StartupError and keeps the running one. */
  reload(): Promise<Release>;
  /** Back to the release before. Rejects with `no-previous-release`, or StartupError, and keeps the running one. */
  restore(): Promise<Release>;
  /**
   * Refuses new connections, finishes running calls, stops the pools, sends waiting traces. Idempotent: who waited long
   * because it was replaced no longer does once it is told to stop.
   */
  close(ending?: Ending): Promise<void>;
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

/** Node cannot end a module that still waits: those behind it in the line of reloads and rollbacks must not wait with it. */
const LOAD_MAX_MS = 30_000;

/** A folder by its real path: a link that points elsewhere tomorrow does not change what this release runs. */
const loadRelease = async (
  { project, env, adjust }: ServerOptions,
  number: number,
  giveUp: AbortSignal | undefined,
): Promise<Project> => {
  const folder = existsSync(project) ? realpathSync(project) : project;
  const loading = loadProject({ folder, env, importModule: moduleImporter(number - 1) });
  const loaded = await within(Promise.race([loading, aborted(giveUp)]), LOAD_MAX_MS);
  if (loaded === undefined)
    throw new StartupError([{ file: 'fpm-gateway', detail: 'It was stopped while it loaded the project.' }]);
  if (loaded === LATE) {
    const detail = `The config or a contract has not loaded within ${LOAD_MAX_MS / 1000} s: one of them awaits at its top level what does not come. Take that out, or give it a time limit.`;
    throw new StartupError([{ file: folder, detail }]);
  }
  return adjust === undefined ? loaded : adjust(loaded);
};

/** Rejects with StartupError. */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { log, env, onTrace, onQuiet } = options;
  const loaded = await loadRelease(options, 1, options.giveUp);
  const { settings } = loaded;
  const { enabled, ringMax } = settings.trace;
  const exporter = await openExport(enabled, env, log);
  const sinks: TraceSink[] = onTrace === undefined ? [] : [(trace, inRing) => inRing && onTrace(trace.record())];
  if (exporter !== undefined) sinks.push(exporter.sink);
  const tracer = new Tracer(new TraceRing(ringMax), exporter?.sampler ?? parentBasedAlwaysOn, sinks, enabled);
  let gateway: Gateway | undefined;
  try {
    // What pools have cached outlives a release.
    const stopping = new AbortController();
    const common = { log, tracer, caches: new Caches(), stopping: stopping.signal, onQuiet };
    gateway = await openGateway(loaded, { ...common, giveUp: options.giveUp });
    const load = async (number: number, giveUp: AbortSignal): Promise<Project> =>
      noteFixed(await loadNext(options, number, giveUp), settings, log);
    const open = (project: Project, giveUp: AbortSignal): Promise<Gateway> =>
      openGateway(project, { ...common, giveUp });
    const releases = new Releases({ load, open, log }, new Release(1, loaded, gateway));
    const actions = (app: Hono<HttpEnv>): void => {
      callsActions(app, () => [...releases.open].map((release) => release.gateway));
      releaseActions(app, releases);
    };
    const admin = { tracer, exported: () => exporter?.status, actions };
    const sockets: InheritedSockets = options.sockets ?? new Map();
    const listeners = await openListeners({ settings, log, release: () => releases.current, admin, sockets });
    return new RunningServer({ settings, releases, listeners, exporter, stopping });
  } catch (error) {
    await gateway?.destroy();
    await exporter?.shutdown();
    throw error;
  }
};

/** Node keeps the modules of every release: 242 kB each for the example project. */
const RELOADS_BEFORE_RESTART = 500;

const loadNext = (options: ServerOptions, number: number, giveUp: AbortSignal): Promise<Project> => {
  if (number === RELOADS_BEFORE_RESTART)
    options.log.warn({ reloads: number }, 'old contracts fill the memory: restart this gateway when it suits');
  return loadRelease(options, number, giveUp);
};

/** What the listeners and the ring were made with; the rest of the settings belongs to a release. */
const fixedSettings = ({ http, admin, internal, trace }: Settings): object => {
  const { allowedHosts: _allowed, trustedPeers: _trusted, serverTiming: _timing, ...listener } = http;
  return { http: listener, admin, socket: internal.socket, trace };
};

const noteFixed = (project: Project, settings: Settings, log: Log): Project => {
  if (!isDeepStrictEqual(fixedSettings(project.settings), fixedSettings(settings)))
    log.warn({ file: CONFIG_FILE }, 'changed settings of listeners and traces take effect at the next start');
  return project;
};

interface RunningParts {
  readonly settings: Settings;
  readonly releases: Releases;
  readonly listeners: Listeners;
  readonly exporter: TraceExport | undefined;
  /** For `/readyz`, while calls are still served. */
  readonly stopping: AbortController;
}

/**
 * Callers that ask twice a second or more hear `Connection: close` in an answer; the rest finds its connection ended, as
 * it may at any time. Nobody who stops a gateway by hand notices half a second.
 */
const IDLE_GRACE_MS = 500;

class RunningServer implements Server {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly #parts: RunningParts;
  readonly #listeners: readonly Listener[];
  readonly sockets: readonly InheritedSocket[];
  #ending: Promise<void> | undefined;
  /** Which connections may be ended when it stops: those that were quiet for so long. */
  #idleMs: number;
  readonly #destroyed = new AbortController();

  constructor(parts: RunningParts) {
    const { listeners } = parts;
    this.#parts = parts;
    this.url = listeners.open.url;
    this.adminUrl = listeners.admin?.url;
    this.#listeners = Object.values(listeners);
    this.sockets = socketsOf(listeners);
    // Where a new process serves, an old connection may stay for as long as its caller was told.
    this.#idleMs = parts.settings.http.keepAliveTimeoutMs || Number.POSITIVE_INFINITY;
  }

  get gateway(): Gateway {
    return this.#parts.releases.current.gateway;
  }

  own(owned: boolean): void {
    for (const { bound } of this.#listeners) bound.path?.own(owned && bound.owned);
  }

  get releases(): ReleasesStatus {
    return this.#parts.releases.status;
  }

  reload(): Promise<Release> {
    return this.#parts.releases.reload();
  }

  restore(): Promise<Release> {
    return this.#parts.releases.restore();
  }

  close(ending: Ending = 'told'): Promise<void> {
    if (ending !== 'replaced') {
      this.#parts.stopping.abort();
      this.#idleMs = Math.min(this.#idleMs, IDLE_GRACE_MS);
    }
    this.#ending ??= this.#drain(ending);
    return this.#ending;
  }

  async destroy(): Promise<void> {
    this.#ending ??= Promise.resolve();
    this.#destroyed.abort();
    for (const listener of this.#listeners) listener.destroy();
    await this.#parts.releases.destroy();
  }

  async #drain(ending: Ending): Promise<void> {
    const { settings, releases, exporter } = this.#parts;
    const { shutdownDelayMs, shutdownGraceMs } = settings;
    const { signal } = this.#destroyed;
    releases.stop();
    // Rejects when it is destroyed meanwhile.
    if (ending === 'told') await sleep(shutdownDelayMs, undefined, { signal }).catch(() => {});
    const restMaxMs = ending === 'replaced' ? shutdownGraceMs : 2 * IDLE_GRACE_MS;
    await Promise.all(this.#listeners.map((listener) => listener.rest(() => this.#idleMs, restMaxMs)));
    const work = releases.close();
    await Promise.all(this.#listeners.map((listener) => listener.close(work, shutdownGraceMs)));
    await exporter?.shutdown();
  }
}
