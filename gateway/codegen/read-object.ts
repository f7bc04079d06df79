/** Objects and records of a JSON Schema → nodes. Pure. */
import type { JsonSchema } from '../invoke/function.ts';
import type { Doc, Node, Property, Read } from './node.ts';
import { UNKNOWN } from './node.ts';

const isObject = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null;

const docOf = (schema: unknown): Doc => {
  if (!isObject(schema)) return { text: undefined, deprecated: false };
  const text = [schema.title, schema.description].filter((part) => typeof part === 'string' && part !== '');
  return { text: text.length === 0 ? undefined : text.join('\n\n'), deprecated: schema.deprecated === true };
};

const propertyOf = (name: string, schema: unknown, required: readonly string[], read: Read): Property => ({
  name,
  node: read(schema),
  required: required.includes(name),
  defaultsTo: isObject(schema) && 'default' in schema ? { value: schema.default } : undefined,
  doc: docOf(schema),
});

/** `z.record(z.enum([…]), …)`: its keys are known. */
const knownKeys = (schema: JsonSchema): readonly string[] | undefined => {
  const names = schema.propertyNames;
  if (!isObject(names)) return undefined;
  if (Array.isArray(names.enum)) return names.enum.map(String);
  return names.const === undefined ? undefined : [String(names.const)];
};

export const readObject = (schema: JsonSchema, read: Read): Node => {
  const { properties, additionalProperties = false, required = [] } = schema;
  // Members of names that match no pattern pass, too: they can be anything.
  if (schema.patternProperties !== undefined && properties === undefined) return { kind: 'record', value: UNKNOWN };
  const keys = properties === undefined ? knownKeys(schema) : undefined;
  const members = keys === undefined ? properties : Object.fromEntries(keys.map((key) => [key, additionalProperties]));
  const all = Object.entries(members ?? {})
    .map(([name, member]) => propertyOf(name, member, required, read))
    // Never there, but allowed to be mentioned.
    .filter(({ node, required: needed }) => needed || node.kind !== 'never');
  const extra = additionalProperties === false || keys !== undefined ? undefined : read(additionalProperties);
  if (all.length === 0 && extra !== undefined) return { kind: 'record', value: extra };
  return { kind: 'object', properties: all, extra, doc: docOf(schema) };
};
