/** JSON Schema, as zod writes it, → nodes. Pure. */
import type { JsonSchema } from '../invoke/function.ts';
import { FILE_KEYWORD, type FileRules } from '../upload.ts';
import { dateFormat } from './dates.ts';
import type { Definition, Literal, Node, Read } from './node.ts';
import { NULL, UNKNOWN } from './node.ts';
import { readObject } from './read-object.ts';
import { unionOf } from './union.ts';

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bound = (inclusive: unknown, exclusive: unknown, step: 1 | -1): number | undefined => {
  const value =
    typeof exclusive === 'number' ? Math[step === 1 ? 'floor' : 'ceil'](exclusive) + step : (inclusive as number);
  // zod writes the range of safe integers where nobody asked for one.
  return typeof value !== 'number' || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
};

const readLiterals = (values: readonly Literal[]): Node => {
  const distinct = [...new Set(values)];
  const rest = distinct.filter((value) => value !== null);
  if (rest.length === 0) return NULL;
  const isEnum = rest.every((value) => typeof value === 'string') || rest.every((value) => Number.isSafeInteger(value));
  if (!isEnum || rest.length === 1) return { kind: 'literal', values: distinct };
  const node: Node = { kind: 'enum', values: rest as (string | number)[] };
  return rest.length === distinct.length ? node : unionOf([node, NULL]);
};

const readArray = (schema: JsonSchema, read: Read): Node => {
  const { prefixItems, items, minItems = 0 } = schema;
  if (!Array.isArray(prefixItems)) return { kind: 'list', item: read(items ?? {}), nonEmpty: minItems > 0 };
  const rest = items === false ? undefined : read(items ?? {});
  const tuple = prefixItems.map(read);
  return { kind: 'tuple', items: tuple, required: Math.min(minItems, tuple.length), rest };
};

const readTyped = (schema: JsonSchema, type: unknown, read: Read): Node => {
  switch (type) {
    case 'string':
      return { kind: 'string', nonEmpty: (schema.minLength ?? 0) > 0, date: dateFormat(schema.pattern) };
    case 'integer': {
      const min = bound(schema.minimum, schema.exclusiveMinimum, 1);
      return { kind: 'integer', min, max: bound(schema.maximum, schema.exclusiveMaximum, -1) };
    }
    case 'number':
    case 'boolean':
    case 'null':
      return { kind: type };
    case 'array':
      return readArray(schema, read);
    case 'object':
      return readObject(schema, read);
    default:
      return UNKNOWN;
  }
};

const readPlain = (schema: JsonSchema, read: Read): Node => {
  const branches = schema.anyOf ?? schema.oneOf;
  if (FILE_KEYWORD in schema) return { kind: 'file', rules: schema[FILE_KEYWORD] as FileRules };
  if ('const' in schema) return readLiterals([schema.const as Literal]);
  if (Array.isArray(schema.enum)) return readLiterals(schema.enum as Literal[]);
  if (branches !== undefined) return unionOf(branches.map(read));
  if (schema.allOf !== undefined) return allOf(schema.allOf.map(read));
  if (isSchema(schema.not) && Object.keys(schema.not).length === 0) return { kind: 'never' };
  if (Array.isArray(schema.type)) return unionOf(schema.type.map((type) => readTyped(schema, type, read)));
  return readTyped(schema, schema.type ?? (schema.properties === undefined ? undefined : 'object'), read);
};

const allOf = (nodes: readonly Node[]): Node => {
  const [only = UNKNOWN, ...more] = nodes.filter((node) => node.kind !== 'unknown');
  return more.length === 0 ? only : { kind: 'all', of: [only, ...more] };
};

/** zod's names for schemas that hold themselves and have no id. */
const OWN_KEY = /^__schema\d+$/;

export const readSchema = (root: JsonSchema): Node => {
  const definitions = new Map<string, Definition & { node: Node }>();
  const read: Read = (schema) => {
    if (schema === false) return { kind: 'never' };
    if (!isSchema(schema)) return UNKNOWN;
    if (typeof schema.$ref !== 'string') return readPlain(schema, read);
    return { kind: 'ref', target: definitionOf(schema.$ref) };
  };
  const definitionOf = (reference: string): Definition => {
    const found = definitions.get(reference);
    if (found !== undefined) return found;
    const key = reference.replace('#/$defs/', '').replaceAll('~1', '/').replaceAll('~0', '~');
    const shared = key !== '#' && !OWN_KEY.test(key);
    // It is known before it is read: it may hold itself.
    const definition = { key, shared, node: UNKNOWN };
    definitions.set(reference, definition);
    definition.node = readPlain((key === '#' ? root : (root.$defs?.[key] ?? {})) as JsonSchema, read);
    return definition;
  };
  // A schema that holds itself is a definition from the start, or it would be two types.
  const holdsItself = JSON.stringify(root).includes('"$ref":"#"');
  return holdsItself ? { kind: 'ref', target: definitionOf('#') } : read(root);
};
