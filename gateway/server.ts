/**
 * The composition root: settings → traces → one release of the gateway → listeners → signals → drain.
 * In `dev` a change of the project makes a new release beside the running one and takes over only if all of it loads.
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { watch } from 'chokidar';
import type { GatewayConfig, Settings } from './config.ts';
import { createGateway, type Gateway } from './gateway.ts';
import { createAdminApp } from './http/admin.ts';
import { type Listener, openListener } from './http/listener.ts';
import { problemFromError } from './invoke/registry.ts';
import type { Log } from './log.ts';
import { moduleImporter } from './modules.ts';
import { resolveSettings } from './settings.ts';
import { StartupError } from './startup.ts';
import type { TraceExport } from './trace/export.ts';
import { TraceRing } from './trace/ring.ts';
import { exportWanted, parentBasedAlwaysOn, type TraceListener, Tracer } from './trace/tracer.ts';
import { VERSION } from './version.ts';

export interface ServerOptions {
  readonly project: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Sees every finished trace: the tree in `dev`. */
  readonly onTrace: TraceListener | undefined;
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

export const CONFIG_FILE = 'deploy/gateway.config.ts';

/** The project's config; an absent one means defaults. Rejects with StartupError. */
export const loadConfig = async (project: string, release: number): Promise<GatewayConfig> => {
  const path = join(project, CONFIG_FILE);
  if (!existsSync(path)) return {};
  let exported: unknown;
  try {
    exported = (await moduleImporter(release)(pathToFileURL(path).href)).default;
  } catch (error) {
    throw new StartupError([problemFromError(error, CONFIG_FILE, project)], { cause: error });
  }
  if (typeof exported === 'object' && exported !== null) return exported;
  const detail = 'It has no default export: write `export default defineConfig({ … })`.';
  throw new StartupError([{ file: CONFIG_FILE, detail }]);
};

const openListeners = async (settings: Settings, gateway: () => Gateway): Promise<[Listener, Listener | undefined]> => {
  const { http, admin } = settings;
  const at = http.socket === undefined ? { host: http.host, port: http.port } : { socket: http.socket };
  const open = await openListener({
    ...http,
    at,
    setting: 'http.port',
    fetch: (request, env) => gateway().fetch(request, env),
  });
  if (!admin.enabled) return [open, undefined];
  const adminApp = createAdminApp({ ring: gateway().tracer.ring, admin, pools: () => gateway().pools() });
  try {
    const adminAt = { host: admin.host, port: admin.port };
    const options = { ...http, at: adminAt, setting: 'admin.port' };
    return [open, await openListener({ ...options, fetch: (request, env) => adminApp.fetch(request, env) })];
  } catch (error) {
    await open.close();
    throw error;
  }
};

/** Rejects with StartupError. */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { project, env, log, onTrace } = options;
  const config = await loadConfig(project, 0);
  const settings = resolveSettings(config, env, CONFIG_FILE);
  // Loaded on demand: the SDK costs 170 ms and 40 MB.
  const exporter = exportWanted(env) ? await (await import('./trace/export.ts')).startExport(env, VERSION) : undefined;
  const listeners = [onTrace, exporter?.listener].filter((listener) => listener !== undefined);
  const tracer = new Tracer(new TraceRing(settings.trace.ringMax), exporter?.sampler ?? parentBasedAlwaysOn, listeners);
  const gateway = await createGateway(config, { project, env, log, tracer });
  try {
    return await RunningServer.open({ options, settings, gateway, tracer, exporter });
  } catch (error) {
    await gateway.destroy();
    await exporter?.shutdown();
    throw error;
  }
};

interface RunningOptions {
  readonly options: ServerOptions;
  readonly settings: Settings;
  readonly gateway: Gateway;
  readonly tracer: Tracer;
  readonly exporter: TraceExport | undefined;
}

class RunningServer implements Server {
  readonly url: string;
  readonly adminUrl: string | undefined;
  gateway: Gateway;
  readonly #running: RunningOptions;
  readonly #listeners: readonly Listener[];
  #release = 0;
  #ending: Promise<void> | undefined;

  static async open(running: RunningOptions): Promise<RunningServer> {
    let server: RunningServer | undefined;
    const current = (): Gateway => server?.gateway ?? running.gateway;
    const [open, admin] = await openListeners(running.settings, current);
    server = new RunningServer(running, open, admin);
    return server;
  }

  private constructor(running: RunningOptions, open: Listener, admin: Listener | undefined) {
    this.#running = running;
    this.gateway = running.gateway;
    this.url = open.url;
    this.adminUrl = admin?.url;
    this.#listeners = admin === undefined ? [open] : [open, admin];
  }

  async reload(): Promise<void> {
    const { options, tracer } = this.#running;
    const { project, env, log } = options;
    this.#release += 1;
    const release = this.#release;
    const config = await loadConfig(project, release);
    const next = await createGateway(config, { project, env, log, tracer, importModule: moduleImporter(release) });
    const previous = this.gateway;
    this.gateway = next;
    if (this.#ending !== undefined) await next.destroy();
    else void previous.close();
  }

  close(): Promise<void> {
    this.#ending ??= this.#drain();
    return this.#ending;
  }

  async destroy(): Promise<void> {
    for (const listener of this.#listeners) listener.destroy();
    await this.gateway.destroy();
  }

  async #drain(): Promise<void> {
    const listeners = this.#listeners.map((listener) => listener.close());
    await this.gateway.close();
    // What is still open now has its answer and lingers, or has sent half a request.
    for (const listener of this.#listeners) listener.destroy();
    await Promise.all(listeners);
    await this.#running.exporter?.shutdown();
  }
}

const SETTLE_MS = 100;
const WATCHED = /\.(?:php|ts|mts|js|mjs|json)$/;
const IGNORED = /(?:^|\/)(?:node_modules|\.git|dist|coverage)(?:\/|$)/;

export interface ReloadEvents {
  readonly reloaded: (files: readonly string[], ms: number) => void;
  readonly failed: (files: readonly string[], error: unknown) => void;
}

/** Reloads on changes below the project, one reload at a time. Returns what ends the watching. */
export const watchProject = (server: Server, project: string, events: ReloadEvents): (() => Promise<void>) => {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const reload = async (): Promise<void> => {
    const files = [...changed];
    changed.clear();
    if (files.length === 0) return;
    const startedMs = performance.now();
    try {
      await server.reload();
      events.reloaded(files, performance.now() - startedMs);
    } catch (error) {
      events.failed(files, error);
    }
  };
  const watcher = watch(project, {
    ignoreInitial: true,
    ignored: (path, stats) => {
      const below = relative(project, path);
      return IGNORED.test(below) || (stats?.isFile() === true && !WATCHED.test(below));
    },
  });
  watcher.on('all', (_event, path) => {
    changed.add(relative(project, path));
    clearTimeout(timer);
    // Editors write a file in several steps.
    timer = setTimeout(() => {
      running = running.then(reload);
    }, SETTLE_MS);
  });
  return async () => {
    clearTimeout(timer);
    await watcher.close();
    await running;
  };
};
