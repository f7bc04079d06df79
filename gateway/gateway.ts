/**
 * `createGateway`: one release of functions and contracts on running pools. The server puts listeners in front of
 * it; tests and other programs use it in process.
 */

import { join, resolve } from 'node:path';
import { Caches } from './cache/caches.ts';
import { SignalCaller } from './caller.ts';
import type { GatewayConfig, Settings } from './config.ts';
import { diskProblem, isDiskFault } from './disk.ts';
import { type GatewayError, operatorDetail, toGatewayError } from './errors.ts';
import { type App, createApp } from './http/app.ts';
import { forLocalPeers, openInternalListeners } from './http/internal-listener.ts';
import type { Listener } from './http/listener.ts';
import { NestedEntry } from './http/nested.ts';
import { API_INFO } from './http/openapi.ts';
import { Shedding } from './http/shedding.ts';
import { SqliteStore } from './idempotency/sqlite-store.ts';
import { stateFile } from './idempotency/state-file.ts';
import type { KeyStore } from './idempotency/store.ts';
import { newCallId } from './ids.ts';
import { Admission, type FunctionStatus } from './invoke/admission.ts';
import type { BreakerStatus } from './invoke/breaker.ts';
import type { GatewayFunction } from './invoke/function.ts';
import { inProcessRequest, readStream, resultOf } from './invoke/in-process.ts';
import { Invoker } from './invoke/invoke.ts';
import { attachedLimitWarnings } from './invoke/ladder-rules.ts';
import { LimitPlaces } from './invoke/limit-places.ts';
import { LimitsTold } from './invoke/limit-struck.ts';
import { Nesting } from './invoke/nesting.ts';
import { Outcomes } from './invoke/outcomes.ts';
import { stopping } from './invoke/refusals.ts';
import type { Registry } from './invoke/registry.ts';
import { type CallPhase, type CallStatus, RunningCalls } from './invoke/running.ts';
import { Turns } from './invoke/turns.ts';
import { type Log, silentLog } from './log.ts';
import { moduleImporter } from './modules.ts';
import { checkHandlers, InputClasses } from './pool/check.ts';
import { type InstanceDir, openInstanceDir } from './pool/instance-dir.ts';
import { InternalSockets } from './pool/internal-sockets.ts';
import { isAttached, type Pool, type PoolStatus } from './pool/pool.ts';
import { type CacheStatus, PoolCaches } from './pool/pool-caches.ts';
import { kindFor } from './pool/pool-kind.ts';
import { makePools, mayMove, startPools } from './pool/pools.ts';
import { checkResident } from './pool/resident-check.ts';
import { loadProject, type Project } from './project.ts';
import { Quiet } from './quiet.ts';
import { Spool } from './spool.ts';
import { StartupError, type StartupProblem } from './startup.ts';
import { type LeakStatus, Targets } from './targets.ts';
import { TraceRing } from './trace/ring.ts';
import { parseTraceparent } from './trace/traceparent.ts';
import { parentBasedAlwaysOn, Tracer } from './trace/tracer.ts';

export interface GatewayParts {
  /** The project's folder; default: the working directory. */
  readonly project?: string;
  /** Overrides settings; default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where the gateway and handlers report; default: nowhere. */
  readonly log?: Log;
}

export interface InvokeOptions {
  /** Less than the contract allows. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** W3C trace context of the caller. */
  readonly traceparent?: string;
  /** Which file of a contract with `scripts`. */
  readonly script?: string;
}

export interface GatewayPoolStatus extends PoolStatus {
  /** What its workers share; undefined for attached pools. */
  readonly cache: CacheStatus | undefined;
  /** Undefined: no function is called there. */
  readonly breaker: BreakerStatus | undefined;
  readonly functions: readonly (FunctionStatus & {
    readonly leaks: readonly LeakStatus[];
    readonly breaker: BreakerStatus | undefined;
  })[];
}

export interface Gateway {
  readonly settings: Settings;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly warnings: readonly StartupProblem[];
  readonly tracer: Tracer;
  /** How the calls of each function have ended. */
  readonly outcomes: Outcomes;
  /** The public HTTP interface as a web-standard handler. */
  fetch(request: Request, env?: object): Response | Promise<Response>;
  /** Answers a plain call over a socket; undefined for any other request, which is for `fetch`. */
  readonly serve: App['serve'];
  /** The same for peers on unix sockets of this machine: under any host name. */
  readonly internal: App;
  /**
   * Resolves with the validated output; for bytes with a `BinaryResult`; for a stream with an async iterable of items
   * or byte arrays, and leaving its loop stops PHP. Rejects with GatewayError.
   */
  invoke(name: string, input: unknown, options?: InvokeOptions): Promise<unknown>;
  /** Their workers, and how the calls of each function fare there. */
  pools(): readonly GatewayPoolStatus[];
  /** Under way, the oldest first, so many at most. */
  calls(max: number): readonly CallStatus[];
  /** Ends this one alone: its caller gets `cancelled`. Where it stood; undefined: it is unknown, or over. */
  cancel(callId: string): CallPhase | undefined;
  /** Refuses new calls, lets running ones finish within `shutdownGraceMs`, stops the pools. Idempotent. */
  close(): Promise<void>;
  /** Ends everything now. Idempotent. */
  destroy(): Promise<void>;
}

