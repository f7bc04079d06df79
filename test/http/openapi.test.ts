/** The OpenAPI document says what is true, in a form that tools read. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { binary, type Contract, file, stream } from '../../gateway/contract.ts';
import { openApiDocument } from '../../gateway/http/openapi.ts';
import { streamTypes } from '../../gateway/http/stream-format.ts';
import type { GatewayFunction } from '../../gateway/invoke/function.ts';
import { resolveFunction } from '../../gateway/invoke/function.ts';
import { resolveSettings } from '../../gateway/settings.ts';

type Json = Record<string, unknown>;

const settings = resolveSettings({}, {}, 'config');

const functionOf = (name: string, contract: Contract): GatewayFunction => {
  const { fn, problems } = resolveFunction({ name, file: `schemas/${name}.ts`, exported: contract }, settings);
  if (fn === undefined) throw new Error(JSON.stringify(problems));
  return fn;
};

const documentOf = (contracts: Readonly<Record<string, Contract>>): Json =>
  openApiDocument(
    Object.entries(contracts).map(([name, contract]) => functionOf(name, contract)),
    { title: 'T', version: '1' },
  );

/** Every `$ref` in it. */
const references = (value: unknown): string[] => {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' && typeof child === 'string' ? [child] : references(child),
  );
};

const resolve = (document: Json, pointer: string): unknown =>
  pointer
    .slice(2)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((node, key) => (node as Json | undefined)?.[key], document);

/** Members an object may have in OpenAPI 3.1, extensions aside. */
const assertMembers = (object: unknown, allowed: readonly string[]): void => {
  const names = Object.keys(object as Json).filter((name) => !name.startsWith('x-'));
  expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
};

const assertContent = (document: Json, content: unknown): void => {
  for (const [type, media] of Object.entries(content as Json)) {
    expect(type).toMatch(/^(?:[a-z]+|\*)\/[a-z0-9.+*-]+$/);
    assertMembers(media, ['schema', 'encoding']);
    const { schema, encoding } = media as Json;
    expect(schema).toBeTypeOf('object');
    const { $ref } = schema as { $ref?: string };
    const { properties } = ($ref === undefined ? schema : resolve(document, $ref)) as Json;
    for (const [name, { contentType }] of Object.entries((encoding ?? {}) as Record<string, Json>)) {
      expect(properties).toHaveProperty([name]);
      expect(contentType).toBeTypeOf('string');
    }
  }
};

const assertOperation = (document: Json, method: string, operation: Json): void => {
  assertMembers(operation, ['operationId', 'summary', 'description', 'parameters', 'requestBody', 'responses']);
  const { responses, requestBody, parameters = [] } = operation;
  if (method === 'get') expect(requestBody).toBeUndefined();
  const names = (parameters as Json[]).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const parameter of parameters as Json[]) {
    assertMembers(parameter, ['name', 'in', 'required', 'description', 'style', 'explode', 'schema']);
    const inQuery = { in: 'query', style: expect.stringMatching(/^(?:form|deepObject)$/), explode: true };
    expect(parameter).toMatchObject(parameter.name === 'Idempotency-Key' ? { in: 'header' } : inQuery);
    expect(parameter.schema).toBeTypeOf('object');
  }
  if (requestBody !== undefined) {
    assertMembers(requestBody, ['description', 'required', 'content']);
    assertContent(document, (requestBody as Json).content);
  }
  for (const [status, response] of Object.entries(responses as Json)) {
    expect(status).toMatch(/^(?:default|[1-5]\d\d)$/);
    assertMembers(response, ['description', 'headers', 'content']);
    expect((response as Json).description).toBeTypeOf('string');
    assertContent(document, (response as Json).content);
  }
};

