import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../gateway/config.ts';
import { binary, defineFunction } from '../../gateway/contract.ts';
import { unboundedMembers } from '../../gateway/invoke/bounds.ts';
import { type JsonSchema, resolveFunction } from '../../gateway/invoke/function.ts';

const settings = configSchema.parse({});
const resolve = (exported: unknown, config: unknown = {}) =>
  resolveFunction({ name: 'f', file: 'schemas/f.ts', exported }, configSchema.parse(config));
const good = { input: z.strictObject({}), output: z.strictObject({}) };

test('a contract that says nothing gets the defaults', () => {
  const { fn } = resolve(defineFunction(good));
  expect(fn).toMatchObject({
    handler: 'f.php',
    pool: 'default',
    methods: ['POST'],
    timeoutMs: settings.defaults.timeoutMs,
    queueTimeoutMs: settings.defaults.queueTimeoutMs,
    idempotent: false,
    concurrency: undefined,
    retry: settings.defaults.retry,
  });
});

test('the config overrides the contract, member by member', () => {
  const exported = defineFunction({ ...good, timeoutMs: 1000, retry: { attempts: 2, baseMs: 5 } });
  const { fn } = resolve(exported, { functions: { f: { timeoutMs: 2000, retry: { attempts: 4 } } } });
  expect(fn).toMatchObject({ timeoutMs: 2000, retry: { attempts: 4, baseMs: 5, maxMs: 1000 } });
});

test('a declared error is 422 unless the contract gives another 4xx', () => {
  const data = z.strictObject({ id: z.string().max(10) });
  const { fn } = resolve(defineFunction({ ...good, errors: { plain: data, gone: { status: 410, data } } }));
  expect(fn?.errors.get('plain')?.status).toBe(422);
  expect(fn?.errors.get('gone')?.status).toBe(410);
});

describe('a contract that cannot be used is refused, each mistake with its property', () => {
  test.each<[string, unknown, string | undefined, RegExp]>([
    ['no default export', undefined, undefined, /no default export/],
    ['no input', { output: z.any() }, 'input', /zod 4 schema/],
    ['a foreign schema', { input: { type: 'object' }, output: z.any() }, 'input', /zod 4 schema/],
    ['an unknown member', { ...good, timeout: 5 }, undefined, /timeout/],
    ['a handler outside', { ...good, handler: '../x.php' }, 'handler', /below functions/],
    ['a handler that is no PHP', { ...good, handler: 'x.sh' }, 'handler', /\.php/],
    ['a zero timeout', { ...good, timeoutMs: 0 }, 'timeoutMs', /./],
    ['the other engine', { ...good, engine: 'resident' }, 'engine', /fpm/],
    ['a reserved code', { ...good, errors: { 'not-found': z.any() } }, 'errors.not-found', /gateway itself/],
    ['a code with a bad name', { ...good, errors: { Bad_Code: z.any() } }, 'errors.Bad_Code', /./],
    ['an error that is no 4xx', { ...good, errors: { x: { status: 500, data: z.any() } } }, 'errors.x.status', /499/],
    ['backoff upside down', { ...good, retry: { baseMs: 50, maxMs: 10 } }, 'retry', /larger than maxMs/],
  ])('%s', (_name, exported, property, detail) => {
    const { fn, problems } = resolve(exported);
    expect(fn).toBeUndefined();
    expect(problems.some((problem) => problem.property === property && detail.test(problem.detail))).toBe(true);
    expect(problems.every((problem) => problem.file === 'schemas/f.ts')).toBe(true);
  });
});

test('a binary output keeps its media type', () => {
  expect(resolve(defineFunction({ ...good, output: binary('image/*') })).fn?.output).toEqual({
    kind: 'binary',
    mediaType: 'image/*',
  });
});

describe('unbounded members are found', () => {
  const unbounded = (schema: z.ZodType): string[] =>
    unboundedMembers(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema, 'input', 0);
  test('in objects, arrays, records and unions', () => {
    const schema = z.strictObject({
      name: z.string(),
      tags: z.array(z.string().max(5)),
      rows: z.array(z.strictObject({ cell: z.string() })).max(3),
      map: z.record(z.string().max(5), z.string()),
      either: z.union([z.string(), z.number()]),
    });
    expect(unbounded(schema)).toEqual([
      'input.name (string without .max())',
      'input.tags (array without .max())',
      'input.rows[].cell (string without .max())',
      'input.map.* (string without .max())',
      'input.either (string without .max())',
    ]);
  });
  test('but not where a format, an enum or a maximum bounds them', () => {
    const schema = z.strictObject({
      id: z.uuid(),
      kind: z.enum(['a', 'b']),
      text: z.string().max(3),
      day: z.iso.date(),
      fixed: z.literal('x'),
    });
    expect(unbounded(schema)).toEqual([]);
  });
});
