/** Defaults that are made anew for each call (`.default(() => crypto.randomUUID())`) have no one value to write. */
import type { JsonSchema } from '../invoke/function.ts';
import { atAnotherTime } from './another-time.ts';

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const steadyValue = (one: unknown, other: unknown): unknown => {
  if (Array.isArray(one)) return one.map((each, at) => steadyValue(each, isJson(other) ? other[at] : undefined));
  if (!isJson(one) || !isJson(other)) return one;
  const members = Object.entries(one).filter(
    ([key, value]) => key !== 'default' || JSON.stringify(value) === JSON.stringify(other.default),
  );
  return Object.fromEntries(members.map(([key, value]) => [key, steadyValue(value, other[key])]));
};

/** The schema without the defaults in which a second reading of it, at another time, differs. */
export const steady = (read: () => JsonSchema): JsonSchema => {
  const schema = read();
  // Reading takes most of the time of generation.
  return JSON.stringify(schema).includes('"default":')
    ? (steadyValue(schema, atAnotherTime(read)) as JsonSchema)
    : schema;
};
