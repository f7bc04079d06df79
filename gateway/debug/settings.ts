/** A project as a debugger needs it: one worker for each pool, and nothing that ends a call while somebody looks at it. */
import type { Settings } from '../config.ts';
import type { ManagedPoolSettings, PoolSettings } from '../config-pools.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { isAttached } from '../pool/pool.ts';
import type { Project } from '../project.ts';

/** Longer than anybody looks, and short enough for every timer. */
const NO_LIMIT_MS = 24 * 3_600_000;
const NO_LIMIT = 1_000_000_000;

export type IniOf = (pool: string, settings: ManagedPoolSettings) => Readonly<Record<string, string>>;

/** One for each pool: the next call waits for the one that is looked at, calls made by it have the reserve. */
const patientPool = (name: string, pool: PoolSettings, iniOf: IniOf): PoolSettings => {
  // To prime a connection runs PHP, too.
  const connectTimeoutMs = NO_LIMIT_MS;
  if (isAttached(pool)) return { ...pool, workers: 1, connectTimeoutMs };
  const one = { minWorkers: 1, maxWorkers: 1 };
  return {
    ...pool,
    ...one,
    connectTimeoutMs,
    ini: { ...pool.ini, ...iniOf(name, pool) },
    resident: {
      ...pool.resident,
      ...one,
      // A worker that goes takes the statics somebody looks at with it.
      callsMax: NO_LIMIT,
      memoryMaxBytes: NO_LIMIT,
      leaks: pool.resident.leaks === 'off' ? 'off' : 'warn',
      ageMaxMs: NO_LIMIT_MS,
      bootstrapTimeoutMs: NO_LIMIT_MS,
    },
  };
};

const patientSettings = (settings: Settings, iniOf: IniOf): Settings => {
  const pools = Object.entries(settings.pools).map(([name, pool]) => [name, patientPool(name, pool, iniOf)]);
  return {
    ...settings,
    pools: Object.fromEntries(pools) as Settings['pools'],
    http: {
      ...settings.http,
      // A handler that calls functions may stand still in the middle of a request or an answer of its own.
      requestTimeoutMs: NO_LIMIT_MS,
      uploadTimeoutMs: NO_LIMIT_MS,
      idleWriteTimeoutMs: NO_LIMIT_MS,
    },
    batch: { ...settings.batch, timeoutMs: NO_LIMIT_MS },
  };
};

const patientFunction = (fn: GatewayFunction): GatewayFunction => ({
  ...fn,
  debugged: true,
  timeoutMs: NO_LIMIT_MS,
  queueTimeoutMs: NO_LIMIT_MS,
  // A breakpoint stops the whole worker, and all Fibers in it.
  concurrency: 1,
  // Whoever ends a call in the debugger does not want to meet it again.
  retry: { ...fn.retry, attempts: 1 },
});

/** Pure. */
export const forDebugging = (project: Project, iniOf: IniOf): Project => {
  const { registry } = project;
  const functions = new Map([...registry.functions].map(([name, fn]) => [name, patientFunction(fn)]));
  return {
    ...project,
    settings: patientSettings(project.settings, iniOf),
    registry: { ...registry, functions },
  };
};