/** The rules of the OpenAPI 3.1 structure that this document can break. */
const assertStructure = (document: Json): void => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toEqual({ title: expect.any(String), version: expect.any(String) });
  const ids = new Set<string>();
  for (const [path, item] of Object.entries(document.paths as Json)) {
    expect(path).toMatch(/^(?:\/functions\/[A-Za-z0-9._/-]+|\/batch)$/);
    for (const [method, operation] of Object.entries(item as Record<string, Json>)) {
      expect(method).toMatch(/^(?:get|post|put|patch|delete|options)$/);
      const { operationId } = operation;
      expect(ids.has(operationId as string)).toBe(false);
      ids.add(operationId as string);
      assertOperation(document, method, operation);
    }
  }
  for (const name of Object.keys((document.components as Json).schemas as Json))
    expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
  for (const reference of references(document)) {
    expect(reference).toMatch(/^#\/components\/schemas\//);
    expect([reference, resolve(document, reference)]).toEqual([reference, expect.any(Object)]);
  }
  expect(JSON.stringify(document)).not.toContain('$defs');
  expect(JSON.parse(JSON.stringify(document))).toEqual(document);
};

interface Tree {
  name: string;
  children: Tree[];
}
const tree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string(), children: z.array(tree) }));
const address = z.object({ city: z.string() }).meta({ id: 'An address/of a person' });

describe('the document', () => {
  test('follows the structure for every kind of contract, and every reference in it resolves', () => {
    const document = documentOf({
      plain: { input: z.object({ a: z.string() }), output: z.int() },
      recursive: { input: tree, output: z.array(tree) },
      nested: { input: z.object({ root: tree, others: z.record(z.string(), tree) }), output: tree },
      named: { input: z.object({ from: address, to: address }), output: address },
      bytes: { input: z.any(), output: binary('application/pdf') },
      family: { input: z.any(), output: binary('image/*') },
      verbs: { input: z.any(), output: z.any(), methods: ['PUT', 'DELETE'] },
      errors: {
        input: z.any(),
        output: z.any(),
        errors: {
          'no-lines': z.object({ tree }),
          gone: { status: 410, data: z.null() },
          'gone-too': { status: 410, data: z.string() },
        },
      },
    });
    assertStructure(document);
    const schemas = (document.components as Json).schemas as Json;
    expect(schemas['errors.error.gone']).toEqual({ type: 'null' });
    const responses = resolve(document, '#/paths/~1functions~1errors/post/responses') as Json;
    expect(Object.keys(responses).sort()).toEqual(['200', '409', '410', '422', 'default']);
    expect((resolve(document, '#/paths/~1functions~1verbs') as Json).put).toMatchObject({ operationId: 'verbs.put' });
    expect(
      (resolve(document, '#/paths/~1functions~1bytes/post/responses/200/content') as Json)['application/pdf'],
    ).toEqual({ schema: {} });
  });

  test('a recursive schema refers to its own component', () => {
    const document = documentOf({ recursive: { input: tree, output: z.any() } });
    const schemas = (document.components as Json).schemas as Json;
    const names = Object.keys(schemas);
    const own = references(schemas).map((reference) => reference.replace('#/components/schemas/', ''));
    expect(own.length).toBeGreaterThan(0);
    for (const name of own) expect(names).toContain(name);
  });

  test('data that looks like a reference stays data', () => {
    const document = documentOf({
      fn: {
        input: z.object({ $ref: z.string().default('#/$defs/x') }).default({ $ref: '#' }),
        output: z.literal('#/$defs/y'),
      },
    });
    const schemas = (document.components as Json).schemas as Json;
    expect(JSON.stringify(schemas['fn.input'])).toContain('"default":{"$ref":"#"}');
  });
});

const operationAt = (document: Json, path: string, method: string): Json =>
  ((document.paths as Json)[path] as Json)[method] as Json;

const bodyTypes = (operation: Json): Json => (operation.requestBody as Json).content as Json;

const resultTypes = (operation: Json): Json => ((operation.responses as Json)[200] as Json).content as Json;

const picture = file({ maxBytes: 5_000_000, mediaTypes: ['image/png', 'image/jpeg'] });

