/** A pool of our own: a php-fpm master we start, watch, restart when it dies, and stop. */
import { join } from 'node:path';
import type { ManagedPoolSettings, PoolSize } from '../config-pools.ts';
import { GatewayError, operatorDetail } from '../errors.ts';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { type Backend, fpmBackend, fpmWorkers } from './backend.ts';
import type { ConnectedSupply } from './connected-supply.ts';
import type { Cores } from './cores.ts';
import {
  type FpmConfigInput,
  iniArguments,
  masterEnvironment,
  type PoolSockets,
  phpIni,
  poolEnvironment,
  renderFpmConfig,
  runtimePreload,
} from './fpm-config.ts';
import { FpmMaster } from './fpm-master.ts';
import { GraceDir } from './grace.ts';
import type { InstanceDir } from './instance-dir.ts';
import { assertSocketPath } from './internal-sockets.ts';
import type { poolUser } from './pool-user.ts';
import type { PhpPaths } from './runtime.ts';
import type { SleeperPart } from './sleep.ts';
import { stoppedError } from './stopped.ts';
import { UploadDir, type UploadNeeds } from './uploads.ts';
import type { Worker } from './worker.ts';

export interface ManagedOptions {
  readonly name: string;
  readonly settings: ManagedPoolSettings;
  readonly size: PoolSize;
  /** Whom its workers run as, if not as ourselves. */
  readonly user: ReturnType<typeof poolUser>;
  readonly program: string;
  readonly instance: InstanceDir;
  readonly paths: PhpPaths;
  readonly longestCallMs: number;
  readonly uploads: UploadNeeds;
  /** Where compiled code outlives a sleep; undefined: it has none. */
  readonly codeCache: string | undefined;
  /** 0: none. */
  readonly reserveWorkers: number;
  readonly sockets: PoolSockets;
  readonly cores: Cores;
  /** Of all processes the pool ever has: what one leaves behind is in no other's way. */
  readonly nextNumber: () => number;
  readonly log: Log;
  readonly onFree: () => void;
}

/** One master with the workers behind its socket. A restarted master gets a new socket: orphans keep the old one. */
interface Generation {
  readonly master: FpmMaster;
  readonly backend: Backend;
  readonly supply: ConnectedSupply;
  readonly reserve: Backend | undefined;
}

const backendsOf = ({ backend, reserve }: Generation): readonly Backend[] =>
  reserve === undefined ? [backend] : [backend, reserve];

const destroyBackends = (generation: Generation): void => {
  for (const backend of backendsOf(generation)) backend.destroy();
};

const closeBackends = async (generation: Generation): Promise<void> => {
  await Promise.all(backendsOf(generation).map((backend) => backend.close()));
};

