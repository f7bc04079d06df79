/**
 * The functions of a project: every contract in `schemas/` with its handler in `functions/`. Names are looked up in
 * the map made here and never joined into paths. All that is wrong is collected and reported at once.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Settings } from '../config.ts';
import { codeFiles } from '../pool/runtime.ts';
import { SettingSources } from '../setting-sources.ts';
import type { StartupProblem } from '../startup.ts';
import { unboundedMembers } from './bounds.ts';
import { type GatewayFunction, resolveFunction } from './function.ts';
import { ladderProblems } from './ladder-rules.ts';
import type { ContractText } from './limit-places.ts';

export interface Registry {
  /** Those without a problem. */
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  /** What their files say themselves. */
  readonly contracts: ReadonlyMap<string, ContractText>;
  /** What must be mended before the gateway can start. */
  readonly problems: readonly StartupProblem[];
  /** Worth knowing, nothing that stops the gateway. */
  readonly warnings: readonly StartupProblem[];
}

export interface RegistryOptions {
  /** The project's folder, absolute. */
  readonly project: string;
  readonly settings: Settings;
  /** Where they were written, if it was anywhere. */
  readonly sources?: SettingSources;
  /** Imports a module; in `dev` under a new URL for each release. */
  readonly importModule: (url: string) => Promise<Record<string, unknown>>;
}

export const FUNCTION_NAME = /^(?!.*\.\.)[a-z0-9][a-z0-9._-]{0,127}$/;
const CONTRACT_FILE = /(?<!\.d|\.test)\.(?:ts|mts|js|mjs)$/;

/** A file that starts with _ is help for others, not a function. */
const filesIn = (folder: string, matches: RegExp): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isFile() && matches.test(entry.name) && !entry.name.startsWith('_'))
        .map((entry) => entry.name)
        .sort()
    : [];

/** Where an error says it happened, if in a file of the project. */
export const problemFromError = (error: unknown, fallbackFile: string, project: string): StartupProblem => {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const at = /(?:file:\/\/)?(\/[^\s:()?]+)(?:\?[^\s:()]*)?:(\d+)/.exec(stack);
  const file = at?.[1]?.startsWith(`${project}/`) ? relative(project, at[1]) : undefined;
  const firstLine = message.split('\n').find((line) => line.trim() !== '') ?? 'unknown error';
  return { file: file ?? fallbackFile, ...(file && at?.[2] ? { line: Number(at[2]) } : {}), detail: firstLine.trim() };
};

const codeProblems = (project: string, { code }: GatewayFunction, file: string): StartupProblem[] => {
  const folder = join(project, 'functions');
  return codeFiles(code).flatMap((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) {
      const detail = `There is no functions/${name}: write the ${code.kind} or name another file.`;
      return [{ file, property: code.kind, detail }];
    }
    const inside = relative(realpathSync(folder), realpathSync(path));
    if (!inside.startsWith('..')) return [];
    return [{ file, property: code.kind, detail: `functions/${name} points outside the functions folder.` }];
  });
};

interface Loaded {
  readonly fn: GatewayFunction | undefined;
  readonly exported?: unknown;
  readonly problems: readonly StartupProblem[];
}

const loadContract = async (fileName: string, options: RegistryOptions): Promise<Loaded> => {
  const { project, settings, importModule } = options;
  const name = fileName.replace(CONTRACT_FILE, '');
  const file = `schemas/${fileName}`;
  if (!FUNCTION_NAME.test(name)) {
    const detail = `"${name}" is no function name: a to z, 0 to 9, ".", "_" and "-", at most 128 characters.`;
    return { fn: undefined, problems: [{ file, detail }] };
  }
  let exported: unknown;
  try {
    exported = (await importModule(pathToFileURL(join(project, file)).href)).default;
  } catch (error) {
    return { fn: undefined, problems: [problemFromError(error, file, project)] };
  }
  const { fn, problems } = resolveFunction({ name, file, exported }, settings);
  if (fn === undefined) return { fn, problems };
  const pool = poolProblem(fn, settings, file);
  return { fn, exported, problems: [...codeProblems(project, fn, file), ...(pool === undefined ? [] : [pool])] };
};