describe('an Idempotency-Key', () => {
  const named = (fields: object): Json => {
    const document = documentOf({ f: { input: z.any(), output: z.any(), methods: ['GET', 'POST'], ...fields } });
    return operationAt(document, '/functions/f', 'post');
  };

  test('is listed where it means something, with what it may be answered with', () => {
    const optional = named({});
    expect(optional.parameters).toMatchObject([{ name: 'Idempotency-Key', in: 'header', required: false }]);
    expect((optional.responses as Json)[200]).toMatchObject({ headers: { 'Idempotency-Replayed': {} } });
    const required = named({ idempotencyKey: 'required' });
    expect(required.parameters).toMatchObject([{ name: 'Idempotency-Key', required: true }]);
    expect(Object.keys(required.responses as Json)).toEqual(['200', '400', '409', '422', 'default']);
    for (const without of [{ idempotencyKey: 'off' }, { output: stream(z.any()) }])
      expect(named(without).parameters).toBeUndefined();
  });
});

describe('what may be sent', () => {
  test('GET and OPTIONS say their input as query parameters: lists with [], objects with members', () => {
    const document = documentOf({
      search: {
        input: z.strictObject({
          text: z.string().describe('What to look for'),
          tags: z.array(z.string()).optional(),
          near: address.optional(),
          page: z.int().nullable(),
          rows: z.array(z.int()).nullable().optional(),
        }),
        output: z.any(),
        methods: ['GET', 'OPTIONS', 'POST'],
        script: 'search.php',
      },
    });
    assertStructure(document);
    const { parameters } = operationAt(document, '/functions/search', 'get');
    expect(operationAt(document, '/functions/search', 'options').parameters).toEqual(parameters);
    expect(operationAt(document, '/functions/search', 'post').parameters).toMatchObject([{ in: 'header' }]);
    expect(parameters).toMatchObject([
      { name: 'text', required: true, style: 'form', description: 'What to look for', schema: { type: 'string' } },
      { name: 'tags[]', required: false, style: 'form' },
      { name: 'near', required: false, style: 'deepObject' },
      { name: 'page', required: true, style: 'form' },
      { name: 'rows[]', required: false, style: 'form' },
    ]);
  });

  test('an input of any members is one parameter that stands for all fields', () => {
    const document = documentOf({ any: { input: z.any(), output: z.any(), methods: ['GET'] } });
    assertStructure(document);
    expect(operationAt(document, '/functions/any', 'get').parameters).toEqual([
      { name: 'input', in: 'query', style: 'form', explode: true, schema: { $ref: '#/components/schemas/any.input' } },
    ]);
  });

  test('each kind of contents has its media type, and files tell their limits', () => {
    const document = documentOf({
      all: {
        input: z.strictObject({ title: z.string(), picture, more: z.array(picture).max(3).describe('Others') }),
        output: z.any(),
        contents: ['json', 'form', 'multipart'],
      },
    });
    assertStructure(document);
    const schema = { $ref: '#/components/schemas/all.input' };
    const contentType = 'image/png, image/jpeg';
    expect(bodyTypes(operationAt(document, '/functions/all', 'post'))).toEqual({
      'application/json': { schema },
      'application/x-www-form-urlencoded': { schema },
      'multipart/form-data': { schema, encoding: { picture: { contentType }, more: { contentType } } },
    });
    const { properties } = resolve(document, '#/components/schemas/all.input') as { properties: Json };
    expect(properties.picture).toEqual({
      type: 'string',
      format: 'binary',
      description: 'At most 5,000,000 bytes of image/png, image/jpeg.',
      'x-fpm-gateway-file': { maxBytes: 5_000_000, mediaTypes: ['image/png', 'image/jpeg'] },
    });
    expect(properties.more).toMatchObject({ description: 'Others', items: properties.picture });
  });

  test('a raw body has the media types of its file, and the other members are query parameters', () => {
    const document = documentOf({
      whole: { input: picture, output: z.any(), methods: ['PUT'] },
      beside: { input: z.strictObject({ picture, width: z.int() }), output: z.any(), contents: ['raw'] },
    });
    assertStructure(document);
    const whole = operationAt(document, '/functions/whole', 'put');
    const beside = operationAt(document, '/functions/beside', 'post');
    for (const operation of [whole, beside]) {
      expect(Object.keys(bodyTypes(operation))).toEqual(['image/png', 'image/jpeg']);
      expect(bodyTypes(operation)['image/png']).toMatchObject({ schema: { format: 'binary' } });
    }
    expect(whole.parameters).toMatchObject([{ in: 'header' }]);
    expect(beside.parameters).toMatchObject([{ name: 'width', required: true }, { in: 'header' }]);
  });

  test('a body may be left out where the query string can say it all', () => {
    const document = documentOf({
      remove: { input: z.strictObject({ id: z.int() }), output: z.any(), methods: ['DELETE', 'POST'] },
    });
    const required = (method: string): unknown =>
      (operationAt(document, '/functions/remove', method).requestBody as Json).required;
    expect([required('delete'), required('post')]).toEqual([false, true]);
  });

  test('each script of a folder has a path of its own', () => {
    const document = documentOf({
      legacy: {
        input: z.any(),
        output: binary('text/html'),
        scripts: { folder: 'legacy', files: ['report.php', 'sub/list.php'] },
        methods: ['GET', 'POST'],
      },
      single: { input: z.any(), output: z.any(), script: 'old.php' },
    });
    assertStructure(document);
    expect(Object.keys(document.paths as Json)).toEqual([
      '/functions/legacy/report.php',
      '/functions/legacy/sub/list.php',
      '/functions/single',
      '/batch',
    ]);
    const { operationId, requestBody } = operationAt(document, '/functions/legacy/sub/list.php', 'post');
    expect(operationId).toBe('legacy/sub/list.php.post');
    expect((requestBody as Json).required).toBe(false);
  });
});

