/** The pools of a release: which there must be, and where their workers find the project. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import type { Settings } from '../config.ts';
import type { PoolSettings } from '../config-pools.ts';
import type { Engine } from '../contract.ts';
import type { ConcurrentPeer } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { Cores } from './cores.ts';
import { findPhpFpm } from './fpm-master.ts';
import { Gate } from './gate.ts';
import type { InstanceDir } from './instance-dir.ts';
import type { InternalSockets } from './internal-sockets.ts';
import { findPhp } from './php-cli.ts';
import { isAttached, Pool } from './pool.ts';
import type { PoolCaches } from './pool-caches.ts';
import { kindFor, type PoolKind } from './pool-kind.ts';
import { poolUser } from './pool-user.ts';
import type { StartOrder } from './resident-process.ts';
import { codeFiles, codePath, type FunctionCode, type PhpPaths } from './runtime.ts';
import { canRead, stage } from './stage.ts';
import { uploadNeeds } from './uploads.ts';

interface PooledFunction {
  readonly name: string;
  readonly pool: string;
  readonly engine: Engine;
  readonly concurrency: number;
  readonly output: { readonly kind: string; readonly item?: { readonly kind: string } };
  readonly code: FunctionCode;
  readonly timeoutMs: number;
  readonly files: ReadonlyMap<string, { readonly maxBytes: number; readonly maxCount: number }>;
}

export interface PoolsOptions {
  /** The project's folder, absolute. */
  readonly project: string;
  /** The folder of the PHP runtime, absolute. */
  readonly runtime: string;
  readonly settings: Settings;
  readonly functions: readonly PooledFunction[];
  readonly instance: InstanceDir;
  /** Undefined: functions are not told where to call functions. */
  readonly internal: InternalSockets | undefined;
  /** For calls over the connections of concurrent workers. */
  readonly nested: ConcurrentPeer;
  readonly caches: PoolCaches;
  readonly log: Log;
}

interface Place {
  readonly root: string;
  readonly runtime: string;
}

/** A function that leaks may have to move to php-fpm. */
export const mayMove = (pool: PoolSettings): boolean => !isAttached(pool) && pool.resident.leaks === 'fpm';

/** One pool for each kind of workers that has functions in it, not started. Throws StartupError. */
export const makePools = (options: PoolsOptions): Pool[] => {
  const { settings, functions, instance, internal, nested, caches, log } = options;
  const pathsOf = phpPaths(options);
  const cores = new Cores(availableParallelism());
  const starts = new Gate(cores.places);
  return Object.entries(settings.pools).flatMap(([name, pool]) => {
    const own = functions.filter((fn) => fn.pool === name);
    if (own.length === 0) return [];
    const program = (): string => findPhpFpm(settings.phpFpm);
    const php = (): string => findPhp(settings.php, program());
    const uploads = uploadNeeds(own, settings.limits);
    const paths = pathsOf(name, pool);
    const user = isAttached(pool) ? undefined : poolUser(name, pool.user);
    const gateway = isAttached(pool) ? undefined : internal?.of(user).path;
    const sockets = { gateway, cache: caches.pathOf(name) };
    // As many as there can be levels below the first: see invoke/nesting.ts.
    const reserveWorkers = settings.limits.callDepthMax - 1;
    const { searchLeaks } = settings;
    const programs = { program, php, searchLeaks };
    const shared = { ...programs, user, instance, paths, uploads, reserveWorkers, sockets, nested, cores, starts, log };
    const longestCallMs = Math.max(...own.map((fn) => fn.timeoutMs));
    const ofKind = (workerKind: PoolKind, functions: readonly PooledFunction[]): Pool[] => {
      if (functions.length === 0) return [];
      const handlers = functions.map((fn) => residentHandler(fn, paths));
      return [new Pool({ name, workerKind, settings: pool, longestCallMs, handlers, ...shared })];
    };
    const of = (kind: PoolKind): PooledFunction[] =>
      own.filter(({ engine, concurrency }) => kindFor(engine, concurrency) === kind);
    return [
      ...ofKind('fpm', mayMove(pool) ? own : of('fpm')),
      ...ofKind('resident', of('resident')),
      ...ofKind('concurrent', of('concurrent')),
    ];
  });
};

const residentHandler = ({ name, code, output }: PooledFunction, paths: PhpPaths): StartOrder['functions'][number] => {
  const streams = output.kind !== 'stream' ? null : output.item?.kind === 'json' ? 'items' : 'bytes';
  return { name, file: codeFiles(code).map((file) => codePath(paths, file))[0] ?? '', streams };
};

/** Rejects with a StartupError that tells every pool's problem. */
export const startPools = async (pools: Iterable<Pool>): Promise<void> => {
  const results = await Promise.allSettled([...pools].map((pool) => pool.start()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const unexpected = failures.find((failure) => !(failure instanceof StartupError));
  if (unexpected !== undefined) throw unexpected;
  const problems = failures.flatMap((failure) => (failure instanceof StartupError ? failure.problems : []));
  if (problems.length > 0) throw new StartupError(problems);
};

/** In place, in a readable copy, or where an attached pool has it. */
const phpPaths = (options: PoolsOptions): ((name: string, pool: PoolSettings) => PhpPaths) => {
  const { project, runtime, functions, instance } = options;
  const needed = [
    ...readdirSync(runtime, { recursive: true, encoding: 'utf8' }).map((file) => join(runtime, file)),
    ...functions.flatMap((fn) => codeFiles(fn.code)).map((file) => join(project, 'functions', file)),
  ];
  /** By group: pools of one user share a copy. */
  const staged = new Map<number, Place>();
  const stagedFor = (gid: number): Place => {
    const known = staged.get(gid);
    if (known !== undefined) return known;
    const base = join(instance.path, `code-${gid}`);
    const copy = { root: join(base, 'project'), runtime: join(base, 'runtime') };
    mkdirSync(base, { mode: 0o711 });
    stage(project, copy.root, gid);
    stage(runtime, copy.runtime, gid);
    staged.set(gid, copy);
    return copy;
  };
  const codeOf = (name: string, pool: PoolSettings): Place => {
    if (isAttached(pool)) return attachedCode(name, pool, options);
    const files = pool.bootstrap === undefined ? needed : [...needed, bootstrapFile(name, pool.bootstrap, project)];
    const user = poolUser(name, pool.user);
    return user === undefined || canRead(user, files) ? { root: project, runtime } : stagedFor(user.gid);
  };
  return (name, pool) => {
    const code = codeOf(name, pool);
    return { ...code, bootstrap: pool.bootstrap === undefined ? '' : resolve(code.root, pool.bootstrap) };
  };
};

const bootstrapFile = (name: string, bootstrap: string, project: string): string => {
  const file = resolve(project, bootstrap);
  if (existsSync(file)) return file;
  const detail = `There is no file ${bootstrap} in the project.`;
  throw new StartupError([{ file: 'deploy/gateway.config.ts', property: `pools.${name}.bootstrap`, detail }]);
};

const attachedCode = (
  name: string,
  pool: { readonly root: string; readonly runtime?: string | undefined },
  { project, runtime }: PoolsOptions,
): Place => {
  const inside = relative(project, runtime);
  if (pool.runtime === undefined && inside.startsWith('..')) {
    const detail = `Set it: the PHP runtime (${runtime}) lies outside the project, so its place behind this pool is unknown.`;
    throw new StartupError([{ file: 'deploy/gateway.config.ts', property: `pools.${name}.runtime`, detail }]);
  }
  return { root: pool.root, runtime: pool.runtime ?? join(pool.root, inside) };
};