const RUNTIME = join(import.meta.dirname, 'php');

/** Rejects with StartupError: everything that is wrong, at once. */
export const createGateway = async (config: GatewayConfig, parts: GatewayParts = {}): Promise<Gateway> => {
  const folder = resolve(parts.project ?? process.cwd());
  const env = parts.env ?? process.env;
  const project = await loadProject({ folder, env, importModule: moduleImporter(0) }, config);
  const log = parts.log ?? silentLog;
  const { ringMax, enabled } = project.settings.trace;
  const tracer = new Tracer(new TraceRing(ringMax), parentBasedAlwaysOn, [], enabled);
  return await openGateway(project, { log, tracer, caches: new Caches() });
};

interface OpenParts {
  readonly log: Log;
  readonly tracer: Tracer;
  readonly caches: Caches;
  /** Nobody wants it any more while it still starts: an application may take half a minute to load. */
  readonly giveUp?: AbortSignal | undefined;
  /** Aborted when it will be closed soon: `/readyz` says so, calls are still served. */
  readonly stopping?: AbortSignal | undefined;
  /** All of its pools sleep. */
  readonly onQuiet?: (() => void) | undefined;
}

/** For a project that is loaded, with parts that outlive it. Rejects with StartupError. */
export const openGateway = async (project: Project, parts: OpenParts): Promise<Gateway> => {
  const { folder, settings, registry } = project;
  const { log, tracer } = parts;
  const instance = openInstanceDir(settings.runtimeDir, settings.spoolDir, log);
  const internal = settings.internal.enabled ? new InternalSockets(instance.path) : undefined;
  const nested = new NestedEntry(settings);
  const functions = [...registry.functions.values()];
  const caches = new PoolCaches({ settings, caches: parts.caches, instanceFolder: instance.path, log });
  const pools = new Map<string, Pool>();
  const problems: StartupProblem[] = [...registry.problems];
  const keys = new SqliteStore({ path: stateFile(settings.stateDir, folder), ...settings.idempotency, log });
  let inputClasses = new InputClasses();
  try {
    await gather(problems, async () => {
      const common = { settings, functions, instance, internal, nested, caches, log };
      for (const pool of makePools({ project: folder, runtime: RUNTIME, ...common })) pools.set(pool.id, pool);
    });
    await gather(problems, () => caches.open());
    await gather(problems, () => openKeys(keys, functions));
    await gather(problems, () => unlessGivenUp(startPools(pools.values()), parts.giveUp));
    if (parts.giveUp?.aborted)
      throw new StartupError([{ file: 'fpm-gateway', detail: 'It was stopped while it started.' }]);
    const running = new Map([...pools].filter(([, pool]) => pool.state === 'awake' && pool.available));
    await gather(problems, async () => {
      const fpm = [...registry.functions.values()].filter((fn) => runsInFpm(fn, settings));
      inputClasses = await checkHandlers(fpm, running);
    });
    const warnings = [...registry.warnings];
    for (const pool of running.values()) {
      const checked = checkResident(pool, residentFiles(pool, registry));
      problems.push(...checked.problems);
      warnings.push(...checked.warnings);
      if (isAttached(pool.settings))
        warnings.push(...attachedLimitWarnings(pool.name, pool.status.phpLimits, registry.functions.values()));
    }
    if (problems.length > 0) throw new StartupError(problems);
    const opened = {
      settings,
      limitsTold: new LimitsTold(new LimitPlaces({ ...project, contracts: registry.contracts })),
      registry: { ...registry, warnings },
      tracer,
      pools,
      caches,
      inputClasses,
      keys,
      instance,
      log,
      onQuiet: parts.onQuiet ?? (() => {}),
      stopping: parts.stopping,
    };
    const gateway = await RunningGateway.open(opened, internal);
    nested.open(gateway.internal.nested);
    caches.take();
    for (const pool of pools.values()) pool.settle();
    return gateway;
  } catch (error) {
    await Promise.allSettled([...pools.values()].map((pool) => pool.destroy()));
    caches.close();
    await keys.close();
    instance.remove();
    // A staged copy, a socket's folder: what every part would else have to tell.
    if (isDiskFault(error, instance.path)) throw diskProblem('runtimeDir', `${instance.path} cannot be filled`, error);
    if (isDiskFault(error, instance.spool)) throw diskProblem('spoolDir', `${instance.spool} cannot be filled`, error);
    throw error;
  }
};

