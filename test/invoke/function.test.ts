import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../gateway/config.ts';
import { binary, defineFunction, file, stream } from '../../gateway/contract.ts';
import { unboundedMembers } from '../../gateway/invoke/bounds.ts';
import { type JsonSchema, resolveFunction } from '../../gateway/invoke/function.ts';

const settings = configSchema.parse({});
const resolve = (exported: unknown, config: unknown = {}) =>
  resolveFunction({ name: 'f', file: 'schemas/f.ts', exported }, configSchema.parse(config));
const good = { input: z.strictObject({}), output: z.strictObject({}) };

test('a contract that says nothing gets the defaults', () => {
  const { fn } = resolve(defineFunction(good));
  expect(fn).toMatchObject({
    code: { kind: 'handler', file: 'f.php' },
    contents: ['json'],
    pool: 'default',
    methods: ['POST'],
    timeoutMs: settings.defaults.timeoutMs,
    queueTimeoutMs: settings.defaults.queueTimeoutMs,
    idempotent: false,
    concurrency: 1,
    inFlightMax: undefined,
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
    [
      'HEAD beside GET',
      { ...good, methods: ['GET', 'HEAD'] },
      'methods.1',
      /^GET brings HEAD with it: leave HEAD out$/,
    ],
    ['TRACE', { ...good, methods: ['TRACE'] }, 'methods.0', /^"TRACE" is none of GET, POST, PUT, PATCH, DELETE and, f/],
    ['a verb in lower case', { ...good, methods: ['get'] }, 'methods.0', /^"get" is none of GET, POST/],
    ['a zero timeout', { ...good, timeoutMs: 0 }, 'timeoutMs', /./],
    ['an unknown engine', { ...good, engine: 'swoole' }, 'engine', /'fpm' or 'resident'/],
    ['a script in a worker that stays', { ...good, script: 'a.php', engine: 'resident' }, 'engine', /write a handler/],
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

const problemsOf = (contract: object, config: unknown = {}): string[] =>
  resolve({ ...good, ...contract }, config).problems.map(({ property, detail }) => `${property}: ${detail}`);

describe('scripts', () => {
  test('one script answers at the name of its function', () => {
    const { fn } = resolve(defineFunction({ ...good, script: 'old/form.php' }));
    expect(fn?.code).toEqual({ kind: 'script', files: new Map([['', 'old/form.php']]) });
    expect(fn?.contents).toEqual(['form', 'multipart', 'json']);
  });

  test('several answer below it, by the paths that are listed', () => {
    const scripts = { folder: 'old/', files: ['a.php', 'admin/b.php'] };
    const { fn } = resolve(defineFunction({ ...good, scripts }));
    const files = new Map([
      ['a.php', 'old/a.php'],
      ['admin/b.php', 'old/admin/b.php'],
    ]);
    expect(fn?.code).toEqual({ kind: 'script', files });
  });

  const refused: [string, object, RegExp][] = [
    ['a handler beside it', { handler: 'a.php', script: 'b.php' }, /^script: A function has one of/],
    ['declared errors', { script: 'b.php', errors: { gone: z.string() } }, /^errors: A script cannot throw/],
    ['a path out of its folder', { script: '../b.php' }, /^script: must be a .php file below functions/],
    [
      'a list with a path out of its folder',
      { scripts: { folder: 'a', files: ['../b.php'] } },
      /^scripts.files.0: must/,
    ],
    ['a folder out of functions/', { scripts: { folder: '/etc', files: ['b.php'] } }, /^scripts.folder: must/],
    ['an empty list', { scripts: { folder: 'a', files: [] } }, /^scripts.files: /],
    ['a header that frames the answer', { script: 'b.php', responseHeaders: ['Content-Length'] }, /own header/],
    ['a header of ours', { script: 'b.php', responseHeaders: ['trace-id'] }, /own header/],
    ['a request header that is a CGI variable of ours', { script: 'b.php', requestHeaders: ['Proxy'] }, /own header/],
    ['headers of a handler', { requestHeaders: ['x-a'] }, /^requestHeaders: Only scripts see headers/],
    ['OPTIONS of a handler', { methods: ['OPTIONS'] }, /^methods: OPTIONS is answered by the gateway/],
  ];
  test.each(refused)('%s is refused by name', (_what, contract, problem) => {
    expect(problemsOf(contract)).toContainEqual(expect.stringMatching(problem));
  });
});

describe('files', () => {
  const picture = file({ maxBytes: 1000, mediaTypes: ['image/png'] });

  test('members that are files are known, with their limits and numbers', () => {
    const input = z.strictObject({ avatar: picture, pages: z.array(picture).max(3), name: z.string().max(9) });
    const { fn } = resolve(defineFunction({ ...good, input }));
    const rules = { maxBytes: 1000, mediaTypes: ['image/png'] };
    expect(fn?.files).toEqual(
      new Map([
        ['avatar', { ...rules, many: false, maxCount: 1 }],
        ['pages', { ...rules, many: true, maxCount: 3 }],
      ]),
    );
    expect(fn?.contents).toEqual(['multipart']);
  });

  test('optional ones as well, which JSON may leave out', () => {
    const input = z.strictObject({ avatar: picture.optional(), pages: z.array(picture).max(3).default([]) });
    const { fn } = resolve(defineFunction({ ...good, input }));
    expect([...(fn?.files.keys() ?? [])]).toEqual(['avatar', 'pages']);
    expect(fn?.contents).toEqual(['multipart', 'json']);
  });

  test('an input that is a file is the raw body', () => {
    const { fn } = resolve(defineFunction({ ...good, input: picture }));
    expect(fn?.contents).toEqual(['raw']);
    expect([...(fn?.files.keys() ?? [])]).toEqual(['']);
  });

  const refused: [string, object, RegExp][] = [
    [
      'a file deeper down',
      { input: z.strictObject({ a: z.strictObject({ b: picture }) }) },
      /^input.a: A file is a member/,
    ],
    [
      'a list of files without a bound',
      { input: z.strictObject({ a: z.array(picture) }) },
      /^input.a: A list of files needs a bound/,
    ],
    [
      'a union of objects with files',
      { input: z.union([z.strictObject({ a: picture }), z.null()]) },
      /^input: A file is a member/,
    ],
    [
      'a file larger than a request may be',
      { input: z.strictObject({ a: file({ maxBytes: 2 ** 30, mediaTypes: ['*/*'] }) }) },
      /^input.a: maxBytes is 1073741824, but limits.uploadMaxBytes .* 67108864/,
    ],
    [
      'no media types',
      { input: z.strictObject({ a: file({ maxBytes: 1, mediaTypes: [] }) }) },
      /^input.a: mediaTypes must name/,
    ],
    [
      'a media type that is none',
      { input: file({ maxBytes: 1, mediaTypes: ['PNG'] }) },
      /^input: mediaTypes must name .* not "PNG"/,
    ],
    ['a file of no size', { input: file({ maxBytes: 0.5, mediaTypes: ['*/*'] }) }, /^input: maxBytes \(0.5\)/],
    ['a raw body without a file', { contents: ['raw'] }, /^contents: A raw body becomes the one file/],
    [
      'a raw body for one of two files',
      { contents: ['raw'], input: z.strictObject({ a: picture, b: picture }) },
      /^contents: A raw body/,
    ],
    ['a form that is a file', { contents: ['form'], input: picture }, /^contents: An input that is a file/],
  ];
  test.each(refused)('%s is refused by name', (_what, contract, problem) => {
    expect(problemsOf(contract)).toContainEqual(expect.stringMatching(problem));
  });
});

describe('streams', () => {
  test('of items and of bytes', () => {
    const item = z.strictObject({ n: z.int() });
    expect(resolve(defineFunction({ ...good, output: stream(item) })).fn?.output).toMatchObject({
      kind: 'stream',
      item: { kind: 'json', schema: item },
    });
    expect(resolve(defineFunction({ ...good, output: stream(binary('text/csv')) })).fn?.output).toEqual({
      kind: 'stream',
      item: { kind: 'binary', mediaType: 'text/csv' },
    });
  });

  test('of streams are refused', () => {
    expect(problemsOf({ output: { kind: 'stream', item: stream(z.string()) } })).toEqual([
      expect.stringMatching(/^output: must be a zod 4 schema, .* or stream\(\) of one of them/),
    ]);
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