describe('what may come back', () => {
  test('a stream of items has one media type for each way to read it', () => {
    const document = documentOf({
      count: { input: z.any(), output: stream(z.strictObject({ n: z.int() })) },
      spell: { input: z.any(), output: stream(z.string()) },
    });
    assertStructure(document);
    const schema = { $ref: '#/components/schemas/count.item' };
    const data = { type: 'string', contentMediaType: 'application/json', contentSchema: schema };
    const count = resultTypes(operationAt(document, '/functions/count', 'post'));
    expect(count).toMatchObject({
      'application/x-ndjson': { 'x-oai-itemSchema': schema },
      'text/event-stream': { 'x-oai-itemSchema': { properties: { data } } },
      'application/json': { schema: { type: 'array', items: schema } },
    });
    const [usual, ...others] = Object.keys(resultTypes(operationAt(document, '/functions/spell', 'post')));
    expect(usual).toBe('application/x-ndjson');
    expect(others).toEqual(['text/event-stream', 'application/json', 'text/plain']);
  });

  test('a stream of bytes has its media type', () => {
    const document = documentOf({ table: { input: z.any(), output: stream(binary('text/csv')) } });
    assertStructure(document);
    expect(resultTypes(operationAt(document, '/functions/table', 'post'))).toEqual({ 'text/csv': { schema: {} } });
  });

  test('the media types are those that the gateway chooses from', () => {
    const { output } = functionOf('spell', { input: z.any(), output: stream(z.string()) });
    const offered = output.kind === 'stream' ? streamTypes(output.item) : [];
    const document = documentOf({ spell: { input: z.any(), output: stream(z.string()) } });
    const told = Object.keys(resultTypes(operationAt(document, '/functions/spell', 'post')));
    expect(told.filter((type) => !offered.includes(type))).toEqual([]);
    expect(told[0]).toBe(offered[0]);
  });
});
