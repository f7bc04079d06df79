/** Names of form fields: read as PHP reads them, or refused. The judge is PHP's own parse_str. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { FieldCount, Fields } from '../../gateway/http/fields.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

const fieldsOf = (encoded: string): Fields => {
  const fields = new Fields({ count: new FieldCount(1000), maxDepth: 64, isList: () => false });
  fields.addEncoded(Buffer.from(encoded).toString('latin1'));
  return fields;
};

/** Lists as objects: JSON knows them apart, PHP's arrays are both. */
const asPhpArray = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, asPhpArray(member)]));
};

/** Undefined where the names are refused. */
const ours = (encoded: string): unknown => {
  try {
    return asPhpArray(fieldsOf(encoded).value());
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return undefined;
  }
};

const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  const functions = {
    parse: `return array_map(static function (string $query): string {
      parse_str(base64_decode($query), $fields);
      return base64_encode(json_encode($fields, JSON_FORCE_OBJECT | JSON_INVALID_UTF8_SUBSTITUTE));
    }, $input);`,
  };
  const config = { pools: { default: { workers: 1 } } };
  gateway = await startGateway(config, { project: functionsProject(functions, file) }, file);
});

/** What PHP makes of each. */
const phps = async (queries: readonly string[]): Promise<unknown[]> => {
  const response = await post(
    gateway,
    'parse',
    queries.map((query) => Buffer.from(query).toString('base64')),
  );
  const answers = (await response.json()) as string[];
  return answers.map((answer) => JSON.parse(Buffer.from(answer, 'base64').toString()));
};

const taken: readonly (readonly [query: string, value: unknown])[] = [
  ['a=1', { a: '1' }],
  ['a=1&b=2', { a: '1', b: '2' }],
  ['a', { a: '' }],
  ['a=', { a: '' }],
  ['a=1&&b=2&', { a: '1', b: '2' }],
  ['a=b=c', { a: 'b=c' }],
  ['a=1&a=2', { a: '2' }],
  ['user.name=x', { user_name: 'x' }],
  ['user name=x', { user_name: 'x' }],
  ['user+name=x', { user_name: 'x' }],
  ['user%20name=x', { user_name: 'x' }],
  ['  a=x', { a: 'x' }],
  [' . =x', { __: 'x' }],
  ['a.b=1&a_b=2', { a_b: '2' }],
  ['a[b]=1', { a: { b: '1' } }],
  ['a%5Bb%5D=1', { a: { b: '1' } }],
  ['a[b][c]=1&a[b][d]=2', { a: { b: { c: '1', d: '2' } } }],
  ['a[]=1&a[]=2', { a: ['1', '2'] }],
  ['a[ ]=1', { a: ['1'] }],
  ['a[0]=x&a[1]=y', { a: ['x', 'y'] }],
  ['a[1]=y&a[0]=x', { a: ['x', 'y'] }],
  ['a[1]=y', { a: { 1: 'y' } }],
  ['a[5]=x&a[]=y', { a: { 5: 'x', 6: 'y' } }],
  ['a[0]=x&a[]=y', { a: ['x', 'y'] }],
  ['a[00]=x&a[]=y', { a: { '00': 'x', 0: 'y' } }],
  ['a[x]=1&a[]=2', { a: { x: '1', 0: '2' } }],
  ['a[][x]=1&a[][x]=2', { a: [{ x: '1' }, { x: '2' }] }],
  ['a=1&a[b]=2', { a: { b: '2' } }],
  ['a[b]=1&a=2', { a: '2' }],
  ['a[b.c]=1&a[d e]=2', { a: { 'b.c': '1', 'd e': '2' } }],
  ['a[[b]=1', { a: { '[b': '1' } }],
  ['a]=1', { 'a]': '1' }],
  ['a]b[c]=1', { 'a]b': { c: '1' } }],
  ['100%=1', { '100%': '1' }],
  ['a=%zz%4', { a: '%zz%4' }],
  ['a=%41%2B+', { a: 'A+ ' }],
  ['ü=ü', { ü: 'ü' }],
  ['%C3%BC=%C3%BC', { ü: 'ü' }],
  ['a[%C3%BC]=1', { a: { ü: '1' } }],
  ['0=a&1=b', { 0: 'a', 1: 'b' }],
  ['a=x%00y', { a: 'x\0y' }],
  ['a[toString]=1&hasOwnProperty=2', { a: { toString: '1' }, hasOwnProperty: '2' }],
];

