/** A pool of our own: a php-fpm master we start, watch, restart when it dies, and stop. */
import { existsSync } from 'node:fs';
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
import { MasterWatch } from './master-watch.ts';
import type { poolUser } from './pool-user.ts';
import { RESTART_FIRST_MS, type Restarts, restartDelayMs } from './restarts.ts';
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
  readonly restarts: Restarts;
  readonly log: Log;
  readonly onFree: () => void;
}

/** One master with the workers behind its socket. A restarted master gets a new socket: orphans keep the old one. */
interface Generation {
  readonly master: FpmMaster;
  readonly socket: string;
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
  | { readonly kind: 'up'; readonly generation: Generation; readonly sinceMs: number; readonly watch: MasterWatch }
  | { readonly kind: 'restarting' }
  | { readonly kind: 'closed' };

export class ManagedPool implements SleeperPart {
  readonly #options: ManagedOptions;
  readonly #uploadDir: UploadDir;
  readonly #grace: GraceDir;
  #state: State = { kind: 'stopped' };
  readonly #ending = new AbortController();
  /** That there may be now. */
  #workers: number;
  #restartDelayMs = RESTART_FIRST_MS;
  /** The next generation is to come, or starts. */
  #next: NodeJS.Timeout | undefined;
  /** Why there is no master, or no better one. */
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
    const missing = this.#state.kind !== 'up' || this.#next !== undefined ? this.#failure : undefined;
    return this.#state.kind === 'up' ? (this.#state.generation.supply.failure ?? missing) : missing;
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
    clearTimeout(this.#next);
    if (this.#state.kind === 'up') this.#state.watch.stop();
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
    if (reserved === undefined) return { master, socket, backend, supply, reserve: undefined };
    const address = { kind: 'unix', path: reserved.socket } as const;
    const lone = { limit: undefined, forksOnDemand: true, pipelines: false };
    const reserve = fpmBackend({ ...common, ...lone, address, workers: reserved.workers });
    return { master, socket, backend, supply, reserve };
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
        restore: instance.restore,
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
    const { onFree, log, name } = this.#options;
    const sinceMs = performance.now();
    const watch = new MasterWatch(
      () => unwell(generation),
      (why) => {
        log.error({ pool: name, why }, 'php-fpm does not do its work: starting another');
        this.#hasLived(sinceMs);
        this.#scheduleNext(`php-fpm did not do its work: ${why}.`);
      },
    );
    this.#state = { kind: 'up', generation, sinceMs, watch };
    this.#alive.add(generation);
    onFree();
    void generation.master.exited.then((how) => this.#died(generation, how));
  }

  #died(generation: Generation, how: string): void {
    const state = this.#state;
    // One that was replaced has been retired.
    if (state.kind !== 'up' || state.generation !== generation) return;
    state.watch.stop();
    this.#hasLived(state.sinceMs);
    const why = `php-fpm died (${how}).`;
    this.#failure = new GatewayError('pool-unavailable', why);
    this.#options.log.error({ pool: this.#options.name, how }, 'php-fpm master died: starting another');
    this.#state = { kind: 'restarting' };
    this.#retire(generation, true);
    this.#scheduleNext(why);
  }

  /** Workers outlive a killed master and would serve old code for ever: what they run may finish, then they go. */
  #retire(generation: Generation, hasDied: boolean): void {
    void closeBackends(generation).then(async () => {
      if (hasDied) this.#options.restarts.orphans += generation.master.orphans.length;
      generation.master.kill();
      await generation.master.exited;
      this.#alive.delete(generation);
    });
  }

  #hasLived(sinceMs: number): void {
    this.#restartDelayMs = restartDelayMs(performance.now() - sinceMs, this.#restartDelayMs);
  }

  /** Once, however often it is asked for. */
  #scheduleNext(why: string): void {
    if (this.#next !== undefined) return;
    const delayMs = this.#restartDelayMs;
    this.#restartDelayMs = restartDelayMs(0, delayMs * 2);
    this.#options.restarts.planned(delayMs);
    this.#next = setTimeout(() => {
      this.#launching = this.#startNext(why);
    }, delayMs);
  }

  async #startNext(why: string): Promise<void> {
    const { restarts, log, name } = this.#options;
    restarts.begun();
    try {
      // It may have gone on meanwhile.
      if (this.#state.kind !== 'up' || unwell(this.#state.generation) !== undefined) await this.#replace(why);
      else this.#next = undefined;
    } catch (error) {
      this.#next = undefined;
      this.#failure = error;
      if (this.#state.kind === 'closed') return;
      log.error({ pool: name, err: error }, 'php-fpm did not start: trying again');
      this.#scheduleNext(why);
    }
  }

  /** Starts beside the one there may be, which has its place until then: its workers may serve still. */
  async #replace(why: string): Promise<void> {
    const generation = await this.#launch();
    this.#alive.add(generation);
    try {
      this.#assertOpen();
      await generation.backend.probe();
      this.#assertOpen();
    } catch (error) {
      await this.#discard(generation);
      throw error;
    }
    const before = this.#state;
    // It may have died while its orphan answered the probe: then the next one is planned as soon as it is adopted.
    this.#next = undefined;
    this.#adopt(generation);
    this.#options.restarts.done(why);
    if (before.kind !== 'up') return;
    before.watch.stop();
    this.#retire(before.generation, false);
  }
}

/** Of a master that lives; undefined: nothing is wrong with it. */
const unwell = ({ master, socket, supply }: Generation): string | undefined => {
  if (master.isStopped) return 'it is stopped (SIGSTOP)';
  if (!existsSync(socket)) return `its socket ${socket} is gone`;
  // Connections are never more than its workers: one that is not answered lacks a worker that it should have.
  return supply.failure === undefined ? undefined : operatorDetail(supply.failure);
};
