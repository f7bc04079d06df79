/** Form texts become what the contract asks for, and stay text where they do not read as such. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { file } from '../../gateway/contract.ts';
import { asksForList, coerce } from '../../gateway/http/coerce.ts';
import type { JsonSchema } from '../../gateway/invoke/function.ts';

const jsonSchema = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' }) as JsonSchema;

const read = (schema: z.ZodType, value: unknown): unknown => {
  const root = jsonSchema(schema);
  return coerce(value, root, root);
};

/** The member `v` of an object. */
const member = (schema: z.ZodType, text: unknown): unknown =>
  (read(z.object({ v: schema }), { v: text }) as { v?: unknown }).v;

describe('numbers', () => {
  test.each([
    ['12', 12],
    ['-3', -3],
    ['0', 0],
    ['007', 7],
    ['1.50', 1.5],
    ['.5', 0.5],
    ['-.5', -0.5],
    ['1e3', 1000],
    ['1E-2', 0.01],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s', (text, value) => expect(member(z.number(), text)).toBe(value));

  test.each([
    ' 12',
    '12 ',
    '1 2',
    '+1',
    '0x1',
    '0b1',
    '1e999',
    '-1e999',
    'Infinity',
    'NaN',
    '1.',
    '.',
    '-',
    '1e',
    '1,5',
    '1_000',
    '١٢',
    '',
    'twelve',
    '9007199254740993',
    '1'.repeat(65),
    '1n',
    '12abc',
    '\n12',
  ])('%j stays text', (text) => expect(member(z.number(), text)).toBe(text));

  test('an integer that is none is read, for the contract to refuse it as such', () => {
    expect(member(z.int(), '1.5')).toBe(1.5);
  });
});

describe('booleans', () => {
  test.each(['true', '1', 'on', 'yes', 'TRUE', 'Yes'])('%s', (text) => expect(member(z.boolean(), text)).toBe(true));
  test.each(['false', '0', 'off', 'no', 'False'])('%s', (text) => expect(member(z.boolean(), text)).toBe(false));
  test.each(['', 'y', '2', ' true', 'null'])('%j stays text', (text) => expect(member(z.boolean(), text)).toBe(text));
});

describe('what else a schema may ask for', () => {
  test.each<[string, z.ZodType, unknown, unknown]>([
    ['text', z.string(), '12', '12'],
    ['text of a format', z.email(), '12', '12'],
    ['text with a template', z.templateLiteral(['a', z.number()]), '1', '1'],
    ['anything', z.any(), '12', '12'],
    ['unknown', z.unknown(), 'true', 'true'],
    ['a date', z.date(), '2026-01-01', '2026-01-01'],
    ['a coerced number', z.coerce.number(), '12', 12],
    ['a coerced boolean', z.coerce.boolean(), 'false', false],
    ['a coerced string', z.coerce.string(), '12', '12'],
    ['a stringbool', z.stringbool(), 'yes', 'yes'],
    ['number or text: text is text', z.union([z.number(), z.string()]), '12', '12'],
    ['number or word: a number', z.union([z.number(), z.literal('auto')]), '12', 12],
    ['number or word: the word', z.union([z.number(), z.literal('auto')]), 'auto', 'auto'],
    ['boolean or number: the number', z.union([z.number(), z.boolean()]), '1', 1],
    ['boolean or number: the boolean', z.union([z.number(), z.boolean()]), 'true', true],
    ['a nullable number', z.number().nullable(), '12', 12],
    ['a nullable number, null', z.number().nullable(), 'null', null],
    ['a nullable number, empty', z.number().nullable(), '', null],
    ['null', z.null(), '', null],
    ['an enum', z.enum(['a', 'b']), 'a', 'a'],
    ['an enum of numbers', z.enum({ one: 1, two: 2 }), '2', 2],
    ['a literal number', z.literal(5), '5', 5],
    ['a literal boolean', z.literal(true), 'true', true],
    ['literals of several types', z.literal([1, 'x', true]), '1', 1],
    ['literals of several types, the text', z.literal([1, 'x', true]), 'x', 'x'],
    ['a default', z.number().default(3), '12', 12],
    ['a pipe', z.number().transform(String), '12', 12],
    ['a list', z.array(z.number()), ['1', '2'], [1, 2]],
    ['a list from one value', z.array(z.number()), '1', [1]],
    ['a list of texts from one value', z.array(z.string()), '1', ['1']],
    ['a list or text: text is text', z.union([z.string(), z.array(z.string())]), 'a', 'a'],
    ['a tuple', z.tuple([z.number(), z.string(), z.boolean()]), ['1', '2', 'on'], [1, '2', true]],
    ['a tuple with a rest', z.tuple([z.string()], z.number()), ['1', '2'], ['1', 2]],
    ['lists in lists', z.array(z.array(z.number())), [['1'], '2'], [[1], [2]]],
    ['a list of lists from one value', z.array(z.array(z.number())), '1', ['1']],
    ['an object', z.object({ n: z.number() }), { n: '1' }, { n: 1 }],
    ['a strict object with a stranger', z.strictObject({ n: z.number() }), { n: '1', x: '1' }, { n: 1, x: '1' }],
    ['a record', z.record(z.string(), z.number()), { a: '1' }, { a: 1 }],
    ['a record whose keys count', z.record(z.string(), z.number()), ['1', '2'], { 0: 1, 1: 2 }],
    ['a catchall', z.object({}).catchall(z.number()), { a: '1' }, { a: 1 }],
    [
      'an intersection',
      z.intersection(z.object({ a: z.number() }), z.object({ b: z.boolean() })),
      { a: '1', b: '1' },
      { a: 1, b: true },
    ],
    ['an object where text is sent', z.object({ n: z.number() }), '1', '1'],
    ['a number where an object is sent', z.number(), { n: '1' }, { n: '1' }],
    ['a number where a list is sent', z.number(), ['1', '2'], ['1', '2']],
  ])('%s', (_what, schema, value, expected) => expect(member(schema, value)).toEqual(expected));

  test('a union of objects: the variant whose fixed members match', () => {
    const shape = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('circle'), radius: z.number() }),
      z.object({ kind: z.literal('label'), radius: z.string() }),
    ]);
    expect(read(shape, { kind: 'circle', radius: '2' })).toEqual({ kind: 'circle', radius: 2 });
    expect(read(shape, { kind: 'label', radius: '2' })).toEqual({ kind: 'label', radius: '2' });
    expect(read(shape, { kind: 'none', radius: '2' })).toEqual({ kind: 'none', radius: '2' });
  });

  test('a union told apart by a number', () => {
    const shape = z.union([z.object({ v: z.literal(1), n: z.number() }), z.object({ v: z.literal(2), n: z.string() })]);
    expect(read(shape, { v: '1', n: '7' })).toEqual({ v: 1, n: 7 });
    expect(read(shape, { v: '2', n: '7' })).toEqual({ v: 2, n: '7' });
  });

  test('a schema that refers to itself', () => {
    const node = z.object({
      n: z.number(),
      get children() {
        return z.array(node).optional();
      },
    });
    const sent = { n: '1', children: [{ n: '2', children: [{ n: '3' }] }] };
    expect(read(node, sent)).toEqual({ n: 1, children: [{ n: 2, children: [{ n: 3 }] }] });
  });
});