type State =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'up'; readonly generation: Generation }
  | { readonly kind: 'restarting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 10_000;
/** A master that lived this long starts over with the shortest delay. */
const HEALTHY_MS = 60_000;

export class ManagedPool implements SleeperPart {
  readonly #options: ManagedOptions;
  readonly #uploadDir: UploadDir;
  readonly #grace: GraceDir;
  #state: State = { kind: 'stopped' };
  readonly #ending = new AbortController();
  /** That there may be now. */
  #workers: number;
  #restartDelayMs = RESTART_FIRST_MS;
  /** Why there is no master. */
  #failure: unknown;
  /** All with processes: the one in use, and those whose master died while calls run on. */
  readonly #alive = new Set<Generation>();
  #launching: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ManagedOptions) {
    this.#options = options;
    const { instance, name, user, size } = options;
    this.#uploadDir = new UploadDir(instance.spool, name, user);
    this.#grace = new GraceDir(instance.spool, name, user);
    this.#workers = Math.max(1, size.minWorkers);
  }

  /** A call with files begins; the result is called when its worker is free again, or gone. */
  beginUpload(): (isGone: boolean) => void {
    return this.#uploadDir.begin();
  }

  get backends(): readonly Backend[] {
    return this.#state.kind === 'up' ? [this.#state.generation.backend] : [];
  }

  get workers(): number {
    return this.#workers;
  }

  /** They are connected as calls get them. */
  get starting(): number {
    return 0;
  }

  get failure(): unknown {
    return this.#state.kind === 'up' ? this.#state.generation.supply.failure : this.#failure;
  }

  get isBusy(): boolean {
    return [...this.#alive].some((generation) => backendsOf(generation).some(({ calls }) => calls > 0));
  }

  get idleSinceMs(): number | undefined {
    return this.#state.kind === 'up' ? this.#state.generation.supply.idleSinceMs : undefined;
  }

  get usedMs(): number {
    return this.#state.kind === 'up' ? this.#state.generation.supply.usedMs : 0;
  }

  /** More connections: php-fpm forks a worker for each. Fewer: it ends whose are closed. */
  resize(workers: number): void {
    const grows = workers > this.#workers;
    this.#workers = workers;
    if (this.#state.kind !== 'up') return;
    this.#state.generation.supply.resize(workers);
    if (grows) this.#options.onFree();
  }

  get reserve(): Backend | undefined {
    return this.#state.kind === 'up' ? this.#state.generation.reserve : undefined;
  }

  /** The FPM master's pid while it is up. */
  get masterPid(): number | undefined {
    return this.#state.kind === 'up' ? this.#state.generation.master.pid : undefined;
  }

  /** Resolves with the first worker once all that are to stay have answered; rejects with StartupError. */
  async start(): Promise<Worker> {
    const starting = this.#start();
    // Whoever ends it meanwhile has to wait for what there is to end.
    this.#launching = starting.catch(() => {});
    return await starting;
  }

  async #start(): Promise<Worker> {
    const generation = await this.#launch();
    // Whoever ends it now ends the master, too: a probe that waits for its answer fails.
    this.#alive.add(generation);
    try {
      this.#assertOpen();
      const worker = await generation.backend.probe();
      // php-fpm forks for each connection; a pool whose workers all stay has forked them already.
      const others = this.#isFixed ? 0 : this.#workers - 1;
      for (let n = 0; n < others; n += 1) await generation.backend.probe();
      this.#assertOpen();
      this.#adopt(generation);
      return worker;
    } catch (error) {
      await this.#discard(generation);
      const detail = operatorDetail(error);
      throw new StartupError([{ file: `pools.${this.#options.name}`, detail }], { cause: error });
    }
  }

  async #discard(generation: Generation): Promise<void> {
    destroyBackends(generation);
    generation.master.kill();
    await generation.master.exited;
    this.#alive.delete(generation);
  }

  /** Running calls get their answers, then the master stops. Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#end();
    this.#closing ??= this.#drain(graceMs);
    return this.#closing;
  }

  /** Ends all processes now, also those a `close()` waits for. Idempotent. */
  async destroy(): Promise<void> {
    this.#end();
    for (const generation of this.#alive) {
      destroyBackends(generation);
      generation.master.kill();
    }
    await Promise.all([this.#launching, ...[...this.#alive].map(({ master }) => master.exited)]);
  }

  /** Somebody may end it while it starts. */
  #assertOpen(): void {
    if (this.#state.kind === 'closed') throw stoppedError();
  }

  get #isFixed(): boolean {
    const { minWorkers, maxWorkers } = this.#options.size;
    return minWorkers === maxWorkers;
  }

  #end(): void {
    if (this.#state.kind === 'restarting') clearTimeout(this.#state.timer);
    this.#state = { kind: 'closed' };
    this.#ending.abort();
  }

  async #drain(graceMs: number): Promise<void> {
    await this.#launching;
    await Promise.all(
      [...this.#alive].map(async (generation) => {
        await closeBackends(generation);
        await generation.master.stop(graceMs);
      }),
    );
  }

  #socketPath(id: string): string {
    return assertSocketPath(join(this.#options.instance.sockets, id));
  }

  async #launch(): Promise<Generation> {
    const { name, settings, size, paths, reserveWorkers, cores, nextNumber, log, onFree } = this.#options;
    const id = `${name}.${nextNumber()}`;
    const socket = this.#socketPath(id);
    const reserved = reserveWorkers === 0 ? undefined : { socket: this.#socketPath(`${id}r`), workers: reserveWorkers };
    const master = await this.#startMaster(id, socket, reserved);
    const { idleMs, connectTimeoutMs } = settings;
    const common = { paths, grace: this.#grace, idleMs, cores, connectTimeoutMs, log, onFree };
    const isFixed = this.#isFixed;
    const { backend, supply } = fpmWorkers({
      ...common,
      address: { kind: 'unix', path: socket },
      workers: size.maxWorkers,
      limit: isFixed ? undefined : this.#workers,
      forksOnDemand: !isFixed,
      pipelines: true,
    });
    if (reserved === undefined) return { master, backend, supply, reserve: undefined };
    const address = { kind: 'unix', path: reserved.socket } as const;
    const lone = { limit: undefined, forksOnDemand: true, pipelines: false };
    const reserve = fpmBackend({ ...common, ...lone, address, workers: reserved.workers });
    return { master, backend, supply, reserve };
  }

  /** A pool of which PHP cannot preload the runtime works without. */
  async #startMaster(id: string, socket: string, reserve: FpmConfigInput['reserve']): Promise<FpmMaster> {
    const { name, settings, user, program, instance, paths, longestCallMs, uploads, codeCache, sockets, log } =
      this.#options;
    const env = poolEnvironment(settings, { ...sockets, grace: this.#grace.path });
    const start = (preload: Readonly<Record<string, string>>): Promise<FpmMaster> =>
      FpmMaster.start({
        pool: name,
        program,
        configFile: join(instance.path, `${id}.conf`),
        config: renderFpmConfig({
          pool: name,
          instanceId: instance.id,
          socket,
          reserve,
          settings,
          env,
          longestCallMs,
          user,
        }),
        iniArguments: iniArguments(phpIni({ settings, uploads, uploadDir: this.#uploadDir.path, codeCache, preload })),
        env: masterEnvironment(env),
        sockets: [socket, ...(reserve === undefined ? [] : [reserve.socket])],
        signal: this.#ending.signal,
        guard: instance.guard,
        log,
      });
    try {
      return await start(runtimePreload(paths.runtime, user));
    } catch (error) {
      const isOurs = settings.ini['opcache.preload'] === undefined;
      if (!isOurs || !/preload/i.test(operatorDetail(error))) throw error;
      log.warn({ pool: name, err: error }, 'php-fpm cannot preload the runtime: calls take longer without');
      return await start({});
    }
  }

  #adopt(generation: Generation): void {
    const startedMs = performance.now();
    this.#state = { kind: 'up', generation };
    this.#alive.add(generation);
    this.#options.onFree();
    void generation.master.exited.then((how) => {
      if (this.#state.kind === 'closed') return;
      if (performance.now() - startedMs > HEALTHY_MS) this.#restartDelayMs = RESTART_FIRST_MS;
      this.#failure = new GatewayError('pool-unavailable', `php-fpm died (${how}).`);
      this.#options.log.error({ pool: this.#options.name, how }, 'php-fpm master died: starting another');
      this.#retire(generation);
      this.#scheduleRestart();
    });
  }

  /** Workers outlive a killed master and would serve old code for ever: what they run may finish, then they go. */
  #retire(generation: Generation): void {
    void closeBackends(generation).then(() => {
      generation.master.kill();
      this.#alive.delete(generation);
    });
  }

  #scheduleRestart(): void {
    const timer = setTimeout(() => {
      this.#launching = this.#restart();
    }, this.#restartDelayMs);
    this.#state = { kind: 'restarting', timer };
    this.#restartDelayMs = Math.min(RESTART_MAX_MS, this.#restartDelayMs * 2);
  }

  async #restart(): Promise<void> {
    try {
      const generation = await this.#launch();
      if (this.#state.kind === 'restarting') {
        this.#adopt(generation);
        return;
      }
      // Closed meanwhile.
      await this.#discard(generation);
    } catch (error) {
      this.#failure = error;
      this.#options.log.error({ pool: this.#options.name, err: error }, 'php-fpm did not start: trying again');
      if (this.#state.kind === 'restarting') this.#scheduleRestart();
    }
  }
}
