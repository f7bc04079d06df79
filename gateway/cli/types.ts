/** `fpm-gateway types`: TypeScript, PHP and OpenAPI from the contracts; neither a gateway nor PHP is needed. */
import { relative, resolve } from 'node:path';
import { steadyFunction } from '../codegen/function-types.ts';
import { generator } from '../codegen/generate.ts';
import { type GeneratedFile, MARK } from '../codegen/text.ts';
import { API_INFO, openApiDocument } from '../http/openapi.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { StartupError } from '../startup.ts';
import { failCommand, isTerminal, paint, say, table } from './terminal.ts';
import { type FileState, type PlannedFile, planFiles, writeFiles } from './types-folder.ts';

export const LANGUAGES = ['ts', 'php', 'openapi'] as const;

export type Language = (typeof LANGUAGES)[number];

export interface TypesOptions {
  readonly project: string;
  /** Relative to the project. */
  readonly out: string;
  readonly phpNamespace: string;
  readonly only: Language | undefined;
  /** Tell what would change, and change nothing. */
  readonly check: boolean;
  readonly json: boolean;
}

const TITLES: Readonly<Record<Language, string>> = { ts: 'TypeScript', php: 'PHP', openapi: 'OpenAPI' };

const languageOf = (path: string): Language => {
  if (path.endsWith('.json')) return 'openapi';
  return path.endsWith('.php') ? 'php' : 'ts';
};

const loadFunctions = async (project: string): Promise<readonly GatewayFunction[]> => {
  const { registry } = await loadProject({ folder: project, env: process.env, importModule: moduleImporter(0) });
  if (registry.problems.length > 0) throw new StartupError(registry.problems);
  return [...registry.functions.values()].map(steadyFunction);
};

const openApiFile = (functions: readonly GatewayFunction[]): GeneratedFile => ({
  path: 'openapi.json',
  text: `${JSON.stringify({ 'x-generated': MARK, ...openApiDocument(functions, API_INFO) }, null, 2)}\n`,
});

const generate = (functions: readonly GatewayFunction[], { only, phpNamespace }: TypesOptions): GeneratedFile[] => {
  const wants = (language: Language): boolean => only === undefined || only === language;
  const { typeScript, php } = generator(functions);
  return [
    ...(wants('ts') ? typeScript() : []),
    ...(wants('php') ? php(phpNamespace.replace(/^\\/, '')) : []),
    ...(wants('openapi') ? [openApiFile(functions)] : []),
  ];
};

/** A line on the terminal that is written over; nothing elsewhere. */
const progress = (text: string): void => {
  if (isTerminal(process.stderr)) process.stderr.write(`\r\x1b[K${text}`);
};

const MARKS: Readonly<Record<FileState, string>> = { new: '+', changed: '~', removed: '-', unchanged: '=' };

const summary = (plan: readonly PlannedFile[], functions: number, where: string): string[] => {
  const head = ['TYPES', 'FUNCTIONS', 'FILES', 'NEW', 'CHANGED', 'REMOVED', 'WHERE'];
  const rows = LANGUAGES.flatMap((language) => {
    const files = plan.filter(({ path }) => languageOf(path) === language);
    if (files.length === 0) return [];
    const count = (state: FileState): string => String(files.filter((file) => file.state === state).length);
    const place = language === 'php' ? `${where}/php/` : `${where}/${files[0]?.path}`;
    const there = String(files.filter(({ state }) => state !== 'removed').length);
    return [[TITLES[language], String(functions), there, count('new'), count('changed'), count('removed'), place]];
  });
  const [title = '', ...lines] = table([head, ...rows]);
  return [paint(process.stdout, 'bold', title), ...lines];
};

interface Outcome {
  readonly plan: readonly PlannedFile[];
  readonly functions: number;
  readonly folder: string;
  readonly ms: number;
}

const report = ({ plan, functions, folder, ms }: Outcome, { check, json, project }: TypesOptions): void => {
  const differing = plan.filter(({ state }) => state !== 'unchanged');
  if (json) {
    const files = plan.map(({ path, state }) => ({ path, state }));
    say(JSON.stringify({ folder, functions, upToDate: differing.length === 0, files }));
    return;
  }
  const where = relative(project, folder) || '.';
  if (!check) {
    const took = paint(process.stdout, 'dim', `${Math.round(ms)} ms`);
    say(
      [...summary(plan, functions, where), '', `${paint(process.stdout, 'green', '✓')} ${where}: ${took}`].join('\n'),
    );
    return;
  }
  if (differing.length === 0) {
    say(`${paint(process.stdout, 'green', '✓')} ${where} is what the contracts say`);
    return;
  }
  const lines = differing.map(({ path, state }) => `${MARKS[state]} ${where}/${path} (${state})`);
  const head = `${paint(process.stdout, 'red', '✗')} ${where} is not what the contracts say: run fpm-gateway types`;
  say([head, ...lines].join('\n'));
};

export const writeTypes = async (options: TypesOptions): Promise<void> => {
  const { project, out, check, json } = options;
  const startedMs = performance.now();
  try {
    progress('reading the contracts …');
    const functions = await loadFunctions(project);
    progress(`${functions.length} functions …`);
    const folder = resolve(project, out);
    const plan = planFiles(folder, generate(functions, options));
    if (!check) writeFiles(folder, plan, (count) => progress(`writing ${count} of ${plan.length} files …`));
    else if (plan.some(({ state }) => state !== 'unchanged')) process.exitCode = 1;
    progress('');
    report({ plan, functions: functions.length, folder, ms: performance.now() - startedMs }, options);
  } catch (error) {
    progress('');
    failCommand(error, json);
  }
};
