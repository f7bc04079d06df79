/** JSON Schemas as a form needs them: references followed, kinds told apart, limits in words. Pure. */

/**
 * @typedef {object} FileRules
 * @property {number} maxBytes
 * @property {readonly string[]} mediaTypes
 *
 * @typedef {object} Schema
 * @property {string} [$ref]
 * @property {string | string[]} [type]
 * @property {string} [format]
 * @property {string} [title]
 * @property {string} [description]
 * @property {string} [pattern]
 * @property {string} [contentEncoding]
 * @property {unknown} [default]
 * @property {unknown} [const]
 * @property {readonly unknown[]} [enum]
 * @property {readonly unknown[]} [examples]
 * @property {Readonly<Record<string, Schema>>} [properties]
 * @property {readonly string[]} [required]
 * @property {Schema} [items]
 * @property {readonly Schema[]} [prefixItems]
 * @property {readonly Schema[]} [anyOf]
 * @property {readonly Schema[]} [oneOf]
 * @property {readonly Schema[]} [allOf]
 * @property {number} [minLength]
 * @property {number} [maxLength]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [exclusiveMinimum]
 * @property {number} [exclusiveMaximum]
 * @property {number} [multipleOf]
 * @property {number} [minItems]
 * @property {number} [maxItems]
 * @property {FileRules} [x-fpm-gateway-file]
 * @property {boolean} [nullable]  `null` is taken as well; set here, from `anyOf`
 *
 * @typedef {(schema: Schema | undefined) => Schema} Resolve
 * @typedef {'file' | 'files' | 'options' | 'boolean' | 'number' | 'string' | 'object' | 'list' | 'json'} Kind
 */

const COMPONENTS = '#/components/schemas/';
/** Longer chains of references are circles. */
const MAX_STEPS = 20;

/**
 * @param {readonly Schema[]} parts
 * @returns {Schema}
 */
const merge = (parts) => {
  /** @type {Schema} */
  const merged = Object.assign({}, ...parts);
  const properties = Object.assign({}, ...parts.map((part) => part.properties));
  const required = parts.flatMap((part) => part.required ?? []);
  return Object.keys(properties).length === 0 ? merged : { ...merged, properties, required };
};

/**
 * @param {Readonly<Record<string, Schema>>} components
 * @returns {Resolve}
 */
export const schemaResolver = (components) => {
  /** @param {Schema | undefined} schema @param {number} steps @returns {Schema} */
  const resolve = (schema, steps) => {
    if (schema === undefined || steps > MAX_STEPS) return {};
    const { $ref, allOf, anyOf, ...own } = schema;
    if ($ref !== undefined) return { ...resolve(components[$ref.slice(COMPONENTS.length)], steps + 1), ...own };
    if (allOf !== undefined) return merge([...allOf.map((part) => resolve(part, steps + 1)), own]);
    const branches = anyOf?.filter(({ type }) => type !== 'null');
    if (branches?.length !== 1 || branches.length === anyOf?.length) return schema;
    return { ...resolve(branches[0], steps + 1), ...own, nullable: true };
  };
  return (schema) => resolve(schema, 0);
};

/**
 * The values to choose from, when there are no others.
 * @param {Schema} schema resolved
 * @returns {readonly unknown[] | undefined}
 */
export const optionsOf = ({ const: only, enum: values, anyOf }) => {
  if (only !== undefined) return [only];
  if (values !== undefined) return values;
  const constants = anyOf?.map((branch) => branch.const);
  return constants?.every((value) => value !== undefined) ? constants : undefined;
};

/**
 * @param {Schema} schema resolved
 * @param {Resolve} resolve
 * @returns {Kind}
 */
export const kindOf = (schema, resolve) => {
  if (schema['x-fpm-gateway-file'] !== undefined) return 'file';
  if (optionsOf(schema) !== undefined) return 'options';
  switch (schema.type) {
    case 'boolean':
    case 'string':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'object':
      return Object.keys(schema.properties ?? {}).length === 0 ? 'json' : 'object';
    case 'array':
      if (schema.items === undefined) return 'json';
      return kindOf(resolve(schema.items), resolve) === 'file' ? 'files' : 'list';
    default:
      return 'json';
  }
};

/** @param {number} value */
const number = (value) => value.toLocaleString('en', { maximumFractionDigits: 10 });

/**
 * @param {number | undefined} from
 * @param {number | undefined} to
 * @param {string} unit
 */
const range = (from, to, unit) => {
  if (from !== undefined && to !== undefined)
    return `${from === to ? number(from) : `${number(from)} to ${number(to)}`}${unit}`;
  if (to !== undefined) return `at most ${number(to)}${unit}`;
  return from === undefined ? '' : `at least ${number(from)}${unit}`;
};

/** zod writes the bounds of safe integers into every integer. @param {number | undefined} bound */
const told = (bound) => (bound !== undefined && Math.abs(bound) === Number.MAX_SAFE_INTEGER ? undefined : bound);

/**
 * What the value must be, in a few words each.
 * @param {Schema} schema resolved
 * @returns {string[]}
 */
export const limitsOf = (schema) => {
  const { type, format, multipleOf, exclusiveMinimum, exclusiveMaximum, pattern } = schema;
  return [
    type === 'integer' ? 'whole number' : '',
    format ?? schema.contentEncoding ?? '',
    range(schema.minLength, schema.maxLength, ' characters'),
    range(told(schema.minimum), told(schema.maximum), ''),
    exclusiveMinimum === undefined ? '' : `more than ${number(exclusiveMinimum)}`,
    exclusiveMaximum === undefined ? '' : `less than ${number(exclusiveMaximum)}`,
    multipleOf === undefined ? '' : `in steps of ${number(multipleOf)}`,
    range(schema.minItems, schema.maxItems, type === 'array' ? ' items' : ''),
    // The patterns zod writes for its formats are long and say no more than the format's name.
    pattern !== undefined && format === undefined ? `matches ${pattern}` : '',
    schema.nullable ? 'or null' : '',
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
  ].filter((words) => words !== '');
};