/** What PHP drops, cuts or bends without a word, and what would mean something else to JavaScript. */
const refused: readonly (readonly [what: string, query: string, code: string])[] = [
  ['no name', '=1', 'invalid-form'],
  ['a name of spaces', '++=1', 'invalid-form'],
  ['brackets alone', '[]=1', 'invalid-form'],
  ['a key without a name', '[a]=1', 'invalid-form'],
  ['an open bracket', 'a[b=1', 'invalid-form'],
  ['an open bracket at the end', 'a[=1', 'invalid-form'],
  ['an open second bracket', 'a[b][c=1', 'invalid-form'],
  ['text behind a bracket', 'a[b]c=1', 'invalid-form'],
  ['text between brackets', 'a[b]c[d]=1', 'invalid-form'],
  ['NUL in a name', 'a%00b=1', 'invalid-form'],
  ['NUL in a key', 'a[%00]=1', 'invalid-form'],
  ['latin1 in a name', '%FC=1', 'invalid-form'],
  ['latin1 in a text', 'a=%FC', 'invalid-form'],
  ['an overlong sequence', 'a=%C0%AF', 'invalid-form'],
  ['half a character', 'a=%C3', 'invalid-form'],
  ['a surrogate in UTF-8', 'a=%ED%A0%80', 'invalid-form'],
  ['a name of 257 characters', `${'a'.repeat(257)}=1`, 'invalid-form'],
  ['__proto__', '__proto__=1', 'invalid-form'],
  ['__proto__ of dots', '..proto..=1', 'invalid-form'],
  ['__proto__ as a key', 'a[__proto__][admin]=1', 'invalid-form'],
  ['constructor', 'constructor=1', 'invalid-form'],
  ['prototype as a key', 'a[constructor][prototype][x]=1', 'invalid-form'],
  ['[] behind a negative index', 'a[-5]=1&a[]=2', 'invalid-form'],
  ['[] behind an index beyond integers', 'a[9223372036854775807]=1&a[]=2', 'invalid-form'],
  ['65 levels', `a${'[b]'.repeat(64)}=1`, 'json-too-deep'],
  ['1001 fields', 'a[]=1&'.repeat(1001), 'too-many-fields'],
];

describe('taken, as PHP takes it', () => {
  test.each(taken)('%s', async (query, value) => {
    expect(fieldsOf(query).value()).toEqual(value);
    expect(await phps([query])).toEqual([asPhpArray(value)]);
  });

  test('64 levels', async () => {
    const query = `a${'[b]'.repeat(63)}=1`;
    expect(await phps([query])).toEqual([ours(query)]);
  });
});

describe('refused', () => {
  test.each(refused)('%s', (_what, query, code) => {
    expect(() => fieldsOf(query)).toThrow(expect.objectContaining({ code, executed: 'no' }));
  });
});

test('no name reaches a prototype', () => {
  for (const [, query] of refused) ours(query);
  expect(({} as Record<string, unknown>).admin).toBeUndefined();
  expect(Object.getPrototypeOf(fieldsOf('a[b]=1').value())).toBe(Object.prototype);
});

const piece = fc.constantFrom(
  'a',
  'b',
  'c',
  '0',
  '1',
  '2',
  '-1',
  '.',
  ' ',
  '+',
  '[',
  ']',
  '[]',
  '[a]',
  '[0]',
  '%5B',
  '%',
  '=',
);
const generatedQuery = fc.array(
  fc.array(piece, { maxLength: 6 }).map((all) => all.join('')),
  { maxLength: 5 },
);

test('whatever the names: PHP reads the same, or we refuse', async () => {
  const queries = fc.sample(generatedQuery, { numRuns: 3000, seed: 20 }).map((pairs) => pairs.join('&'));
  const values = queries.map(ours);
  const judged = await phps(queries);
  const differing = queries.filter(
    (_query, at) =>
      values[at] !== undefined && JSON.stringify(sorted(values[at])) !== JSON.stringify(sorted(judged[at])),
  );
  expect(differing).toEqual([]);
  // The test would be empty if most were refused.
  expect(values.filter((value) => value !== undefined).length).toBeGreaterThan(1000);
});

/** Members in one order: JavaScript puts keys that are numbers first. */
const sorted = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const key = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,5}$/)
  .filter((text) => text !== 'constructor' && text !== 'prototype');
const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    fc.dictionary(key, tie('node'), { minKeys: 1, maxKeys: 3 }),
  ),
})).node;

/** As PHP's http_build_query writes it. */
const build = (value: unknown, name: string): string[] =>
  typeof value === 'string'
    ? [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
    : Object.entries(value as object).flatMap(([member, inner]) => build(inner, `${name}[${member}]`));

test('values written as PHP writes them come back as they were', () => {
  fc.assert(
    fc.property(fc.dictionary(key, tree, { maxKeys: 4 }), (value) => {
      const query = Object.entries(value)
        .flatMap(([name, inner]) => build(inner, name))
        .join('&');
      expect(fieldsOf(query).value()).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 500 },
  );
});

test('a repeated plain name is a list where the contract asks for one, and the last one elsewhere', () => {
  const fields = new Fields({ count: new FieldCount(10), maxDepth: 64, isList: (name) => name === 'tags' });
  fields.addEncoded('tags=a&tags=b&tags[]=c&other=a&other=b');
  expect(fields.value()).toEqual({ tags: ['a', 'b', 'c'], other: 'b' });
});

test('what was written is kept by member, in order, as it was sent', () => {
  const { written } = fieldsOf('a.b=1&tag[]=x&a_b=2&tag[]=y&tag[k]=%C3%BC');
  expect(Object.fromEntries(written.pairs)).toEqual({
    a_b: [
      ['a.b', '1'],
      ['a_b', '2'],
    ],
    tag: [
      ['tag[]', 'x'],
      ['tag[]', 'y'],
      ['tag[k]', 'ü'],
    ],
  });
});

test('a thousand fields of one name cost no more than their number', () => {
  const fields = new Fields({ count: new FieldCount(100_000), maxDepth: 64, isList: () => false });
  fields.addEncoded('a[]=1&'.repeat(100_000));
  expect((fields.value().a as unknown[]).length).toBe(100_000);
});