/** A function that cannot be called without a key cannot be called without a place for keys. */
const openKeys = async (keys: KeyStore, functions: readonly GatewayFunction[]): Promise<void> => {
  if (!functions.some(({ idempotencyKey }) => idempotencyKey === 'required')) return;
  try {
    await keys.open();
  } catch (error) {
    throw new StartupError([{ file: 'stateDir', detail: operatorDetail(error) }], { cause: error });
  }
};

/** Whoever starts pools ends them when this rejects. */
const unlessGivenUp = async (starting: Promise<void>, giveUp: AbortSignal | undefined): Promise<void> => {
  if (giveUp === undefined) return await starting;
  const given = Promise.withResolvers<void>();
  const resolve = (): void => given.resolve();
  giveUp.addEventListener('abort', resolve, { once: true });
  if (giveUp.aborted) resolve();
  starting.catch(() => {});
  await Promise.race([starting, given.promise]);
  giveUp.removeEventListener('abort', resolve);
};

/** Now, or when it leaks. */
const runsInFpm = (fn: GatewayFunction, { pools }: Settings): boolean => {
  const pool = pools[fn.pool];
  return fn.engine === 'fpm' || (pool !== undefined && mayMove(pool));
};

const residentFiles = (pool: Pool, { functions }: Registry): { name: string; file: string }[] =>
  [...functions.values()].flatMap(({ name, engine, concurrency, pool: poolName, code }) =>
    pool.engine === 'resident' &&
    kindFor(engine, concurrency) === pool.workerKind &&
    poolName === pool.name &&
    code.kind === 'handler'
      ? [{ name, file: code.file }]
      : [],
  );

/** One step's problems do not hide the next one's. */
const gather = async (problems: StartupProblem[], step: () => Promise<void>): Promise<void> => {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    problems.push(...error.problems);
  }
};

interface RunningParts {
  readonly settings: Settings;
  readonly limitsTold: LimitsTold;
  readonly registry: Registry;
  readonly tracer: Tracer;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly caches: PoolCaches;
  readonly inputClasses: InputClasses;
  readonly keys: KeyStore;
  readonly instance: InstanceDir;
  readonly log: Log;
  readonly onQuiet: () => void;
  readonly stopping: AbortSignal | undefined;
}

class RunningGateway implements Gateway {
  readonly settings: Settings;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly warnings: readonly StartupProblem[];
  readonly tracer: Tracer;
  readonly outcomes = new Outcomes();
  readonly fetch: Gateway['fetch'];
  readonly serve: Gateway['serve'];
  readonly internal: App;
  readonly #parts: RunningParts;
  /** By the pool's id. */
  readonly #admissions = new Map<string, Admission>();
  readonly #targets: Targets;
  readonly #nesting = new Nesting();
  readonly #running = new RunningCalls();
  readonly #invoker: Invoker;
  readonly #spool: Spool;
  readonly #shedding: Shedding;
  readonly #stopBatches: App['stopBatches'];
  #listeners: readonly Listener[] = [];
  readonly #quiet: Quiet;
  #ending: Promise<void> | undefined;

  static async open(parts: RunningParts, sockets: InternalSockets | undefined): Promise<RunningGateway> {
    const gateway = new RunningGateway(parts);
    if (sockets !== undefined) gateway.#listeners = await openInternalListeners(sockets, gateway.internal, parts);
    return gateway;
  }

