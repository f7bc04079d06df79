/**
 * Settings from environment variables: `FPMG_POOLS__DEFAULT__WORKERS=4` → `pools.default.workers`. Pure.
 * Names are matched without case and underscores, so `TIMEOUT_MS` and `TIMEOUTMS` both mean `timeoutMs`.
 */
import { z } from 'zod';
import { configSchema } from './config.ts';
import { OTHER_FORMS } from './config-pools.ts';
import type { StartupProblem } from './startup.ts';

export interface Override {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

const PREFIX = 'FPMG_';
const SHORT_FORMS: Readonly<Record<string, string>> = { PORT: 'FPMG_HTTP__PORT', HOST: 'FPMG_HTTP__HOST' };

const normal = (key: string): string => key.toLowerCase().replaceAll(/[_-]/g, '');

const isSchema = (schema: unknown): schema is JsonSchema => typeof schema === 'object' && schema !== null;

const branches = (schema: JsonSchema): JsonSchema[] => [
  schema,
  ...(schema.anyOf ?? schema.oneOf ?? []).filter(isSchema),
];

interface Step {
  readonly key: string;
  readonly schemas: JsonSchema[];
}

/** The member a segment names: a declared one, else a member of a record, whose keys have hyphens. */
const step = (schemas: readonly JsonSchema[], segment: string): Step | undefined => {
  const all = schemas.flatMap(branches);
  const declared = all
    .flatMap((schema) => Object.keys(schema.properties ?? {}))
    .find((key) => normal(key) === normal(segment));
  if (declared !== undefined) {
    return { key: declared, schemas: all.map((schema) => schema.properties?.[declared]).filter(isSchema) };
  }
  const members = all.map((schema) => schema.additionalProperties).filter(isSchema);
  return members.length === 0 ? undefined : { key: segment.toLowerCase().replaceAll('_', '-'), schemas: members };
};

/** `env` and `ini` keep their keys as PHP knows them. */
const recordKey = (path: readonly string[], segment: string, key: string): string => {
  if (path.at(-1) === 'env') return segment;
  return path.at(-1) === 'ini' ? segment.toLowerCase() : key;
};

/** JSON where the setting is not a text; a text stands for itself, so that a token of digits stays one. */
const parseValue = (text: string, schemas: readonly JsonSchema[]): unknown => {
  const isText = schemas.flatMap(branches).some((schema) => schema.type === 'string');
  if (isText && !text.startsWith('[')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

export const readEnvironment = (
  env: Readonly<Record<string, string | undefined>>,
): { overrides: Override[]; problems: StartupProblem[] } => {
  const root = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const overrides: Override[] = [];
  const problems: StartupProblem[] = [];
  for (const [variable, text] of Object.entries(env)) {
    const long = SHORT_FORMS[variable] ?? variable;
    if (!long.startsWith(PREFIX) || text === undefined || text === '') continue;
    const path: string[] = [];
    let schemas: JsonSchema[] = [root];
    for (const segment of long.slice(PREFIX.length).split('__')) {
      const next = step(schemas, segment);
      if (next === undefined) {
        const known = schemas.flatMap(branches).flatMap((schema) => Object.keys(schema.properties ?? {}));
        const where = path.length === 0 ? 'There is no setting' : `${path.join('.')} has no member`;
        problems.push({ file: variable, detail: `${where} ${segment}; known: ${known.join(', ') || 'none'}.` });
        schemas = [];
        break;
      }
      path.push(recordKey(path, segment, next.key));
      schemas = next.schemas;
    }
    if (schemas.length > 0) overrides.push({ variable, path, value: parseValue(text, schemas) });
  }
  return { overrides, problems };
};

const nodeAt = (root: Record<string, unknown>, path: readonly string[]): Record<string, unknown> => {
  let node = root;
  for (const key of path) {
    if (typeof node[key] !== 'object' || node[key] === null) node[key] = {};
    node = node[key] as Record<string, unknown>;
  }
  return node;
};

/** The config with the overrides laid over it; the config itself stays as it is. */
export const applyOverrides = (config: unknown, overrides: readonly Override[]): unknown => {
  const result = structuredClone(config ?? {}) as Record<string, unknown>;
  for (const { path } of overrides)
    for (const said of OTHER_FORMS[path.at(-1) ?? ''] ?? []) delete nodeAt(result, path.slice(0, -1))[said];
  for (const { path, value } of overrides) {
    const last = path.at(-1);
    if (last !== undefined) nodeAt(result, path.slice(0, -1))[last] = value;
  }
  return result;
};
