/** `/openapi.json` as the page needs it: places to call, their verbs, and the ways to send an input. */

/** @import { Resolve, Schema } from './schema.js' */
import { schemaResolver } from './schema.js';

/**
 * How an input travels, and which one: a raw body's file has no name, so its member is ''.
 * @typedef {object} Way
 * @property {'query' | 'json' | 'form' | 'multipart' | 'raw'} kind
 * @property {string} mediaType
 * @property {Schema} input
 *
 * @typedef {object} Operation
 * @property {string} method
 * @property {readonly Way[]} ways  at least one
 * @property {readonly string[]} accepts  media types of the result
 *
 * @typedef {object} Place
 * @property {string} name  `create-pdf`, `legacy/report.php`
 * @property {string} path
 * @property {string} summary
 * @property {string} description
 * @property {readonly Operation[]} operations
 *
 * @typedef {object} Api
 * @property {string} title
 * @property {string} version
 * @property {readonly Place[]} places
 * @property {Resolve} resolve
 *
 * @typedef {{ name: string, description?: string, required?: boolean, schema: Schema }} Parameter
 * @typedef {Record<string, { schema: Schema }>} MediaTypes
 * @typedef {object} OperationObject
 * @property {string} [summary]
 * @property {string} [description]
 * @property {readonly Parameter[]} [parameters]
 * @property {{ content: MediaTypes }} [requestBody]
 * @property {Record<string, { content: MediaTypes }>} responses
 */

const PREFIX = '/functions/';

/** @type {Readonly<Record<string, Way['kind']>>} */
const KINDS = {
  'application/json': 'json',
  'application/x-www-form-urlencoded': 'form',
  'multipart/form-data': 'multipart',
};

/**
 * The object whose members are the parameters.
 * @param {readonly Parameter[]} parameters
 * @returns {Schema}
 */
const queryInput = (parameters) => {
  const [only] = parameters;
  // One without a `required` stands for an input of any members.
  if (parameters.length === 1 && only !== undefined && only.required === undefined) return only.schema;
  const named = parameters.map((parameter) => ({ ...parameter, name: parameter.name.replace(/\[\]$/, '') }));
  return {
    type: 'object',
    properties: Object.fromEntries(named.map(({ name, schema }) => [name, schema])),
    required: named.filter(({ required }) => required).map(({ name }) => name),
  };
};

/**
 * @param {OperationObject} operation
 * @returns {Way[]}
 */
const waysOf = ({ parameters, requestBody }) => {
  const query = queryInput(parameters ?? []);
  if (requestBody === undefined) return [{ kind: 'query', mediaType: '', input: query }];
  const contents = Object.entries(requestBody.content);
  const named = contents.flatMap(([mediaType, { schema }]) => {
    const kind = KINDS[mediaType];
    return kind === undefined ? [] : [{ kind, mediaType, input: schema }];
  });
  const raw = contents.find(([mediaType]) => KINDS[mediaType] === undefined);
  if (raw === undefined) return named;
  const [mediaType, { schema }] = raw;
  const input = {
    type: 'object',
    properties: { '': schema, ...query.properties },
    required: ['', ...(query.required ?? [])],
  };
  return [...named, { kind: 'raw', mediaType, input }];
};

/**
 * @param {string} path
 * @param {Record<string, OperationObject>} item
 * @returns {Place}
 */
const placeOf = (path, item) => {
  const operations = Object.entries(item).map(([method, operation]) => ({
    method: method.toUpperCase(),
    ways: waysOf(operation),
    accepts: Object.keys(operation.responses[200]?.content ?? {}),
  }));
  const [first] = Object.values(item);
  const { summary, description } = first ?? {};
  return {
    name: path.slice(PREFIX.length),
    path,
    summary: summary ?? '',
    description: description ?? '',
    operations,
  };
};

/** Rejects with an Error for people to read. @returns {Promise<Api>} */
export const loadApi = async () => {
  const response = await fetch('openapi.json');
  if (!response.ok) throw new Error(`GET /openapi.json answered ${response.status}: ${await detailOf(response)}`);
  const { info, paths, components } = await response.json();
  const places = Object.entries(paths)
    .filter(([path]) => path.startsWith(PREFIX))
    .map(([path, item]) => placeOf(path, item));
  return { title: info.title, version: info.version, places, resolve: schemaResolver(components.schemas) };
};

/** @param {Response} response */
const detailOf = async (response) => {
  const text = await response.text();
  try {
    return String(JSON.parse(text).detail ?? text);
  } catch {
    return text.slice(0, 500);
  }
};
