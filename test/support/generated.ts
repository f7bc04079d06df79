/** Generated files of a project, as `fpm-gateway types` writes them, in this process. */
import { join } from 'node:path';
import { planFiles, writeFiles } from '../../gateway/cli/types-folder.ts';
import { steadyFunction } from '../../gateway/codegen/function-types.ts';
import { generator } from '../../gateway/codegen/generate.ts';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import { StartupError } from '../../gateway/startup.ts';

/** Into `generated/php`, as `App\Functions`. */
export const writePhpTypes = async (project: string): Promise<void> => {
  const { registry } = await loadProject({ folder: project, env: {}, importModule: moduleImporter(0) });
  if (registry.problems.length > 0) throw new StartupError(registry.problems);
  const functions = [...registry.functions.values()].map(steadyFunction);
  const folder = join(project, 'generated');
  writeFiles(folder, planFiles(folder, generator(functions).php('App\\Functions')), () => {});
};
