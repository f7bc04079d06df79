/**
 * Form texts become what the contract asks for: "12" a number, "on" a boolean, one value a list of one. What does not
 * read as such stays text, and the contract says what is wrong with it. Guided by the JSON Schema; pure; never throws.
 */
import type { JsonSchema } from '../invoke/function.ts';

/** A longer text is no number anybody meant. */
const NUMBER_MAX_CHARACTERS = 64;
/** What HTML calls a valid floating-point number. */
const NUMBER = /^-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'on', 'yes'].map((text) => [text, true] as const),
  ...['false', '0', 'off', 'no'].map((text) => [text, false] as const),
]);

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const memberOf = (object: unknown, name: string): unknown =>
  isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;

/** `#/$defs/node` in the whole schema. */
const resolveRef = (ref: string, root: JsonSchema): unknown =>
  ref
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(memberOf, root as unknown);

/**
 * The plain schemas a value may match, references and unions resolved; parts of an intersection count as one each.
 * Every schema is looked at once, so those that refer to each other in a circle end.
 */
const alternatives = (schema: unknown, root: JsonSchema): readonly Members[] => {
  const seen = new Set<unknown>();
  const resolve = (one: unknown): readonly Members[] => {
    if (!isObject(one) || seen.has(one)) return [];
    seen.add(one);
    if (typeof one.$ref === 'string') return resolve(resolveRef(one.$ref, root));
    const parts = [one.anyOf, one.oneOf, one.allOf].filter(Array.isArray).flat();
    return parts.length === 0 ? [one] : parts.flatMap(resolve);
  };
  return resolve(schema);
};

const allows = (schema: Members, type: string): boolean =>
  schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type));

const fixedValues = (schema: Members): readonly unknown[] | undefined => {
  if (Array.isArray(schema.enum)) return schema.enum;
  return Object.hasOwn(schema, 'const') ? [schema.const] : undefined;
};

/** Whether this very text is wanted: any text, one of these, or anything at all. */
const takesText = (schema: Members, text: string): boolean => {
  const fixed = fixedValues(schema);
  if (fixed !== undefined) return fixed.includes(text);
  return schema.type === undefined || allows(schema, 'string');
};

const toNumber = (text: string, schema: Members): number | undefined => {
  if (!(allows(schema, 'number') || allows(schema, 'integer'))) return undefined;
  if (text.length > NUMBER_MAX_CHARACTERS || !NUMBER.test(text)) return undefined;
  const value = Number(text);
  // An integer beyond 2^53 would change.
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value)) ? value : undefined;
};

const readText = (text: string, schema: Members): unknown => {
  const value = toNumber(text, schema);
  if (value !== undefined) return value;
  const truth = allows(schema, 'boolean') ? BOOLEANS.get(text.toLowerCase()) : undefined;
  if (truth !== undefined) return truth;
  if (allows(schema, 'null') && (text === '' || text === 'null')) return null;
  return fixedValues(schema)?.find((fixed) => String(fixed) === text);
};

const coerceText = (text: string, options: readonly Members[]): unknown => {
  if (options.some((schema) => takesText(schema, text))) return text;
  for (const schema of options) {
    const value = readText(text, schema);
    if (value !== undefined) return value;
  }
  return text;
};

/** One value is a list of one where only a list is asked for, but no list of lists: those could go on without end. */
const listOfOne = (text: string, options: readonly Members[], root: JsonSchema): readonly unknown[] | undefined => {
  const list = options.find((schema) => allows(schema, 'array'));
  const item = Array.isArray(list?.prefixItems) ? list.prefixItems[0] : list?.items;
  return list && [coerceText(text, alternatives(item, root))];
};

const coerceList = (values: readonly unknown[], schema: Members, root: JsonSchema): unknown[] => {
  const { prefixItems, items } = schema;
  return values.map((value, at) =>
    coerce(value, Array.isArray(prefixItems) ? (prefixItems[at] ?? items) : items, root),
  );
};

/** Whether the fixed members of a variant of a union are those of the value. */
const fits = (value: Members, schema: Members, root: JsonSchema): boolean =>
  Object.entries(value).every(([name, member]) => {
    const [only, ...others] = alternatives(memberOf(schema.properties, name), root);
    const fixed = only === undefined || others.length > 0 ? undefined : fixedValues(only);
    return fixed === undefined || fixed.some((one) => String(one) === String(member));
  });

const coerceObject = (value: Members, schema: Members, root: JsonSchema): Members => {
  const required = Array.isArray(schema.required) ? schema.required : [];
  const members = Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    const known = memberOf(schema.properties, name) ?? schema.additionalProperties;
    const leftOut = isEmpty(member) && !required.includes(name) && isNoText(known, root);
    return leftOut ? [] : [[name, coerce(member, known, root)]];
  });
  return Object.fromEntries(members);
};

/** Browsers send every input of a form, also those left empty; `tags=` is a list of one by now. */
const isEmpty = (value: unknown): boolean =>
  value === '' || (Array.isArray(value) && value.length === 1 && value[0] === '');

const isNoText = (schema: unknown, root: JsonSchema): boolean => {
  const options = alternatives(schema, root);
  return options.length > 0 && !options.some((option) => takesText(option, ''));
};

/** The value with its texts read as the schema asks; `root` holds the `$defs`. */
export const coerce = (value: unknown, schema: unknown, root: JsonSchema): unknown => {
  const options = alternatives(schema, root);
  if (typeof value === 'string') {
    const read = coerceText(value, options);
    const isWanted = read !== value || options.some((option) => takesText(option, value));
    return isWanted ? read : (listOfOne(value, options, root) ?? value);
  }
  if (Array.isArray(value)) {
    const list = options.find((option) => allows(option, 'array'));
    if (list !== undefined) return coerceList(value, list, root);
    // `scores[0]=1` is a record whose keys happen to count.
    const record = options.find((option) => allows(option, 'object'));
    return record === undefined ? value : coerceObject({ ...value }, record, root);
  }
  if (!isObject(value)) return value;
  const objects = options.filter((option) => allows(option, 'object'));
  if (isObject(schema) && Array.isArray(schema.allOf))
    return objects.reduce((seen, part) => coerceObject(seen, part, root), value);
  const variant = objects.length === 1 ? objects[0] : objects.find((option) => fits(value, option, root));
  return variant === undefined ? value : coerceObject(value, variant, root);
};

/** Whether a member of the input is to be a list, so that one value or a repeated name makes one. */
export const asksForList = (name: string, root: JsonSchema): boolean =>
  alternatives(root, root).some((schema) => {
    const options = alternatives(memberOf(schema.properties, name), root);
    return options.some((option) => allows(option, 'array')) && !options.some((option) => takesText(option, ''));
  });
