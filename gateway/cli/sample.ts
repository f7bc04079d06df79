/** A small valid value for a JSON Schema: for curl lines to try. Pure. */
import type { JsonSchema } from '../invoke/function.ts';

const isSchema = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null;

const MAX_DEPTH = 8;

const sampleString = (schema: JsonSchema, name: string): string => {
  const text = name === '' ? 'text' : `a ${name}`;
  const padded = text.padEnd(Number(schema.minLength ?? 0), '.');
  return schema.maxLength === undefined ? padded : padded.slice(0, schema.maxLength);
};

export const sample = (schema: JsonSchema, name: string, depth: number): unknown => {
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum?.[0] !== undefined) return schema.enum[0];
  if (depth > MAX_DEPTH) return null;
  const branch = [schema.anyOf, schema.oneOf, schema.allOf].flat().find(isSchema);
  if (branch !== undefined) return sample(branch, name, depth + 1);
  switch (schema.type) {
    case 'object': {
      const required = schema.required ?? [];
      const members = required.map((key) => {
        const child = schema.properties?.[key];
        return [key, isSchema(child) ? sample(child, key, depth + 1) : null];
      });
      return Object.fromEntries(members);
    }
    case 'array':
      return Array.from({ length: Number(schema.minItems ?? 0) }, () =>
        isSchema(schema.items) ? sample(schema.items as JsonSchema, name, depth + 1) : null,
      );
    case 'string':
      return sampleString(schema, name);
    case 'integer':
    case 'number':
      return Math.max(Number(schema.minimum ?? 1), 1);
    case 'boolean':
      return true;
    default:
      return null;
  }
};
