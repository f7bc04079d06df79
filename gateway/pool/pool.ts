/**
 * A pool as calls see it: slots to take and a status; whether we run its php-fpm or somebody else does.
 */

import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../address.ts';
import type { Settings } from '../config.ts';
import type { AttachedPoolSettings, ManagedPoolSettings, PoolSettings, PoolSize } from '../config-pools.ts';
import type { Engine } from '../contract.ts';
import { diskProblem } from '../disk.ts';
import { GatewayError, operatorDetail } from '../errors.ts';
import type { ConcurrentPeer } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { type Backend, type BackendStatus, fpmBackend, type Slot } from './backend.ts';
import type { Cores } from './cores.ts';
import type { PhpLimits, PrimedMeta } from './envelope.ts';
import type { PoolSockets } from './fpm-config.ts';
import type { Gate } from './gate.ts';
import type { InstanceDir } from './instance-dir.ts';
import { ManagedPool } from './managed.ts';
import type { Lacks } from './places.ts';
import { type PoolKind, poolId } from './pool-kind.ts';
import type { poolUser } from './pool-user.ts';
import { ResidentPool } from './resident-pool.ts';
import type { StartOrder } from './resident-process.ts';
import type { LoadedHandler } from './resident-worker.ts';
import { Restarts, type RestartsStatus } from './restarts.ts';
import type { PhpPaths } from './runtime.ts';
import type { ScalingStep } from './scaling-steps.ts';
import { Sleeper, type SleepState } from './sleep.ts';
import type { Placed } from './slot.ts';
import { type UploadNeeds, uploadProblems } from './uploads.ts';
import type { WarmStatus } from './warm-supply.ts';
import { LINE_MAX_MS, WAKE_UP_MS } from './workload.ts';

export interface PoolOptions {
  readonly name: string;
  readonly workerKind: PoolKind;
  readonly settings: PoolSettings;
  /** Whom the workers of a managed pool run as, if not as ourselves. */
  readonly user: ReturnType<typeof poolUser>;
  /** php-fpm. */
  readonly program: () => string;
  /** PHP's command line program. */
  readonly php: () => string;
  /** Those of the resident engine. */
  readonly handlers: StartOrder['functions'];
  readonly searchLeaks: Settings['searchLeaks'];
  readonly instance: InstanceDir;
  readonly paths: PhpPaths;
  /** The longest `timeoutMs` of its functions. */
  readonly longestCallMs: number;
  /** What its functions may send. */
  readonly uploads: UploadNeeds;
  /** Workers of a managed pool for calls without which all others would wait for ever. */
  readonly reserveWorkers: number;
  /** For the PHP of a managed pool. */
  readonly sockets: PoolSockets;
  /** For calls over the connections of concurrent workers. */
  readonly nested: ConcurrentPeer;
  /** Of this machine, shared by all its pools. */
  readonly cores: Cores;
  /** Of all pools: so many start at once. */
  readonly starts: Gate;
  readonly log: Log;
}

/** For this long after a quick call, slow ones leave room for the next. */
const QUICK_AROUND_MS = 10_000;

export interface PoolStatus {
  readonly name: string;
  readonly engine: Engine;
  /** Its workers run many calls at once, those of functions with `concurrency`. */
  readonly concurrent: boolean;
  readonly kind: 'managed' | 'attached';
  readonly state: SleepState;
  /** That there may be now: they follow load. */
  readonly workers: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Masters that were replaced because they died or hung. */
  readonly restarts: RestartsStatus;
  /** Workers that outlived their master: ended when they had finished what they ran. */
  readonly orphans: number;
  /** What became of their number lately, and why; the oldest first. */
  readonly steps: readonly ScalingStep[];
  /** How long the last call that woke it waited for a first worker. */
  readonly coldStartMs: number | undefined;
  /** Why it did not wake when it was wanted last, or why workers that are missing did not start. */
  readonly lastFailure: string | undefined;
  readonly phpVersion: string | undefined;
  /** What PHP takes of a request, as the pool's workers tell; undefined until one has. */
  readonly phpLimits: PhpLimits | undefined;
  readonly masterPid: number | undefined;
  readonly backends: readonly BackendStatus[];
  /** Workers for calls without which all others would wait for ever; they start when needed. Undefined: there are none. */
  readonly reserve: BackendStatus | undefined;
  /** Of the resident engine: each worker, and why others were replaced. */
  readonly resident: WarmStatus | undefined;
}

