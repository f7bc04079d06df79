/** A project as its files say: settings and functions. What is wrong in any of them is told together. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Settings } from './config.ts';
import { loadRegistry, problemFromError, type Registry } from './invoke/registry.ts';
import type { ImportModule } from './modules.ts';
import type { SettingSources } from './setting-sources.ts';
import { readSettings, resolveSettings } from './settings.ts';
import { StartupError, type StartupProblem } from './startup.ts';

export const CONFIG_FILE = 'deploy/gateway.config.ts';

export interface Project {
  /** Absolute. */
  readonly folder: string;
  readonly settings: Settings;
  /** Where they were written. */
  readonly sources: SettingSources;
  /** Its problems are not thrown yet: handlers and pools may have more. */
  readonly registry: Registry;
}

export interface ProjectOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly importModule: ImportModule;
}

/** The project's config file; an absent one means defaults. Rejects with StartupError. */
const importConfig = async ({ folder, importModule }: ProjectOptions): Promise<unknown> => {
  const path = join(folder, CONFIG_FILE);
  if (!existsSync(path)) return {};
  let exported: unknown;
  try {
    exported = (await importModule(pathToFileURL(path).href)).default;
  } catch (error) {
    throw new StartupError([problemFromError(error, CONFIG_FILE, folder)], { cause: error });
  }
  if (typeof exported === 'object' && exported !== null) return exported;
  const detail = 'It has no default export: write `export default defineConfig({ … })`.';
  throw new StartupError([{ file: CONFIG_FILE, detail }]);
};

/** With defaults in place of settings that are wrong, so that contracts are still checked for what they say alone. */
const contractProblems = async ({ folder, importModule }: ProjectOptions): Promise<readonly StartupProblem[]> => {
  const { problems } = await loadRegistry({
    project: folder,
    settings: resolveSettings({}, {}, CONFIG_FILE),
    importModule,
  });
  return problems.filter(({ property }) => property !== 'pool');
};

/** Rejects with StartupError when the settings are wrong. `config`: given by the caller, or read from the file. */
export const loadProject = async (options: ProjectOptions, config?: unknown): Promise<Project> => {
  const { folder, env, importModule } = options;
  let read: ReturnType<typeof readSettings>;
  try {
    read = readSettings(config ?? (await importConfig(options)), env, CONFIG_FILE);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    throw new StartupError([...error.problems, ...(await contractProblems(options))], { cause: error });
  }
  return { folder, ...read, registry: await loadRegistry({ project: folder, ...read, importModule }) };
};
