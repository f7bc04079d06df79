/** JSON Schemas of contracts as components of one OpenAPI document. */
import type { JsonSchema } from '../invoke/function.ts';
import { FILE_KEYWORD, type FileRules } from '../upload.ts';

export type Json = Record<string, unknown>;

/** Component schemas by name, in the form they have in the document. */
export type Components = Record<string, Json>;

/** Keywords whose values are data: what looks like a reference there is none. */
const DATA = new Set(['default', 'const', 'enum', 'examples']);
const DEFS = '#/$defs/';
const COMPONENTS = '#/components/schemas/';

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const reference = (name: string): Json => ({ $ref: `${COMPONENTS}${name}` });

/** A component's name may hold only these characters; the id of a schema, any. */
const componentName = (name: string, key: string): string =>
  `${name}.${key.replaceAll(/[^A-Za-z0-9.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}`)}`;

/** Tools show descriptions; none knows our keyword. */
const describeLimits = (schema: Json): Json => {
  const rules = schema[FILE_KEYWORD] as FileRules | undefined;
  if (rules === undefined) return schema;
  const limits = `At most ${rules.maxBytes.toLocaleString('en')} bytes of ${rules.mediaTypes.join(', ')}.`;
  return { ...schema, description: schema.description === undefined ? limits : `${schema.description} ${limits}` };
};

/**
 * Puts a schema among the components and returns the reference to it. Its `$defs` become components of their own,
 * because a `#/$defs/…` inside an OpenAPI document would point to the document's root.
 */
export const addComponent = (components: Components, name: string, schema: JsonSchema): Json => {
  const { $schema: _dialect, $defs, ...rest } = schema;
  const rewriteReference = (target: string): string => {
    if (target === '#') return `${COMPONENTS}${name}`;
    if (!target.startsWith(DEFS)) return target;
    const key = target.slice(DEFS.length).replaceAll('~1', '/').replaceAll('~0', '~');
    return `${COMPONENTS}${componentName(name, key)}`;
  };
  const rewrite = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rewrite);
    if (!isJson(value)) return value;
    const members = Object.entries(value).map(([key, child]) => {
      if (DATA.has(key)) return [key, child];
      return [key, key === '$ref' && typeof child === 'string' ? rewriteReference(child) : rewrite(child)];
    });
    return describeLimits(Object.fromEntries(members));
  };
  for (const [key, definition] of Object.entries($defs ?? {}))
    components[componentName(name, key)] = rewrite(definition) as Json;
  components[name] = rewrite(rest) as Json;
  return reference(name);
};

/** A schema without the references it begins with. */
export const resolveSchema = (components: Components, schema: unknown): Json => {
  let found = isJson(schema) ? schema : {};
  const seen = new Set<Json>();
  while (typeof found.$ref === 'string' && !seen.has(found)) {
    seen.add(found);
    found = components[found.$ref.slice(COMPONENTS.length)] ?? {};
  }
  return found;
};

export const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457 problem details. Match on `code`; `executed` tells whether PHP ran.',
  required: ['type', 'title', 'status', 'code', 'executed', 'retryable'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    source: { type: 'string', enum: ['client', 'function', 'pool', 'gateway'] },
    executed: { type: 'string', enum: ['no', 'unknown', 'yes'] },
    retryable: { type: 'boolean' },
    traceId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { pointer: { type: 'string' }, detail: { type: 'string' }, keyword: { type: 'string' } },
      },
    },
    data: {},
  },
};
