/** The OpenAPI document says what is true, in a form that tools read. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { binary, type Contract } from '../../gateway/contract.ts';
import { openApiDocument } from '../../gateway/http/openapi.ts';
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

/** The rules of the OpenAPI 3.1 structure that this document can break. */
const assertStructure = (document: Json): void => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toEqual({ title: expect.any(String), version: expect.any(String) });
  const ids = new Set<string>();
  for (const [path, item] of Object.entries(document.paths as Json)) {
    expect(path).toMatch(/^\/functions\/[a-z0-9._-]+$/);
    for (const [method, operation] of Object.entries(item as Json)) {
      expect(method).toMatch(/^(?:post|put|patch|delete)$/);
      const { operationId, responses, requestBody } = operation as Json;
      expect(ids.has(operationId as string)).toBe(false);
      ids.add(operationId as string);
      for (const response of [...Object.values(responses as Json), requestBody]) {
        for (const [type, media] of Object.entries((response as Json).content as Json)) {
          expect(type).toMatch(/^[a-z]+\/[a-z0-9.+*-]+$/);
          expect((media as Json).schema).toBeTypeOf('object');
        }
      }
      for (const [status, response] of Object.entries(responses as Json)) {
        expect(status).toMatch(/^(?:default|[1-5]\d\d)$/);
        expect((response as Json).description).toBeTypeOf('string');
      }
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
    expect(Object.keys(responses).sort()).toEqual(['200', '410', '422', 'default']);
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
