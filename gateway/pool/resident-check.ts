/** How the handlers of a resident pool loaded: what is wrong, and what means another thing there. */
import type { StartupProblem } from '../startup.ts';
import type { Pool } from './pool.ts';
import { phpProblem } from './resident-pool.ts';

interface ResidentFunction {
  readonly name: string;
  readonly file: string;
}

export const checkResident = (
  pool: Pool,
  functions: readonly ResidentFunction[],
): { problems: StartupProblem[]; warnings: StartupProblem[] } => {
  const problems: StartupProblem[] = [];
  const warnings: StartupProblem[] = [];
  const loaded = new Map(pool.handlers.map((handler) => [handler.name, handler]));
  const seen = new Set<string>();
  for (const { name, file: path } of functions) {
    const file = `functions/${path}`;
    const handler = loaded.get(name);
    // Functions may share a file.
    if (handler === undefined || seen.has(path)) continue;
    seen.add(path);
    const { exception, stray, habits = [] } = handler;
    if (exception !== null) {
      problems.push(phpProblem(exception, pool.paths) ?? { file, detail: exception.message });
    } else if (stray !== '') {
      const detail = `It prints ${JSON.stringify(stray.slice(0, 80))} when loaded: is there text before <?php?`;
      problems.push({ file, detail });
    }
    for (const { line, what, instead } of habits)
      warnings.push({ file, line, property: what, detail: `Under the resident engine: ${instead}` });
  }
  return { problems, warnings };
};
