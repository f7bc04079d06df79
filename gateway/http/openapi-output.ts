/** What callers may get, for OpenAPI: a result or a stream, declared errors, and problems. */
import type { GatewayFunction, WholeOutput } from '../invoke/function.ts';
import { addComponent, type Components, type Json, reference } from './openapi-schema.ts';

const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: reference('Problem') } },
});

/** OpenAPI 3.2's `itemSchema`, by the name its registry gives it for 3.1, which forbids unknown members. */
const sequence = (item: Json): Json => ({ schema: { type: 'string' }, 'x-oai-itemSchema': item });

const streamContent = (fn: GatewayFunction, item: WholeOutput, components: Components): Json => {
  if (item.kind === 'binary') return { [item.mediaType]: { schema: {} } };
  const schema = addComponent(components, `${fn.name}.item`, item.jsonSchema);
  const data = { type: 'string', contentMediaType: 'application/json', contentSchema: schema };
  return {
    'application/x-ndjson': sequence(schema),
    'text/event-stream': sequence({ type: 'object', required: ['data'], properties: { data } }),
    'application/json': { schema: { type: 'array', items: schema } },
    ...(item.jsonSchema.type === 'string' ? { 'text/plain': { schema: { type: 'string' } } } : {}),
  };
};

const resultContent = (fn: GatewayFunction, components: Components): Json => {
  const { output } = fn;
  switch (output.kind) {
    case 'json':
      return { 'application/json': { schema: addComponent(components, `${fn.name}.output`, output.jsonSchema) } };
    case 'binary':
      return { [output.mediaType]: { schema: {} } };
    case 'stream':
      return streamContent(fn, output.item, components);
  }
};

const declaredResponses = (fn: GatewayFunction, components: Components): Json => {
  const byStatus = new Map<number, Json[]>();
  for (const [code, { status, jsonSchema }] of fn.errors) {
    const data = addComponent(components, `${fn.name}.error.${code}`, jsonSchema);
    const schema = { allOf: [reference('Problem'), { properties: { code: { const: code }, data } }] };
    byStatus.set(status, [...(byStatus.get(status) ?? []), schema]);
  }
  // 422 also means that the input does not match.
  if (byStatus.has(422)) byStatus.get(422)?.push(reference('Problem'));
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

const REPLAYED: Json = {
  description: '`true`: the answer to an earlier request with this Idempotency-Key.',
  schema: { type: 'string', enum: ['true'] },
};

/** `responses` of an operation. `hasKey`: it takes an Idempotency-Key. */
export const responsesOf = (fn: GatewayFunction, hasKey: boolean, components: Components): Json => ({
  200: {
    description: fn.output.kind === 'stream' ? 'The stream; its items come while the function runs.' : 'The result.',
    ...(hasKey ? { headers: { 'Idempotency-Replayed': REPLAYED } } : {}),
    content: resultContent(fn, components),
  },
  ...(hasKey && fn.idempotencyKey === 'required'
    ? { 400: problem('The Idempotency-Key is missing or malformed.') }
    : {}),
  ...(hasKey ? { 409: problem('A call with this Idempotency-Key is under way.') } : {}),
  422: problem(
    `The input does not match the contract${hasKey ? ', or is another one than that of the Idempotency-Key' : ''}.`,
  ),
  ...declaredResponses(fn, components),
  default: problem('Any other failure.'),
});