export const isAttached = (settings: PoolSettings): settings is AttachedPoolSettings => 'address' in settings;

/** Of one kind of its workers. */
const sizeOf = (kind: PoolKind, settings: ManagedPoolSettings): PoolSize => {
  const { minWorkers, maxWorkers, resident } = settings;
  if (kind === 'fpm') return { minWorkers, maxWorkers };
  if (kind === 'resident') return { minWorkers: resident.minWorkers, maxWorkers: resident.maxWorkers };
  const workers = resident.concurrentWorkers;
  // They sleep where the other resident ones do.
  return { minWorkers: resident.minWorkers === 0 ? 0 : workers, maxWorkers: workers };
};

/** On disk, of this release, for the workers' user alone: what lies there is run. */
const makeCodeCache = (id: string, { instance, user }: PoolOptions): string => {
  const folder = join(instance.spool, `opcache-${id}`);
  try {
    mkdirSync(folder, { mode: 0o700 });
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
  } catch (error) {
    throw diskProblem('spoolDir', `${folder} cannot be made`, error);
  }
  return folder;
};

export class Pool {
  readonly name: string;
  readonly workerKind: PoolKind;
  readonly settings: PoolSettings;
  readonly paths: PhpPaths;
  /** Called when a slot may be had; set by admission. */
  onFree: () => void = () => {};
  /** Called when it did not wake for those who wait; set by admission. */
  onFailed: (refusal: () => GatewayError) => void = () => {};
  /** Called when its processes have ended because nobody called it. */
  onAsleep: () => void = () => {};
  readonly #managed: Sleeper<ManagedPool | ResidentPool> | undefined;
  readonly #size: PoolSize;
  readonly #attached: readonly Backend[];
  readonly #uploads: UploadNeeds;
  readonly #restarts = new Restarts();
  #facts: PrimedMeta | undefined;
  #quickAtMs = Number.NEGATIVE_INFINITY;
  #again: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions) {
    const { name, workerKind, settings, paths, log } = options;
    this.name = name;
    this.workerKind = workerKind;
    this.settings = settings;
    this.paths = paths;
    this.#uploads = options.uploads;
    const onFree = (): void => this.onFree();
    if (isAttached(settings)) {
      const { workers, idleMs, connectTimeoutMs } = settings;
      this.#size = { minWorkers: workers, maxWorkers: workers };
      this.#attached = [settings.address].flat().map((text) => {
        const address = parseAddress(text);
        if (address === undefined) throw new GatewayError('internal-error', `${text} is no address.`);
        // Its workers see no folder of ours.
        const options = { address, paths, grace: undefined, workers, idleMs, connectTimeoutMs, log, onFree };
        return fpmBackend({ ...options, limit: undefined, forksOnDemand: false, pipelines: false, cores: undefined });
      });
    } else {
      this.#attached = [];
      const size = sizeOf(workerKind, settings);
      this.#size = size;
      // Found once: a pool that wakes has no time for it.
      const program = workerKind === 'fpm' ? options.program() : options.php();
      const codeCache = size.minWorkers === 0 ? makeCodeCache(this.id, options) : undefined;
      let numbers = 0;
      const nextNumber = (): number => {
        numbers += 1;
        return numbers;
      };
      const restarts = this.#restarts;
      const common = { ...options, settings, size, program, codeCache, nextNumber, restarts, onFree };
      const { idleMs, sleepAfterMs } = settings;
      this.#managed = new Sleeper<ManagedPool | ResidentPool>({
        pool: this.id,
        name,
        starts: options.starts,
        pace: { size, idleMs, sleepAfterMs, startsAtOnce: options.cores.places },
        make: () =>
          workerKind === 'fpm' ? new ManagedPool(common) : new ResidentPool({ ...common, functions: options.handlers }),
        log,
        onAwake: onFree,
        onAsleep: () => this.onAsleep(),
        onFailed: (refusal) => this.onFailed(refusal),
      });
      options.cores.onFreed(onFree);
    }
  }

  get #backends(): readonly Backend[] {
    return this.#managed === undefined ? this.#attached : (this.#managed.part?.backends ?? []);
  }

  get id(): string {
    return poolId(this.name, this.workerKind);
  }

  get engine(): Engine {
    return this.workerKind === 'fpm' ? 'fpm' : 'resident';
  }

  get state(): SleepState {
    return this.#managed?.state ?? 'awake';
  }

  /** How resident workers took their handlers. */
  get handlers(): readonly LoadedHandler[] {
    const part = this.#managed?.part;
    return part instanceof ResidentPool ? part.handlers : [];
  }

  /** False: calls that wait will not be served until the pool is back. One that sleeps is: they wake it. */
  get available(): boolean {
    const { state } = this;
    if (state === 'backing off' || state === 'closed') return false;
    return state !== 'awake' || this.#backends.some((backend) => backend.up);
  }

  /** Why it did not wake, or workers that are missing did not start. Undefined: nothing is known. */
  get failure(): string | undefined {
    const failure = this.#managed?.part?.failure;
    return failure === undefined ? this.#managed?.lastFailure : operatorDetail(failure);
  }

  /** It has fewer workers than it may have, and nothing is known that would keep more from starting. */
  get mayGrow(): boolean {
    const part = this.#managed?.part;
    return part !== undefined && part.workers < this.#size.maxWorkers && part.failure === undefined;
  }

  /** It did not wake, and is not tried before, ms from now; undefined: it does not back off. */
  get backOffMs(): number | undefined {
    return this.#managed?.backOffMs;
  }

  get status(): PoolStatus {
    const backends = this.#backends.map((backend) => backend.status);
    const managed = this.#managed;
    const part = managed?.part;
    const { minWorkers, maxWorkers } = this.#size;
    const addresses = Math.max(1, this.#attached.length);
    return {
      name: this.name,
      engine: this.engine,
      concurrent: this.workerKind === 'concurrent',
      kind: managed === undefined ? 'attached' : 'managed',
      state: this.state,
      workers: managed === undefined ? maxWorkers * addresses : (part?.workers ?? 0),
      minWorkers: minWorkers * addresses,
      maxWorkers: maxWorkers * addresses,
      restarts: this.#restarts.status,
      orphans: this.#restarts.orphans,
      steps: managed?.steps ?? [],
      coldStartMs: managed?.coldStartMs,
      lastFailure: this.failure,
      phpVersion: this.#facts?.phpVersion,
      phpLimits: this.#facts?.limits,
      masterPid: part?.masterPid,
      backends,
      reserve: part?.reserve?.status,
      resident: part instanceof ResidentPool ? part.status : undefined,
    };
  }

  /** It can be reached, and no worker is free. More may come, or not: their start may take long, or fail. */
  get isFull(): boolean {
    if (this.#managed !== undefined && this.#managed.state !== 'awake') return false;
    return this.available && this.#backends.every((backend) => backend.isFull);
  }

  /** So many calls wait for a worker of it, and would fill so many. True: it slept, and wakes for this one. */
  lack(calls: number, calledBy: string, workers: number): boolean {
    return this.#managed?.lack(calls, calledBy, workers) ?? false;
  }

  /** A call that lacks a worker could not wait for it. */
  turnedAway(): void {
    this.#managed?.turnedAway();
  }

  /** Its handlers were checked: it may sleep. */
  settle(): void {
    this.#managed?.settle();
  }

  /** Resolves once a worker behind each address has answered; rejects with StartupError. */
  async start(): Promise<void> {
    if (this.#managed !== undefined) {
      this.#facts = (await this.#managed.start()).facts;
      return;
    }
    for (const backend of this.#attached) {
      try {
        this.#facts = (await backend.probe()).facts;
      } catch (error) {
        const detail = operatorDetail(error);
        throw new StartupError([{ file: `pools.${this.name}`, property: 'address', detail }], { cause: error });
      }
      const lacking = uploadProblems(this.#uploads, this.#facts.limits);
      if (lacking.length === 0) continue;
      const detail = `php-fpm at ${backend.status.address} would refuse what the gateway lets through: ${lacking.join('; ')}.`;
      throw new StartupError([{ file: `pools.${this.name}`, property: 'address', detail }]);
    }
  }

  /** A worker for this call, or a place behind others, or undefined: it has to wait. */
  take(placed: Placed, whenFreed: () => void): Slot | undefined {
    const { workload } = placed;
    const isMeasured = workload.wallMs > 0;
    if (isMeasured) this.#noteQuick(workload);
    // One that was never measured may be slow: the first 19 of a fan-out kept a worker from the 81 behind them. Its
    // first call tells; later ones need no closure of their own.
    const onFreed = isMeasured ? whenFreed : this.#notingQuick(workload, whenFreed);
    const backend = this.#roomiest();
    if (backend === undefined) return undefined;
    const near = backend.takeBehind(placed, WAKE_UP_MS, onFreed);
    if (near !== undefined) return near;
    const lacking = backend.lacks(placed, this.#quickCallsAround);
    if (lacking === 'nothing') return backend.take(placed, onFreed);
    if (lacking === 'kept') this.#lookAgain();
    return backend.takeBehind(placed, LINE_MAX_MS, onFreed);
  }

  /** A worker in reserve, whatever the CPU has to do; undefined: there is none, or none is free. */
  takeReserve(placed: Placed, onFreed: () => void): Slot | undefined {
    const reserve = this.#managed?.part?.reserve;
    return reserve !== undefined && reserve.free > 0 ? reserve.take(placed, onFreed) : undefined;
  }

  /** Why such a call would have to wait now. */
  lacks(placed: Placed): Lacks {
    return this.#roomiest()?.lacks(placed, this.#quickCallsAround) ?? 'worker';
  }

  #noteQuick(workload: Placed['workload']): void {
    if (!workload.isSlow) this.#quickAtMs = performance.now();
  }

  #notingQuick(workload: Placed['workload'], whenFreed: () => void): () => void {
    return () => {
      this.#noteQuick(workload);
      whenFreed();
    };
  }

  get #quickCallsAround(): boolean {
    return performance.now() - this.#quickAtMs < QUICK_AROUND_MS;
  }

  /** When quick calls have stayed away for long enough: nothing else may happen until then. */
  #lookAgain(): void {
    if (this.#again !== undefined) return;
    const sinceMs = performance.now() - this.#quickAtMs;
    this.#again = setTimeout(
      () => {
        this.#again = undefined;
        this.onFree();
      },
      Math.max(0, QUICK_AROUND_MS - sinceMs),
    );
    this.#again.unref();
  }

  #roomiest(): Backend | undefined {
    let best: Backend | undefined;
    for (const backend of this.#backends) {
      if (best === undefined || backend.free > best.free) best = backend;
    }
    return best;
  }

  /** A call with files begins; the result is called when its worker is free again, or gone. Attached pools clean up themselves. */
  beginUpload(): (isGone: boolean) => void {
    return this.#managed?.part?.beginUpload() ?? (() => {});
  }

  /** Refuses nothing itself (admission does): waits for running calls, then stops. */
  async close(graceMs: number): Promise<void> {
    clearTimeout(this.#again);
    await Promise.all([this.#managed?.close(graceMs), ...this.#attached.map((backend) => backend.close())]);
  }

  async destroy(): Promise<void> {
    clearTimeout(this.#again);
    for (const backend of this.#attached) backend.destroy();
    await this.#managed?.destroy();
  }
}
