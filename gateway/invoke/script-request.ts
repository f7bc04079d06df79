/**
 * The request a script gets: what the contract let through, written as its caller wrote it. A member that validation
 * left as it was keeps its own text ("on" stays "on"); what was changed or added by a default is written anew. Pure.
 */
import { GatewayError } from '../errors.ts';
import type { Param } from '../pool/runtime.ts';
import { Upload } from '../upload.ts';
import type { EncodedInput } from './handler-body.ts';
import { encodeMultipart, type FilePart, type Part, uploadBody } from './multipart.ts';
import type { CallInput, FieldText, FieldTexts, Written } from './written.ts';

/** What a script sees of the HTTP request around its input. */
export interface RequestView {
  readonly method: string;
  /** The script's path in URLs, without the query. */
  readonly url: string;
  /** Parameters made from headers and the connection, all of names we chose. */
  readonly params: readonly Param[];
}

/** As PHP's `http_build_query` writes it. */
const pairsOf = (name: string, value: unknown): FieldText[] => {
  if (value === null || value === undefined) return [];
  if (typeof value === 'boolean') return [[name, value ? '1' : '0']];
  if (value instanceof Date) return [[name, value.toISOString()]];
  if (typeof value === 'object')
    return Object.entries(value).flatMap(([key, child]) => pairsOf(`${name}[${key}]`, child));
  return [[name, String(value)]];
};

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether PHP code that reads this text sees what was validated: "off" is true to it, and "1.0" no whole number. */
const says = (text: unknown, value: unknown): boolean => {
  if (typeof text === 'string') {
    if (typeof value === 'boolean') return value === (text !== '' && text !== '0');
    if (value === null) return text === '';
    return ['string', 'number', 'bigint'].includes(typeof value) && text === String(value);
  }
  if (!isContainer(text) || !isContainer(value)) return false;
  const [texts, values] = [Object.entries(text), new Map(Object.entries(value))];
  return texts.length === values.size && texts.every(([key, child]) => values.has(key) && says(child, values.get(key)));
};

/** As sent where that says the same; `tags=a&tags=b`, a list to us, is but its last to PHP. */
const textsFor = (key: string, value: unknown, { pairs, tree }: FieldTexts): readonly FieldText[] => {
  const sent = pairs.get(key) ?? [];
  const isList = Array.isArray(value) && sent.some(([name]) => !name.includes('['));
  return sent.length > 0 && !isList && says(tree[key], value) ? sent : pairsOf(key, value);
};

const urlEncode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+');

const urlEncoded = (pairs: readonly FieldText[]): string =>
  pairs.map(([name, text]) => `${urlEncode(name)}=${urlEncode(text)}`).join('&');

/** A file input that was left empty: PHP makes `UPLOAD_ERR_NO_FILE` of it, which scripts ask for. */
const NO_FILE = new Upload('', 'application/octet-stream', 0, { kind: 'memory', bytes: Buffer.alloc(0) });

interface Members {
  readonly query: FieldText[];
  readonly body: FieldText[];
  readonly files: FilePart[];
  /** Those of a JSON body. */
  readonly json: Record<string, unknown>;
}

const sortMembers = (parsed: object, written: Written): Members => {
  const members: Members = { query: [], body: [], files: [], json: Object.create(null) };
  for (const [key, member] of Object.entries(parsed)) {
    const uploads = [member].flat().filter((each) => each instanceof Upload);
    if (uploads.length > 0) {
      const name = Array.isArray(member) ? `${key}[]` : key;
      members.files.push(...uploads.map((upload): FilePart => ({ kind: 'file', name, upload })));
      continue;
    }
    if (written.query.pairs.has(key) || written.content === 'none' || written.content === 'raw')
      members.query.push(...textsFor(key, member, written.query));
    else if (written.content === 'json') members.json[key] = member;
    else members.body.push(...textsFor(key, member, written.body));
  }
  return members;
};

const isMap = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Upload);

/** Of these PHP would make `$_POST` and `$_FILES`, which no contract has seen. */
const PARSED_BY_PHP = /^(?:application\/x-www-form-urlencoded|multipart\/)/;

/** As sent, with its parameters, where it is the type that was checked. */
const rawType = ({ mediaType }: Upload, { contentType = '' }: Written): string => {
  if (PARSED_BY_PHP.test(mediaType)) return 'application/octet-stream';
  const essence = contentType.split(';')[0]?.trim().toLowerCase();
  return essence === mediaType ? contentType : mediaType;
};

const bodyOf = (parsed: unknown, members: Members, written: Written): Omit<EncodedInput, 'headOnly'> => {
  switch (written.content) {
    case 'none':
      // Web servers always set it: a script may read it without asking whether it is there.
      return { params: [['CONTENT_TYPE', '']], body: Buffer.alloc(0), hasFiles: false };
    case 'form': {
      const params: Param[] = [['CONTENT_TYPE', 'application/x-www-form-urlencoded']];
      return { params, body: Buffer.from(urlEncoded(members.body)), hasFiles: false };
    }
    case 'json': {
      const json = JSON.stringify(isMap(parsed) ? members.json : parsed) ?? 'null';
      return { params: [['CONTENT_TYPE', 'application/json']], body: Buffer.from(json), hasFiles: false };
    }
    case 'multipart': {
      const texts = members.body.map(([name, text]): Part => ({ kind: 'text', name, text }));
      const empty = written.emptyFiles.map((name): Part => ({ kind: 'file', name, upload: NO_FILE }));
      const { contentType, body } = encodeMultipart([...texts, ...members.files, ...empty]);
      return { params: [['CONTENT_TYPE', contentType]], body, hasFiles: true };
    }
    case 'raw': {
      const upload = parsed instanceof Upload ? parsed : (members.files[0]?.upload ?? NO_FILE);
      return { params: [['CONTENT_TYPE', rawType(upload, written)]], body: uploadBody(upload), hasFiles: false };
    }
  }
};

/** `parsed`: the input as the contract's schema gave it back. */
export const encodeScriptRequest = (parsed: unknown, { written }: CallInput, view: RequestView): EncodedInput => {
  const members = isMap(parsed) ? sortMembers(parsed, written) : { query: [], body: [], files: [], json: {} };
  if (!isMap(parsed) && ['form', 'multipart', 'none'].includes(written.content) && !(parsed instanceof Upload)) {
    throw new GatewayError('contract-error', 'The input of a script that is sent as fields must be an object.');
  }
  const query = urlEncoded(members.query);
  const { params, body, hasFiles } = bodyOf(parsed, members, written);
  return {
    params: [
      ['REQUEST_METHOD', view.method],
      ['QUERY_STRING', query],
      ['REQUEST_URI', query === '' ? view.url : `${view.url}?${query}`],
      ...view.params,
      ...params,
    ],
    body,
    hasFiles,
    headOnly: view.method === 'HEAD',
  };
};
