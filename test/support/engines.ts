/** The two engines, and what each promises: a handler test runs under both from this one table. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import type { Engine } from '../../gateway/contract.ts';
import { startGateway, startTestServer } from './gateway.ts';

/** Where they differ by nature. */
interface Promises {
  /** Global variables are gone with the call that made them. */
  readonly forgetsGlobals: boolean;
  /** `php://input` is the input of the call, as JSON. */
  readonly hasInputStream: boolean;
  /** A ping in front of each call tells whether it was begun, and of a worker that will not begin it. */
  readonly pings: boolean;
  /** `is_uploaded_file()` knows the files of a call. */
  readonly marksUploads: boolean;
  /** The worker of a call that ended in exit(), a fatal error or without memory serves on. */
  readonly outlivesFatalErrors: boolean;
  /** A call that stands behind others on its worker does not run when nobody waits for it any more. */
  readonly takesBack: boolean;
  /** Workers of a master that was killed serve on. */
  readonly orphansServe: boolean;
  /** Besides its own, workers are in the groups of the pool's user. */
  readonly hasGroups: boolean;
  /** A late worker is asked to end before it is made to: one that is stopped lives on meanwhile. */
  readonly endsWhenAsked: boolean;
  /** What is counted of all that a call logs. */
  readonly stderrMaxBytes: number;
}

const PROMISES: Readonly<Record<Engine, Promises>> = {
  fpm: {
    forgetsGlobals: true,
    hasInputStream: true,
    marksUploads: true,
    pings: true,
    outlivesFatalErrors: true,
    takesBack: false,
    orphansServe: false,
    hasGroups: true,
    endsWhenAsked: true,
    stderrMaxBytes: Number.POSITIVE_INFINITY,
  },
  resident: {
    forgetsGlobals: false,
    hasInputStream: false,
    marksUploads: false,
    pings: false,
    outlivesFatalErrors: false,
    takesBack: true,
    orphansServe: true,
    hasGroups: false,
    endsWhenAsked: false,
    stderrMaxBytes: 65_535,
  },
};

/** What a test needs to know of the engine it runs under; what it starts has all its handlers under that engine. */
export interface EngineUnderTest extends Promises {
  readonly name: Engine;
  readonly startGateway: typeof startGateway;
  readonly startTestServer: typeof startTestServer;
  /** The same for gateways that are started as programs. */
  readonly env: (project: string, env: Variables) => Variables;
}

type Variables = Readonly<Record<string, string>>;

/** Scripts have one engine. */
const handlersOf = (project: string): string[] =>
  readdirSync(join(project, 'schemas'))
    .filter((file) => file.endsWith('.ts') && !/\bscripts?:/.test(readFileSync(join(project, 'schemas', file), 'utf8')))
    .map((file) => file.slice(0, -'.ts'.length));

/** As many workers as the pool would have of php-fpm. */
const onEngine = (config: GatewayConfig, engine: Engine, project: string): GatewayConfig => {
  const pools = Object.entries(config.pools ?? {}).map(([name, pool]) => {
    if (pool.address !== undefined || pool.workers === undefined) return [name, pool];
    return [name, { ...pool, resident: { workers: pool.workers, ...pool.resident } }];
  });
  const functions = handlersOf(project).map((name) => [name, { engine, ...config.functions?.[name] }]);
  return {
    ...config,
    ...(config.pools !== undefined && { pools: Object.fromEntries(pools) }),
    functions: { ...config.functions, ...Object.fromEntries(functions) },
  };
};

const WORKERS = /^(FPMG_POOLS__\w+?__)WORKERS$/;

const onEngineByEnv = <V extends string | undefined>(
  env: Readonly<Record<string, V>>,
  engine: Engine,
  project: string,
): Readonly<Record<string, V | string>> => ({
  FPMG_FUNCTIONS: JSON.stringify(Object.fromEntries(handlersOf(project).map((name) => [name, { engine }]))),
  ...Object.fromEntries(
    Object.entries(env).flatMap(([variable, value]) => {
      const resident = variable.replace(WORKERS, '$1RESIDENT__WORKERS');
      return resident === variable ? [] : [[resident, value]];
    }),
  ),
  ...env,
});

const underTest = (name: Engine): EngineUnderTest => ({
  name,
  ...PROMISES[name],
  startGateway: (config, parts, ...lifetime) =>
    startGateway(onEngine(config, name, parts.project ?? '.'), parts, ...lifetime),
  startTestServer: (project, { env = {}, ...parts } = {}, ...lifetime) =>
    startTestServer(project, { ...parts, env: onEngineByEnv(env, name, project) }, ...lifetime),
  env: (project, env) => onEngineByEnv(env, name, project),
});

const ENGINES: readonly EngineUnderTest[] = [underTest('fpm'), underTest('resident')];

/** Runs these tests under each engine. */
export const eachEngine = (tests: (engine: EngineUnderTest) => void): void => {
  describe.each(ENGINES)('engine $name', tests);
};
