/** The functions as an OpenAPI 3.1 document, from their contracts. Pure; made once per release. */
import type { GatewayFunction } from '../invoke/function.ts';
import { VERSION } from '../version.ts';
import { batchPath } from './openapi-batch.ts';
import { inputOf, takesKey } from './openapi-input.ts';
import { responsesOf } from './openapi-output.ts';
import { type Components, type Json, PROBLEM } from './openapi-schema.ts';

export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
}

/** Of every project's document. */
export const API_INFO: OpenApiInfo = { title: 'Functions', version: VERSION };

/** Where a function is found: `create-pdf`, or one for each of its scripts, such as `legacy/report.php`. */
const placesOf = ({ name, code }: GatewayFunction): string[] =>
  code.kind === 'handler' ? [name] : [...code.files.keys()].map((file) => (file === '' ? name : `${name}/${file}`));

const operation = (fn: GatewayFunction, place: string, method: string, components: Components): Json => ({
  operationId: fn.methods.length === 1 ? place : `${place}.${method.toLowerCase()}`,
  ...(fn.summary === undefined ? {} : { summary: fn.summary }),
  ...(fn.description === undefined ? {} : { description: fn.description }),
  ...inputOf(fn, method, components),
  responses: responsesOf(fn, takesKey(fn, method), components),
});

const pathItem = (fn: GatewayFunction, place: string, components: Components): Json =>
  Object.fromEntries(
    fn.methods.map((method) => [method.toLowerCase(), operation(fn, place, method, components)] as const),
  );

export const openApiDocument = (functions: Iterable<GatewayFunction>, info: OpenApiInfo): Json => {
  const components: Components = { Problem: PROBLEM };
  const paths = [...functions].flatMap((fn) =>
    placesOf(fn).map((place) => [`/functions/${place}`, pathItem(fn, place, components)] as const),
  );
  const all = { ...Object.fromEntries(paths), '/batch': batchPath(components) };
  return { openapi: '3.1.0', info, paths: all, components: { schemas: components } };
};
