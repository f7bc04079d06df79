/** The resident part of a pool of our own: its master, its workers, and a few in reserve. */
import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ManagedPoolSettings, PoolSize, ResidentSettings } from '../config-pools.ts';
import { diskProblem } from '../disk.ts';
import type { ConcurrentPeer } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { type Backend, SerialBackend } from './backend.ts';
import { ConcurrentBackend, ConcurrentReserve } from './concurrent-backend.ts';
import { ConcurrentLine } from './concurrent-line.ts';
import { ConnectedSupply } from './connected-supply.ts';
import type { Cores } from './cores.ts';
import { iniArguments, iniBytes, type PoolSockets, poolEnvironment, residentIni } from './fpm-config.ts';
import { Gate } from './gate.ts';
import { GraceDir } from './grace.ts';
import type { InstanceDir } from './instance-dir.ts';
import { Line } from './line.ts';
import type { PoolKind } from './pool-kind.ts';
import { type poolUser, userEnvironment } from './pool-user.ts';
import { WorkerLife } from './recycling.ts';
import { ApplicationError, ResidentMaster } from './resident-master.ts';
import type { StartOrder } from './resident-process.ts';
import { type LoadedHandler, openResident, ResidentFailure } from './resident-worker.ts';
import type { Restarts } from './restarts.ts';
import type { PhpPaths } from './runtime.ts';
import type { SleeperPart } from './sleep.ts';
import { UploadDir, type UploadNeeds } from './uploads.ts';
import { type WarmStatus, WarmSupply } from './warm-supply.ts';
import type { Worker } from './worker.ts';

export interface ResidentPoolOptions {
  readonly name: string;
  /** Its workers run one call at a time, or many. */
  readonly workerKind: PoolKind;
  readonly settings: ManagedPoolSettings;
  readonly size: PoolSize;
  /** Whom its workers run as, if not as ourselves. */
  readonly user: ReturnType<typeof poolUser>;
  /** PHP's command line program. */
  readonly program: string;
  readonly instance: InstanceDir;
  readonly paths: PhpPaths;
  readonly functions: StartOrder['functions'];
  readonly uploads: UploadNeeds;
  /** Where compiled code outlives a sleep; undefined: it has none. */
  readonly codeCache: string | undefined;
  /** 0: none. */
  readonly reserveWorkers: number;
  readonly sockets: PoolSockets;
  /** For calls over the connections of concurrent workers. */
  readonly nested: ConcurrentPeer;
  readonly searchLeaks: 'sampled' | 'often';
  readonly cores: Cores;
  /** Of all processes the pool ever has. */
  readonly nextNumber: () => number;
  readonly restarts: Restarts;
  readonly log: Log;
  readonly onFree: () => void;
}

/** The full comparison follows each of the first calls of a function, in each worker. */
const SENTINEL_FIRST = 20;

export class ResidentPool implements SleeperPart {
  readonly #options: ResidentPoolOptions;
  readonly #master: ResidentMaster;
  readonly #supply: WarmSupply<Line> | WarmSupply<ConcurrentLine>;
  readonly #backend: Backend;
  readonly reserve: Backend | undefined;
  readonly #uploadDir: UploadDir;
  readonly #grace: GraceDir;
  readonly #sockets: string;
  /** As the latest worker took them. */
  #handlers: readonly LoadedHandler[] = [];
  #hasStarted = false;
  /** Those that load the application compute: more at once would only make each of them late. */
  readonly #starts: Gate;

