/** Finds arrays and strings without a maximum in a contract: each is a way to fill memory or block the event loop. */
import type { JsonSchema } from './function.ts';

const MAX_DEPTH = 32;

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isBoundedString = (schema: JsonSchema): boolean =>
  schema.maxLength !== undefined ||
  schema.enum !== undefined ||
  schema.const !== undefined ||
  schema.format !== undefined;

/** Dotted paths of members without a bound. Pure. */
export const unboundedMembers = (schema: JsonSchema, path: string, depth: number): string[] => {
  if (depth > MAX_DEPTH) return [];
  const found: string[] = [];
  const walk = (child: unknown, childPath: string): void => {
    if (isSchema(child)) found.push(...unboundedMembers(child, childPath, depth + 1));
  };
  const types = [schema.type].flat();
  if (types.includes('array') && schema.maxItems === undefined && schema.prefixItems === undefined) {
    found.push(`${path} (array without .max())`);
  }
  if (types.includes('string') && !isBoundedString(schema)) found.push(`${path} (string without .max())`);
  for (const [key, child] of Object.entries(schema.properties ?? {})) walk(child, path === '' ? key : `${path}.${key}`);
  walk(schema.items, `${path}[]`);
  walk(schema.additionalProperties, `${path}.*`);
  for (const branch of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) walk(branch, path);
  for (const child of Object.values(schema.$defs ?? {})) walk(child, path);
  return found;
};
