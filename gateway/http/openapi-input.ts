/** What callers may send, for OpenAPI: query parameters, and one request body for each kind of contents. */
import type { Content } from '../contract.ts';
import type { FileField } from '../invoke/files.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { addComponent, type Components, isJson, type Json, resolveSchema } from './openapi-schema.ts';

/** Their input comes in the query string alone. */
const BODILESS = ['GET', 'OPTIONS'];

const FORM_NAMES = 'Form fields are named as in PHP: lists as name[], objects as name[member].';

/** What a member is beside null. */
const typeOf = (components: Components, schema: unknown): unknown => {
  const { type, anyOf } = resolveSchema(components, schema);
  if (!Array.isArray(anyOf)) return type;
  return anyOf.map((branch) => typeOf(components, branch)).find((branch) => branch !== 'null');
};

const queryParameter = (components: Components, name: string, schema: unknown, required: boolean): Json => {
  const type = typeOf(components, schema);
  const { description } = resolveSchema(components, schema);
  return {
    name: type === 'array' ? `${name}[]` : name,
    in: 'query',
    required,
    ...(description === undefined ? {} : { description }),
    style: type === 'object' ? 'deepObject' : 'form',
    explode: true,
    schema,
  };
};

const queryParameters = (fn: GatewayFunction, components: Components): Json[] => {
  const reference = addComponent(components, `${fn.name}.input`, fn.inputJsonSchema);
  const { properties, required } = resolveSchema(components, reference);
  if (!isJson(properties)) {
    // Any object: its members are the fields.
    return [{ name: 'input', in: 'query', style: 'form', explode: true, schema: reference }];
  }
  const names = Array.isArray(required) ? required : [];
  return Object.entries(properties)
    .filter(([name]) => !fn.files.has(name))
    .map(([name, schema]) => queryParameter(components, name, schema, names.includes(name)));
};

/** Which media types a part may have, as far as the schema does not say it. */
const multipartEncoding = (files: ReadonlyMap<string, FileField>): Json => {
  const types = [...files].map(([name, { mediaTypes }]) => [name, { contentType: mediaTypes.join(', ') }]);
  return types.length === 0 ? {} : { encoding: Object.fromEntries(types) };
};

/** The one file of an input that is or holds one. */
const rawBody = (fn: GatewayFunction, components: Components, schema: Json): Json => {
  const [name = '', file] = [...fn.files][0] ?? [];
  const input = resolveSchema(components, schema);
  const body = name === '' ? input : resolveSchema(components, (input.properties as Json)[name]);
  return Object.fromEntries((file?.mediaTypes ?? []).map((type) => [type, { schema: body }]));
};

const bodyOf = (fn: GatewayFunction, content: Content, components: Components, schema: Json): Json => {
  switch (content) {
    case 'json':
      return { 'application/json': { schema } };
    case 'form':
      return { 'application/x-www-form-urlencoded': { schema } };
    case 'multipart':
      return { 'multipart/form-data': { schema, ...multipartEncoding(fn.files) } };
    case 'raw':
      return rawBody(fn, components, schema);
  }
};

const requestBody = (fn: GatewayFunction, method: string, components: Components): Json => {
  const schema = addComponent(components, `${fn.name}.input`, fn.inputJsonSchema);
  const hasForm = fn.contents.some((content) => content === 'form' || content === 'multipart');
  return {
    ...(hasForm ? { description: FORM_NAMES } : {}),
    // Where it may be left out, the query string can hold all there is to say.
    required: fn.code.kind === 'handler' && method !== 'DELETE',
    content: Object.assign({}, ...fn.contents.map((content) => bodyOf(fn, content, components, schema))),
  };
};

/** Whether its calls by that method may have an Idempotency-Key. */
export const takesKey = ({ idempotencyKey, output }: GatewayFunction, method: string): boolean =>
  idempotencyKey !== 'off' && output.kind !== 'stream' && !BODILESS.includes(method);

const keyParameters = (fn: GatewayFunction, method: string): Json[] => {
  if (!takesKey(fn, method)) return [];
  const description = 'Names the operation: sent again with the same input, it gets the first answer and does not run.';
  const schema = { type: 'string', minLength: 1, maxLength: 255 };
  return [{ name: 'Idempotency-Key', in: 'header', required: fn.idempotencyKey === 'required', description, schema }];
};

/** `parameters` and `requestBody` of an operation. */
export const inputOf = (fn: GatewayFunction, method: string, components: Components): Json => {
  if (BODILESS.includes(method)) return { parameters: queryParameters(fn, components) };
  // Beside a raw body the other members have no place but the query string.
  const besideFile = fn.contents.includes('raw') && !fn.files.has('') ? queryParameters(fn, components) : [];
  const parameters = [...besideFile, ...keyParameters(fn, method)];
  return {
    ...(parameters.length === 0 ? {} : { parameters }),
    requestBody: requestBody(fn, method, components),
  };
};