const poolProblem = (fn: GatewayFunction, settings: Settings, file: string): StartupProblem | undefined => {
  const pool = settings.pools[fn.pool];
  if (pool === undefined) {
    const known = Object.keys(settings.pools).join(', ');
    return {
      file,
      property: 'pool',
      detail: `There is no pool ${JSON.stringify(fn.pool)} in deploy/gateway.config.ts; known: ${known}.`,
    };
  }
  if (fn.engine === 'resident' && 'address' in pool) {
    const detail = `The pool ${fn.pool} is run by somebody else, with php-fpm alone: name a pool of the gateway's own, or say engine: 'fpm'.`;
    return { file, property: 'engine', detail };
  }
  return undefined;
};

/** Functions that share a contract's handler file are fine; a file no contract names is not. */
const orphanHandlers = (
  project: string,
  known: Iterable<GatewayFunction>,
  contracts: readonly string[],
): StartupProblem[] => {
  const used = new Set([...known].flatMap((fn) => codeFiles(fn.code)));
  const named = new Set(contracts.map((file) => `${file.replace(CONTRACT_FILE, '')}.php`));
  return filesIn(join(project, 'functions'), /\.php$/)
    .filter((file) => !used.has(file) && !named.has(file))
    .map((file) => ({
      file: `functions/${file}`,
      detail: `No contract names it: write schemas/${file.replace(/\.php$/, '.ts')}, or start its name with _ if others include it.`,
    }));
};

/** Never rejects: what is wrong is in `problems`, so that it can be told together with what else is. */
export const loadRegistry = async (options: RegistryOptions): Promise<Registry> => {
  const { project, settings } = options;
  const contracts = filesIn(join(project, 'schemas'), CONTRACT_FILE);
  const loaded = new Map<string, GatewayFunction>();
  const sound = new Map<string, GatewayFunction>();
  const said = new Map<string, ContractText>();
  const problems: StartupProblem[] = [];
  const warnings: StartupProblem[] = [];
  if (contracts.length === 0) {
    const detail = `There is no contract in ${join(project, 'schemas')}: write schemas/<name>.ts.`;
    problems.push({ file: 'schemas/', detail });
  }
  for (const fileName of contracts) {
    const { fn, exported, problems: found } = await loadContract(fileName, options);
    problems.push(...found);
    if (fn === undefined) continue;
    loaded.set(fn.name, fn);
    said.set(fn.name, { file: `schemas/${fileName}`, members: exported });
    if (found.length === 0) sound.set(fn.name, fn);
    for (const property of unboundedMembers(fn.inputJsonSchema, 'input', 0)) {
      const detail = 'Without a bound one call can fill memory: give it .max().';
      warnings.push({ file: `schemas/${fileName}`, property, detail });
    }
  }
  const sources = options.sources ?? new SettingSources({}, [], 'deploy/gateway.config.ts');
  const found = ladderProblems({ settings, sources, functions: loaded, contracts: said });
  problems.push(...found.problems);
  warnings.push(...found.warnings);
  problems.push(...orphanHandlers(project, loaded.values(), contracts), ...orphanOverrides(settings, contracts));
  return { functions: sound, contracts: said, problems, warnings };
};

const orphanOverrides = (settings: Settings, contracts: readonly string[]): StartupProblem[] => {
  const names = new Set(contracts.map((file) => file.replace(CONTRACT_FILE, '')));
  return Object.keys(settings.functions)
    .filter((name) => !names.has(name))
    .map((name) => ({
      file: 'deploy/gateway.config.ts',
      property: `functions.${name}`,
      detail: 'There is no such function.',
    }));
};
