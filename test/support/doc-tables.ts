/** The parts of the docs that are made from code, so that neither can say what the other does not. */
import { z } from 'zod';
import { configSchema } from '../../gateway/config.ts';
import { codes } from '../../gateway/errors.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

export const errorRows = (): string[] =>
  Object.entries(codes).map(
    ([code, row]) => `| \`${code}\` | ${row.status} | ${row.source} | ${row.executed} | ${row.title} | ${row.mend} |`,
  );

const isSchema = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null;

interface Setting {
  readonly path: string;
  readonly default: unknown;
  readonly description: string | undefined;
}

/** `requestTimeoutMs` → `REQUEST_TIMEOUT_MS` */
const shout = (key: string): string =>
  key.startsWith('<') ? key.toUpperCase() : key.replaceAll(/(?=[A-Z])/g, '_').toUpperCase();

const walk = (schema: JsonSchema, path: string): Setting[] => {
  if (schema.description !== undefined || path.endsWith('kind')) {
    return path.endsWith('kind') ? [] : [{ path, default: schema.default, description: schema.description }];
  }
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
    .filter(isSchema)
    .flatMap((branch) => walk(branch, path));
  const below = Object.entries(schema.properties ?? {}).flatMap(([key, child]) =>
    isSchema(child) ? walk(child, path === '' ? key : `${path}.${key}`) : [],
  );
  const members = isSchema(schema.additionalProperties) ? walk(schema.additionalProperties, `${path}.<name>`) : [];
  return [...branches, ...below, ...members];
};

/** One row per setting; members that both kinds of pool share appear once. */
export const settingRows = (): string[] => {
  const settings = walk(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, '');
  const rows = settings.map(({ path, default: value, description = '' }) => {
    const isOfMachine = path.endsWith('.concurrentWorkers');
    const shown = value === undefined || isOfMachine ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${path}\` | ${shown} | ${description.replaceAll('|', '\\|')} | \`FPMG_${path.split('.').map(shout).join('__')}\` |`;
  });
  return [...new Set(rows)];
};
