/** The functions as an OpenAPI 3.1 document, from their contracts. Pure; made once per release. */
import type { GatewayFunction, JsonSchema } from '../invoke/function.ts';

type Json = Record<string, unknown>;

const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457 problem details. Match on `code`; `executed` tells whether PHP ran.',
  required: ['type', 'title', 'status', 'code', 'executed', 'retryable'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    source: { type: 'string', enum: ['client', 'function', 'pool', 'gateway'] },
    executed: { type: 'string', enum: ['no', 'unknown', 'yes'] },
    retryable: { type: 'boolean' },
    traceId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { pointer: { type: 'string' }, detail: { type: 'string' }, keyword: { type: 'string' } },
      },
    },
    data: {},
  },
};

const pointer = (name: string): string => `#/components/schemas/${name}`;

/** Keywords whose values are data: what looks like a reference there is none. */
const DATA = new Set(['default', 'const', 'enum', 'examples']);
const DEFS = '#/$defs/';

/** A component's name may hold only these characters; the id of a schema, any. */
const componentName = (name: string, key: string): string =>
  `${name}.${key.replaceAll(/[^A-Za-z0-9.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}`)}`;

/**
 * A schema as a component: its `$defs` become components of their own, because a `#/$defs/…` inside an OpenAPI
 * document would point to the document's root.
 */
const hoist = (schema: JsonSchema, name: string, components: Json): Json => {
  const { $schema: _dialect, $defs, ...rest } = schema;
  const rewriteReference = (reference: string): string => {
    if (reference === '#') return pointer(name);
    if (!reference.startsWith(DEFS)) return reference;
    const key = reference.slice(DEFS.length).replaceAll('~1', '/').replaceAll('~0', '~');
    return pointer(componentName(name, key));
  };
  const rewrite = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rewrite);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) => {
        if (DATA.has(key)) return [key, child];
        return [key, key === '$ref' && typeof child === 'string' ? rewriteReference(child) : rewrite(child)];
      }),
    );
  };
  for (const [key, definition] of Object.entries($defs ?? {}))
    components[componentName(name, key)] = rewrite(definition);
  components[name] = rewrite(rest);
  return { $ref: pointer(name) };
};

const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: pointer('Problem') } } },
});

const declaredResponses = (fn: GatewayFunction, components: Json): Json => {
  const byStatus = new Map<number, Json[]>();
  for (const [code, { status, jsonSchema }] of fn.errors) {
    const data = hoist(jsonSchema, `${fn.name}.error.${code}`, components);
    const schema = { allOf: [{ $ref: pointer('Problem') }, { properties: { code: { const: code }, data } }] };
    byStatus.set(status, [...(byStatus.get(status) ?? []), schema]);
  }
  // 422 also means that the input does not match.
  if (byStatus.has(422)) byStatus.get(422)?.push({ $ref: pointer('Problem') });
  return Object.fromEntries(
    [...byStatus].map(([status, anyOf]) => [
      status,
      {
        description: 'An error the function declares.',
        content: { 'application/problem+json': { schema: { anyOf } } },
      },
    ]),
  );
};

const operation = (fn: GatewayFunction, method: string, components: Json): Json => {
  const { output } = fn;
  const content =
    output.kind === 'json'
      ? { 'application/json': { schema: hoist(output.jsonSchema, `${fn.name}.output`, components) } }
      : { [output.mediaType]: { schema: {} } };
  return {
    operationId: fn.methods.length === 1 ? fn.name : `${fn.name}.${method.toLowerCase()}`,
    ...(fn.summary === undefined ? {} : { summary: fn.summary }),
    ...(fn.description === undefined ? {} : { description: fn.description }),
    requestBody: {
      required: true,
      content: { 'application/json': { schema: hoist(fn.inputJsonSchema, `${fn.name}.input`, components) } },
    },
    responses: {
      200: { description: 'The result.', content },
      422: problem('The input does not match the contract.'),
      ...declaredResponses(fn, components),
      default: problem('Any other failure.'),
    },
  };
};

export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
}

export const openApiDocument = (functions: Iterable<GatewayFunction>, info: OpenApiInfo): Json => {
  const components: Json = { Problem: PROBLEM };
  const paths = Object.fromEntries(
    [...functions].map((fn) => [
      `/functions/${fn.name}`,
      Object.fromEntries(fn.methods.map((method) => [method.toLowerCase(), operation(fn, method, components)])),
    ]),
  );
  return { openapi: '3.1.0', info, paths, components: { schemas: components } };
};
