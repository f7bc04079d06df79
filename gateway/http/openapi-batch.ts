/** `POST /batch` in the OpenAPI document. Pure. */
import { ID_MAX_CHARS } from './batch-item.ts';
import { type Components, type Json, reference } from './openapi-schema.ts';

const ITEM: Json = {
  type: 'object',
  required: ['function'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', minLength: 1, maxLength: ID_MAX_CHARS, description: 'Its position, if left out.' },
    function: { type: 'string' },
    input: {},
    timeoutMs: { type: 'integer', minimum: 1 },
    idempotencyKey: { type: 'string', minLength: 1, maxLength: 255, description: 'As the header of a call.' },
    traceparent: { type: 'string', description: 'Whose call it is; taken from trusted peers.' },
  },
};

const nullable = (type: string): Json => ({ type: [type, 'null'] });

const RESULT: Json = {
  type: 'object',
  description: 'Of an item; with `index` null of the batch itself, which broke off: the last one then.',
  required: ['id', 'index', 'status', 'executed', 'attempts', 'timing', 'spanId'],
  properties: {
    id: nullable('string'),
    index: nullable('integer'),
    status: { type: 'string', enum: ['succeeded', 'failed', 'cancelled'] },
    output: { description: 'With `encoding` an object of `mediaType` and `base64`.' },
    encoding: { type: 'string', enum: ['base64'] },
    error: reference('Problem'),
    executed: { type: 'string', enum: ['no', 'unknown', 'yes'] },
    replayed: { type: 'boolean', description: 'The result of an earlier call with this key.' },
    attempts: { type: 'integer' },
    timing: {
      ...nullable('object'),
      properties: { queueMs: { type: 'number' }, phpMs: { type: 'number' }, totalMs: { type: 'number' } },
    },
    spanId: nullable('string'),
    traceId: { type: 'string' },
  },
};

const query = (name: string, schema: Json, description: string): Json => ({
  name,
  in: 'query',
  description,
  style: 'form',
  explode: true,
  schema,
});

const both = (item: Json): Json => ({
  'application/x-ndjson': { schema: item },
  'application/json': { schema: { type: 'array', items: item } },
});

export const batchPath = (components: Components): Json => {
  components.BatchItem = ITEM;
  components.BatchResult = RESULT;
  const problem = { 'application/problem+json': { schema: reference('Problem') } };
  return {
    post: {
      // No function has a name with a dot.
      operationId: 'gateway.batch',
      summary: 'Many calls in one request',
      parameters: [
        query('order', { type: 'string', enum: ['finish', 'input'] }, 'Of the results.'),
        query('concurrency', { type: 'integer', minimum: 1 }, 'Items in flight at once.'),
        query('stopOnError', { type: 'boolean' }, 'What has not begun when one fails never does.'),
      ],
      requestBody: { required: true, content: both(reference('BatchItem')) },
      responses: {
        '200': { description: 'A result for each item', content: both(reference('BatchResult')) },
        default: { description: 'Problem', content: problem },
      },
    },
  };
};
