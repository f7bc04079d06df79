/** `fpm-gateway functions`: what the project offers, read from its contracts; PHP is not needed. */
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { StartupError } from '../startup.ts';
import { failCommand, paint, say, table } from './terminal.ts';

export const listFunctions = async (project: string, json: boolean): Promise<void> => {
  try {
    const loaded = await loadProject({ folder: project, env: process.env, importModule: moduleImporter(0) });
    const { functions, problems, warnings } = loaded.registry;
    if (problems.length > 0) throw new StartupError(problems);
    const all = [...functions.values()];
    if (json) {
      const rows = all.map(
        ({ name, summary, pool, code, methods, timeoutMs, queueTimeoutMs, idempotent, concurrency }) => ({
          name,
          summary,
          pool,
          [code.kind]: code.kind === 'handler' ? code.file : Object.fromEntries(code.files),
          methods,
          timeoutMs,
          queueTimeoutMs,
          idempotent,
          concurrency,
        }),
      );
      say(JSON.stringify({ functions: rows, warnings }));
      return;
    }
    const head = ['FUNCTION', 'POOL', 'TIMEOUT', 'RETRIES', 'SUMMARY'];
    const rows = all.map((fn) => [
      fn.name,
      fn.pool,
      `${fn.timeoutMs} ms`,
      fn.idempotent ? 'idempotent' : 'if not run',
      fn.summary ?? '',
    ]);
    const [title = '', ...lines] = table([head, ...rows]);
    say([paint(process.stdout, 'bold', title), ...lines].join('\n'));
    for (const { file, property, detail } of warnings)
      say(`${paint(process.stdout, 'yellow', '!')} ${file} · ${property}: ${detail}`);
  } catch (error) {
    failCommand(error, json);
  }
};