  private constructor(parts: RunningParts) {
    const { settings, registry, tracer, pools, keys, instance, log } = parts;
    this.#parts = parts;
    this.settings = settings;
    this.functions = registry.functions;
    this.warnings = registry.warnings;
    this.tracer = tracer;
    for (const [id, pool] of pools) this.#admissions.set(id, new Admission(pool, pool.settings, this.#nesting));
    this.#quiet = new Quiet(pools.values(), parts.onQuiet);
    this.#targets = new Targets({
      ...parts,
      functions: registry.functions,
      admissions: this.#admissions,
      outcomes: this.outcomes,
    });
    const { limits } = settings;
    this.#invoker = new Invoker(
      this.#targets.byName,
      {
        headMaxBytes: 65_536,
        // The envelope's own line and figures come on top of what the function returns.
        bodyMaxBytes: limits.responseMaxBytes + 1_048_576,
        stderrMaxBytes: limits.stderrMaxBytes,
        responseMaxBytes: limits.responseMaxBytes,
        issuesMax: limits.issuesMax,
        itemMaxBytes: limits.itemMaxBytes,
        callDepthMax: limits.callDepthMax,
      },
      { log, nesting: this.#nesting, running: this.#running, limitsTold: parts.limitsTold },
    );
    const info = API_INFO;
    const notReady = (): string | undefined => this.#notReady();
    const spoolLimits = { afterBytes: limits.spoolAfterBytes, maxBytes: limits.spoolMaxBytes };
    this.#spool = new Spool(join(instance.spool, 'gateway'), spoolLimits);
    const spool = this.#spool;
    const invoker = this.#invoker;
    const turns = new Turns();
    this.#shedding = new Shedding(settings);
    const shedding = this.#shedding;
    const common = { functions: this.functions, invoker, tracer, spool, turns, keys, shedding, info, log, notReady };
    const app = createApp({ ...common, settings });
    this.fetch = app.fetch;
    this.serve = app.serve;
    this.internal = createApp({ ...common, settings: forLocalPeers(settings) });
    this.#stopBatches = (error) => {
      app.stopBatches(error);
      this.internal.stopBatches(error);
    };
  }

  async invoke(name: string, input: unknown, options: InvokeOptions = {}): Promise<unknown> {
    const caller = parseTraceparent(options.traceparent);
    const fn = this.functions.get(name);
    const function_ = fn?.name ?? 'unknown function';
    const trace = this.tracer.begin({ callId: newCallId(), function: function_, caller, trusted: true });
    const end = (error: GatewayError | undefined): void => {
      if (error !== undefined) trace.recordError(error);
      this.tracer.end(trace, error?.code);
    };
    try {
      const { timeoutMs, signal, script } = options;
      const request = inProcessRequest(fn, input, script ?? '');
      const output = await this.#invoker.invoke({
        ...request,
        name,
        trace,
        timeoutMs,
        caller: new SignalCaller(signal),
        outer: undefined,
      });
      if (output.kind === 'stream') {
        void output.stream.ended.then(end);
        return readStream(output.stream);
      }
      const result = resultOf(function_, output);
      end(undefined);
      return result;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      end(error);
      throw error;
    }
  }

  pools(): readonly GatewayPoolStatus[] {
    return [...this.#parts.pools.values()].map((pool) => ({
      ...pool.status,
      cache: this.#parts.caches.statusOf(pool.name),
      breaker: this.#targets.poolBreakerOf(pool.id),
      functions: (this.#admissions.get(pool.id)?.status ?? []).map((status) => ({
        ...status,
        leaks: this.#targets.leaksOf(status.name),
        breaker: this.#targets.breakerOf(status.name),
      })),
    }));
  }

  calls(max: number): readonly CallStatus[] {
    return this.#running.list(max);
  }

  cancel(callId: string): CallPhase | undefined {
    return this.#running.cancel(callId);
  }

  close(): Promise<void> {
    this.#ending ??= this.#drain();
    return this.#ending;
  }

  async destroy(): Promise<void> {
    this.#quiet.stop();
    for (const admission of this.#admissions.values()) admission.destroy();
    for (const listener of this.#listeners) listener.destroy();
    await Promise.all([...this.#parts.pools.values()].map((pool) => pool.destroy()));
    await this.#removeFiles();
  }

  /** A file that still arrives must not make the folder anew. */
  async #removeFiles(): Promise<void> {
    this.#shedding.close();
    this.#parts.caches.close();
    await this.#parts.keys.close();
    await this.#spool.close();
    this.#parts.instance.remove();
  }

  async #drain(): Promise<void> {
    const { pools, settings } = this.#parts;
    const { shutdownGraceMs } = settings;
    this.#quiet.stop();
    for (const admission of this.#admissions.values()) admission.close();
    this.#stopBatches(stopping());
    const timer = setTimeout(() => void this.destroy(), shutdownGraceMs);
    // Those that run may call functions of any pool until the last of them has ended.
    await this.#nesting.emptied();
    await Promise.all([...pools.values()].map((pool) => pool.close(shutdownGraceMs)));
    // Not before: until then PHP may call functions, and be answered.
    await Promise.all(this.#listeners.map((listener) => listener.close(Promise.resolve(), 0)));
    clearTimeout(timer);
    await this.#removeFiles();
  }

  #notReady(): string | undefined {
    if (this.#ending !== undefined || this.#parts.stopping?.aborted) return 'the gateway is stopping';
    const down = [...this.#parts.pools.values()].find((pool) => !pool.available);
    return down === undefined ? this.#shedding.notReady : `the pool ${down.name} cannot be reached`;
  }
}
