/** `fpm-gateway functions`: what the project offers, read from its contracts; PHP is not needed. */
import type { FileField } from '../invoke/files.ts';
import type { FunctionOutput, GatewayFunction } from '../invoke/function.ts';
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { StartupError } from '../startup.ts';
import { failCommand, paint, say, table } from './terminal.ts';

/** `json`, a media type, or what its pieces are. */
type OutputName = string | { readonly stream: OutputName };

const nameOf = (output: FunctionOutput): OutputName => {
  if (output.kind === 'stream') return { stream: nameOf(output.item) };
  return output.kind === 'json' ? 'json' : output.mediaType;
};

const kindOf = ({ code, output }: GatewayFunction): string =>
  output.kind === 'stream' ? `${code.kind}, stream` : code.kind;

const jsonRow = (fn: GatewayFunction): object => {
  const {
    name,
    summary,
    pool,
    engine,
    code,
    methods,
    contents,
    timeoutMs,
    queueTimeoutMs,
    idempotent,
    concurrency,
    inFlightMax,
  } = fn;
  return {
    name,
    summary,
    pool,
    engine,
    kind: code.kind,
    [code.kind]: code.kind === 'handler' ? code.file : Object.fromEntries(code.files),
    methods,
    contents,
    files: [...fn.files].map(([field, { maxBytes, mediaTypes, many, maxCount }]) => ({
      field,
      maxBytes,
      mediaTypes,
      maxCount: many ? maxCount : 1,
    })),
    output: nameOf(fn.output),
    timeoutMs,
    queueTimeoutMs,
    idempotent,
    concurrency,
    inFlightMax,
  };
};

/** `5 MiB`, where it is a whole number of them. */
const size = (bytes: number): string => {
  if (bytes % 1_048_576 === 0) return `${bytes / 1_048_576} MiB`;
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`;
};

const fileLine = (fn: string, name: string, { maxBytes, mediaTypes, many, maxCount }: FileField): string => {
  const which =
    name === '' ? `${fn}: its body is a file` : `${fn}: ${name} is ${many ? `up to ${maxCount} files` : 'a file'}`;
  return `${which} of at most ${size(maxBytes)}${many ? ' each' : ''}: ${mediaTypes.join(', ')}`;
};

const print = (all: readonly GatewayFunction[]): void => {
  const head = ['FUNCTION', 'KIND', 'METHODS', 'POOL', 'ENGINE', 'TIMEOUT', 'RETRIES', 'SUMMARY'];
  const rows = all.map((fn) => [
    fn.name,
    kindOf(fn),
    fn.methods.join(' '),
    fn.pool,
    fn.engine,
    `${fn.timeoutMs} ms`,
    fn.idempotent ? 'idempotent' : 'if not run',
    fn.summary ?? '',
  ]);
  const [title = '', ...lines] = table([head, ...rows]);
  const files = all.flatMap((fn) => [...fn.files].map(([name, field]) => fileLine(fn.name, name, field)));
  say([paint(process.stdout, 'bold', title), ...lines, ...(files.length === 0 ? [] : ['', ...files])].join('\n'));
};

export const listFunctions = async (project: string, json: boolean): Promise<void> => {
  try {
    const loaded = await loadProject({ folder: project, env: process.env, importModule: moduleImporter(0) });
    const { functions, problems, warnings } = loaded.registry;
    if (problems.length > 0) throw new StartupError(problems);
    const all = [...functions.values()];
    if (json) {
      say(JSON.stringify({ functions: all.map(jsonRow), warnings }));
      return;
    }
    print(all);
    for (const { file, property, detail } of warnings)
      say(`${paint(process.stdout, 'yellow', '!')} ${file} · ${property}: ${detail}`);
  } catch (error) {
    failCommand(error, json);
  }
};
