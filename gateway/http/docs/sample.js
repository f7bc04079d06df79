/** A small value that fits a schema: what forms begin with. Pure. */

/** @import { Resolve, Schema } from './schema.js' */
import { kindOf, optionsOf } from './schema.js';

/** Deeper members of a recursive schema are left empty. */
const MAX_DEPTH = 8;

/** @type {Readonly<Record<string, string>>} */
const FORMATS = {
  date: '2026-01-31',
  'date-time': '2026-01-31T12:00:00Z',
  time: '12:00:00',
  duration: 'P1D',
  email: 'ada@example.com',
  uri: 'https://example.com/',
  uuid: '01890a5d-ac96-774b-bcce-b302099a8057',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  base64: 'aGVsbG8=',
  base64url: 'aGVsbG8',
};

/** @param {Schema} schema @param {string} name */
const sampleString = ({ format, contentEncoding, minLength, maxLength }, name) => {
  const formatted = FORMATS[format ?? contentEncoding ?? ''];
  if (formatted !== undefined) return formatted;
  const text = (name || 'text').padEnd(minLength ?? 0, '.');
  return maxLength === undefined ? text : text.slice(0, maxLength);
};

/** @param {Schema} schema */
const sampleNumber = ({ type, minimum, exclusiveMinimum, maximum, multipleOf }) => {
  const step = multipleOf ?? (type === 'integer' ? 1 : 0.5);
  const from = Math.max(
    minimum ?? exclusiveMinimum ?? 1,
    1,
    exclusiveMinimum === undefined ? 1 : exclusiveMinimum + step,
  );
  return maximum !== undefined && from > maximum ? maximum : from;
};

/**
 * One item shows what items are; further down they would be in the way.
 * @param {Schema} schema
 * @param {number} depth
 */
const listLength = ({ minItems, maxItems }, depth) =>
  Math.max(minItems ?? 0, depth < 2 ? Math.min(1, maxItems ?? 1) : 0);

/**
 * Undefined for files, which only people can choose.
 * @param {Schema} given
 * @param {string} name
 * @param {Resolve} resolve
 * @param {number} depth
 * @returns {unknown}
 */
export const sample = (given, name, resolve, depth) => {
  const schema = resolve(given);
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (depth > MAX_DEPTH) return null;
  const kind = kindOf(schema, resolve);
  switch (kind) {
    case 'file':
    case 'files':
      return undefined;
    case 'options':
      return optionsOf(schema)?.[0];
    case 'boolean':
      return true;
    case 'number':
      return sampleNumber(schema);
    case 'string':
      return sampleString(schema, name);
    case 'list':
      return Array.from({ length: listLength(schema, depth) }, () =>
        sample(schema.items ?? {}, name, resolve, depth + 1),
      );
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([key]) => schema.required?.includes(key))
          .map(([key, child]) => [key, sample(child, key, resolve, depth + 1)]),
      );
    case 'json': {
      const branch = (schema.anyOf ?? schema.oneOf)?.[0];
      if (branch !== undefined) return sample(branch, name, resolve, depth + 1);
      return schema.type === 'array' ? [] : schema.type === 'null' ? null : {};
    }
  }
};