describe('an input left empty', () => {
  test('is absent where it is optional and no text', () => {
    const schema = z.object({
      n: z.number().optional(),
      b: z.boolean().default(true),
      l: z.array(z.number()).optional(),
      e: z.enum(['a']).optional(),
      s: z.string().optional(),
      r: z.number(),
      a: z.any().optional(),
    });
    const sent = { n: '', b: '', l: [''], e: '', s: '', r: '', a: '', x: '' };
    expect(read(schema, sent)).toEqual({ s: '', r: '', a: '', x: '' });
  });

  test('is absent in objects within', () => {
    expect(read(z.object({ o: z.object({ n: z.number().nullish() }) }), { o: { n: '' } })).toEqual({ o: {} });
  });
});

describe('lists', () => {
  const root = jsonSchema(
    z.object({
      tags: z.array(z.string()),
      more: z.array(z.number()).optional(),
      either: z.union([z.string(), z.array(z.string())]),
      one: z.string(),
      files: z.array(file({ maxBytes: 1, mediaTypes: ['*/*'] })).max(2),
    }),
  );
  test.each([
    ['tags', true],
    ['more', true],
    ['files', true],
    ['either', false],
    ['one', false],
    ['none', false],
    ['toString', false],
  ])('%s: %s', (name, list) => expect(asksForList(name, root)).toBe(list));
});

const text = fc.oneof(fc.string(), fc.constantFrom('1', 'true', '', 'null', '1e999', 'a'));
const value = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'v', 'kind'), tie('node')),
  ),
})).node;

/** Anything that calls itself a schema: references in circles, wrong types, members missing. */
const hostileSchema = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(
      true,
      false,
      null,
      1,
      'x',
      {},
      { $ref: '#' },
      { $ref: '#/$defs/a' },
      { $ref: '#/nowhere/~1' },
      { $ref: 'other' },
      { not: {} },
    ),
    fc.record(
      {
        type: fc.constantFrom<unknown>(
          'string',
          'number',
          'integer',
          'boolean',
          'null',
          'array',
          'object',
          ['number', 'null'],
          7,
        ),
        properties: fc.dictionary(fc.constantFrom('a', 'b', 'v', '__proto__'), tie('node')),
        additionalProperties: tie('node'),
        required: fc.constantFrom<unknown>(['a'], ['v'], 'a', null),
        items: tie('node'),
        prefixItems: fc.oneof(fc.array(tie('node'), { maxLength: 2 }), fc.constant(1)),
        anyOf: fc.array(tie('node'), { maxLength: 2 }),
        oneOf: fc.array(tie('node'), { maxLength: 2 }),
        allOf: fc.array(tie('node'), { maxLength: 2 }),
        enum: fc.constantFrom<unknown>(['a', 1], [], 5),
        const: fc.constantFrom<unknown>(1, 'a', null, {}),
        $defs: fc.record({ a: tie('node') }),
      },
      { requiredKeys: [] },
    ),
  ),
})).node;

test('no schema and no value makes it throw', () => {
  fc.assert(
    fc.property(hostileSchema, value, (schema, sent) => {
      coerce(sent, schema, schema as JsonSchema);
      asksForList('a', (schema ?? {}) as JsonSchema);
    }),
    { numRuns: 3000 },
  );
});

test('what matches a contract of texts alone is left as it is', () => {
  const texts: z.ZodType = z.lazy(() => z.union([z.string(), z.array(texts), z.record(z.string(), texts)]));
  const root = jsonSchema(texts);
  fc.assert(
    fc.property(value, (sent) => {
      expect(coerce(sent, root, root)).toEqual(sent);
    }),
  );
});

test('schemas that refer to each other in a circle and branch end soon', () => {
  const root = {
    $ref: '#/$defs/a',
    $defs: {
      a: { anyOf: [{ $ref: '#/$defs/b' }, { $ref: '#/$defs/b' }] },
      b: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] },
    },
  };
  expect(coerce('1', root, root as unknown as JsonSchema)).toBe('1');
});
