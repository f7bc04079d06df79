/** Values of a node's type, for fast-check. What the contract asks beyond types (patterns, formats) its schema decides. */
import fc from 'fast-check';
import type { DateFormat, Node, ObjectNode } from '../../gateway/codegen/node.ts';

type Make = (node: Node, depth: number) => fc.Arbitrary<unknown>;

const MAX_DEPTH = 4;
const LEFT_OUT = Symbol('left out');

const text = fc.oneof(
  fc.string({ maxLength: 4, unit: 'grapheme' }),
  fc.constantFrom('', '0', '1', 'null', '{}', '\u2028', 'é/\\"', '2026-02-30'),
  // What formats ask for.
  fc.constantFrom('ada@example.org', '10:30', '10:30:05.25', '2026-01-31T10:00:00Z', '2026-01-31T10:00:00.5+02:00'),
);

/** A key that PHP makes a number of, too. */
const mapKey = fc.oneof(
  fc.string({ minLength: 1, maxLength: 4, unit: 'grapheme' }),
  fc.constantFrom('0', '1', 'zz', '-1'),
);

const DATE_DIGITS: Readonly<Record<string, number>> = { '-1': 16, 0: 19, 3: 23, 6: 26 };

const dateText = ({ php }: DateFormat): fc.Arbitrary<string> => {
  const moment = fc.date({
    noInvalidDate: true,
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
  });
  const micros = fc.integer({ min: 0, max: 999 }).map((rest) => String(rest).padStart(3, '0'));
  const precision = php.includes('u') ? 6 : php.includes('v') ? 3 : php.includes(':s') ? 0 : -1;
  return fc.tuple(moment, micros).map(([at, rest]) => {
    const iso = at.toISOString().replace('Z', rest);
    return php === 'Y-m-d' ? iso.slice(0, 10) : `${iso.slice(0, DATE_DIGITS[precision])}Z`;
  });
};

/** Empty objects, and those with numbers for names, have no form of their own in PHP's arrays. */
const anything = fc.oneof(
  text,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('a', 'b'), fc.integer(), { minKeys: 1 }),
);

const object = ({ properties, extra }: ObjectNode, depth: number, make: Make): fc.Arbitrary<object> => {
  const members = properties.map(({ node, required }) => {
    const value = make(node, depth + 1);
    if (required) return value;
    return depth > MAX_DEPTH ? fc.constant(LEFT_OUT) : fc.oneof(fc.constant(LEFT_OUT), value);
  });
  const names = new Set(properties.map(({ name }) => name));
  const more = extra === undefined ? fc.constant({}) : fc.dictionary(mapKey, make(extra, depth + 1), { maxKeys: 2 });
  return fc.tuple(fc.tuple(...members), more).map(([values, others]) => {
    const known = properties
      .map(({ name }, at) => [name, values[at]] as const)
      .filter(([, value]) => value !== LEFT_OUT);
    const unknown = Object.entries(others).filter(([name]) => !names.has(name));
    return Object.fromEntries([...known, ...unknown]);
  });
};

const list = (item: Node, least: number, depth: number, make: Make): fc.Arbitrary<unknown[]> =>
  depth > MAX_DEPTH && least === 0
    ? fc.constant([])
    : fc.array(make(item, depth + 1), { minLength: least, maxLength: 3 });

/** Branches that end come first where it is deep enough. */
const union = (of: readonly Node[], depth: number, make: Make): fc.Arbitrary<unknown> => {
  const ends = of.filter(({ kind }) => kind !== 'object' && kind !== 'ref' && kind !== 'list' && kind !== 'record');
  const open = depth > MAX_DEPTH && ends.length > 0 ? ends : of;
  return fc.oneof(...open.map((branch) => make(branch, depth)));
};

export const arbitraryOf: Make = (node, depth) => {
  switch (node.kind) {
    case 'unknown':
      return anything;
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer': {
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = node;
      return fc.oneof(fc.integer({ min: Math.max(min, -1000), max: Math.min(max, 1000) }), fc.constantFrom(min, max));
    }
    case 'number':
      return fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer(),
        fc.constantFrom(0.1, 1e21, 5e-324),
      );
    case 'string':
      if (node.date !== undefined) return dateText(node.date);
      return node.nonEmpty ? text.filter((value) => value !== '') : text;
    case 'literal':
    case 'enum':
      return fc.constantFrom(...node.values);
    case 'list':
      return list(node.item, node.nonEmpty ? 1 : 0, depth, arbitraryOf);
    case 'tuple': {
      const { items, required, rest } = node;
      const more = rest === undefined ? fc.constant([]) : fc.array(arbitraryOf(rest, depth + 1), { maxLength: 2 });
      const first = fc.tuple(...items.map((item) => arbitraryOf(item, depth + 1)));
      return fc
        .tuple(first, more, fc.integer({ min: required, max: items.length }))
        .map(([all, others, count]) => (rest === undefined ? all.slice(0, count) : [...all, ...others]));
    }
    case 'record':
      return fc.dictionary(mapKey, arbitraryOf(node.value, depth + 1), { maxKeys: 3 });
    case 'object':
      return object(node, depth, arbitraryOf);
    case 'union':
      return union(node.of, depth, arbitraryOf);
    case 'ref':
      return fc.constant(null).chain(() => arbitraryOf(node.target.node, depth + 1));
    default:
      throw new Error(`No values of ${node.kind} can be made up.`);
  }
};