  constructor(options: ResidentPoolOptions) {
    const { settings, reserveWorkers, cores, connectTimeoutMs, log, onFree, name } = {
      ...options,
      ...options.settings,
    };
    this.#options = options;
    this.#starts = new Gate(cores.places);
    this.#uploadDir = new UploadDir(options.instance.spool, `${name}.${options.workerKind}`, options.user);
    this.#grace = new GraceDir(options.instance.spool, `${name}.${options.workerKind}`, options.user);
    this.#sockets = join(options.instance.path, `${options.workerKind === 'concurrent' ? 'c' : 'r'}-${name}`);
    this.#master = new ResidentMaster(this.#masterOptions());
    const supplied = { open: () => this.#open(), connectTimeoutMs, log, onUp: onFree };
    const common = { address: `resident:${name}`, connectTimeoutMs, log, onFree };
    const { minWorkers, maxWorkers } = options.size;
    // One is enough for the call that woke it; the others follow load.
    const first = Math.max(1, minWorkers);
    if (options.workerKind === 'concurrent') {
      const makeLine = (worker: Worker): ConcurrentLine => new ConcurrentLine(worker, supplied);
      const supply = new WarmSupply({ ...supplied, workers: first, makeLine });
      const backend = new ConcurrentBackend({ ...common, address: `concurrent:${name}` }, supply);
      this.#supply = supply;
      this.#backend = backend;
      this.reserve = reserveWorkers === 0 ? undefined : new ConcurrentReserve(backend, reserveWorkers);
      return;
    }
    const makeLine = (worker: Worker): Line => new Line(worker, supplied);
    const supply = new WarmSupply({ ...supplied, workers: first, makeLine });
    this.#supply = supply;
    this.#backend = new SerialBackend({ ...common, workers: maxWorkers, pipelines: true, cores }, supply);
    if (reserveWorkers === 0) return;
    const lone = new ConnectedSupply({ ...supplied, idleMs: settings.idleMs, limit: undefined, forksOnDemand: false });
    const reserve = { ...common, address: `${common.address}.reserve`, workers: reserveWorkers };
    this.reserve = new SerialBackend({ ...reserve, pipelines: false, cores }, lone);
  }

  get backends(): readonly Backend[] {
    return this.#hasStarted ? [this.#backend] : [];
  }

  get masterPid(): number | undefined {
    return this.#master.pid;
  }

  get status(): WarmStatus {
    return this.#supply.status;
  }

  get workers(): number {
    return this.#supply.workers;
  }

  get starting(): number {
    return this.#supply.starting;
  }

  get failure(): unknown {
    return this.#supply.failure;
  }

  get isBusy(): boolean {
    return this.#backend.calls > 0 || (this.reserve?.calls ?? 0) > 0;
  }

  get idleSinceMs(): number | undefined {
    return this.#supply.idleSinceMs;
  }

  get usedMs(): number {
    return this.#supply.usedMs;
  }

  resize(workers: number): void {
    this.#supply.resize(workers);
  }

  get handlers(): readonly LoadedHandler[] {
    return this.#handlers;
  }

  beginUpload(): (isGone: boolean) => void {
    return this.#uploadDir.begin();
  }

  /** Resolves when all workers stand ready; rejects with StartupError. */
  async start(): Promise<Worker> {
    try {
      this.#makeSocketFolder();
      await this.#supply.start();
      const { stray } = this.#master;
      if (stray !== '')
        throw new ApplicationError(`The bootstrap prints ${JSON.stringify(stray.slice(0, 80))}.`, undefined);
      this.#hasStarted = true;
      return await this.#supply.probe();
    } catch (error) {
      await this.destroy();
      if (error instanceof StartupError) throw error;
      throw new StartupError([this.#problemOf(error)], { cause: error });
    }
  }

  /** Running calls get their answers, then all ends. Idempotent. */
  async close(graceMs: number): Promise<void> {
    const timer: NodeJS.Timeout = setTimeout(() => void this.destroy(), graceMs);
    await Promise.all([this.#backend.close(), this.reserve?.close()]);
    await this.#master.stop();
    clearTimeout(timer);
  }

  /** Ends all processes now. Idempotent. */
  async destroy(): Promise<void> {
    this.#backend.destroy();
    this.reserve?.destroy();
    await this.#master.kill();
  }

  /** Of all times awake; workers remove their sockets themselves. */
  #makeSocketFolder(): void {
    const { user, instance } = this.#options;
    if (existsSync(this.#sockets)) return;
    try {
      instance.restore();
      mkdirSync(this.#sockets, { mode: 0o700 });
      if (user !== undefined) chownSync(this.#sockets, user.uid, user.gid);
    } catch (error) {
      throw diskProblem('runtimeDir', `${this.#sockets} cannot be made`, error);
    }
  }

  #masterOptions(): ConstructorParameters<typeof ResidentMaster>[0] {
    const {
      name,
      workerKind,
      settings,
      program,
      instance,
      paths,
      functions,
      uploads,
      codeCache,
      sockets: ours,
      searchLeaks,
      nextNumber,
      restarts,
      log,
    } = this.#options;
    const user = this.#options.user;
    const ini = residentIni({ settings, uploads, uploadDir: this.#uploadDir.path, codeCache });
    const { leaks, bootstrapTimeoutMs, callMemoryBytes } = settings.resident;
    return {
      program: {
        pool: name,
        program,
        iniArguments: iniArguments(ini),
        script: `${paths.runtime}/resident.php`,
        env: {
          ...(user && userEnvironment(user.name)),
          ...poolEnvironment(settings, { ...ours, grace: this.#grace.path }),
        },
        user,
        guard: instance.guard,
        log,
      },
      order: {
        bootstrap: paths.bootstrap,
        functions,
        uploads: this.#uploadDir.path,
        sentinel: leaks === 'off' ? null : { first: SENTINEL_FIRST, dense: searchLeaks === 'often' },
        concurrent: workerKind === 'concurrent' ? { callMemoryBytes } : null,
        title: `fpm-gateway: pool ${name}@${instance.id}`,
      },
      sockets: this.#sockets,
      onLost: (why) => {
        restarts.done(why);
        this.#supply.renew();
      },
      bootstrapTimeoutMs,
      nextNumber,
    };
  }

  async #open(): Promise<Worker> {
    const release = await this.#starts.enter();
    try {
      return await this.#openNow();
    } catch (error) {
      if (!(error instanceof ApplicationError)) throw error;
      throw new ResidentFailure('its application does not load.', error.message, error.exception, error);
    } finally {
      release();
    }
  }

  async #openNow(): Promise<Worker> {
    const { settings, workerKind, nested } = this.#options;
    const { bootstrapTimeoutMs } = settings.resident;
    // Somebody may have removed it.
    this.#makeSocketFolder();
    const started = await this.#master.worker();
    const { address, pid, loads } = started;
    try {
      const endSoon = (): void => this.#master.ended(started);
      const worker = await openResident({
        address,
        pid,
        endSoon,
        grace: this.#grace,
        uid: this.#options.user?.uid,
        concurrent: workerKind === 'concurrent' ? nested : undefined,
        timeoutMs: loads ? bootstrapTimeoutMs : Math.max(settings.connectTimeoutMs, 5000),
        makeLife: ({ bornMs = 0 }) =>
          new WorkerLife(limitsOf(settings), performance.now() - bornMs, [Math.random(), Math.random()]),
        loaded: (handlers) => {
          this.#handlers = handlers;
        },
      });
      void worker.connection.closed.then(endSoon);
      return worker;
    } catch (error) {
      this.#master.end(started);
      throw error;
    }
  }

  /** What is wrong with the application is told where it is wrong. */
  #problemOf(error: unknown): StartupProblem {
    const { name, paths } = this.#options;
    const at = { file: `pools.${name}` };
    if (error instanceof ApplicationError) return { ...at, property: 'bootstrap', detail: error.message };
    if (!(error instanceof ResidentFailure)) return { ...at, detail: `The resident workers did not start: ${error}` };
    const detail = error.cause instanceof ApplicationError ? error.cause.message : toldWhole(error);
    const loading = error.cause instanceof ApplicationError ? (error.cause.file ?? '') : '';
    if (error.exception === undefined && loading.startsWith(`${paths.root}/`))
      return { file: loading.slice(paths.root.length + 1), detail };
    if (error.exception === undefined) return { ...at, property: 'bootstrap', detail };
    return phpProblem(error.exception, paths) ?? { ...at, property: 'bootstrap', detail };
  }
}

/** A worker that comes near to its `memory_limit` would die of it in the middle of a call. */
const limitsOf = ({ resident, ini }: ManagedPoolSettings): ResidentSettings => {
  const limitBytes = iniBytes(String(ini.memory_limit ?? '128M'));
  return { ...resident, memoryMaxBytes: Math.min(resident.memoryMaxBytes, 0.75 * limitBytes) };
};

const toldWhole = ({ message, privateDetail }: ResidentFailure): string => `${message} ${privateDetail ?? ''}`.trim();

/** Undefined: it is in no file of the project. */
export const phpProblem = (
  { message, file, line, class: type }: NonNullable<LoadedHandler['exception']>,
  { root, runtime }: PhpPaths,
): StartupProblem | undefined => {
  if (!file.startsWith(`${root}/`) || file.startsWith(`${runtime}/`)) return undefined;
  return { file: file.slice(root.length + 1), line, detail: `${type}: ${message}` };
};
