/** A request becomes the input of a call, whatever it carries: query string, JSON, a form, files, one raw file. */
import { type Buffers, Holding } from '../buffers.ts';
import type { Settings } from '../config.ts';
import type { Content } from '../contract.ts';
import { GatewayError } from '../errors.ts';
import { parseIJson } from '../ijson.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { CallInput, FieldTexts, Written } from '../invoke/written.ts';
import type { Spool } from '../spool.ts';
import { type BodySource, contentLength, hasBody, readWhole, receive } from './body.ts';
import type { CallRequest } from './call-request.ts';
import { asksForList, coerce } from './coerce.ts';
import { contentOf } from './contents.ts';
import { FieldCount, Fields } from './fields.ts';
import { boundaryOf, MultipartReader } from './multipart.ts';
import { assertOrigin } from './request-rules.ts';
import { fileTooLarge, Uploads } from './uploads.ts';

export interface CallInputParts {
  readonly settings: Settings;
  readonly spool: Spool;
  readonly buffers: Buffers;
}

export interface ReadInput {
  readonly input: CallInput;
  /** As received. */
  readonly bodyBytes: number;
  /** Of them those in `buffers`, to be given back once when the call is over. */
  readonly heldBytes: number;
  /** Removes the files of the call, any number of times; a promise where there are any. */
  dispose(): Promise<void> | undefined;
}

interface Reading {
  readonly source: BodySource;
  readonly contentType: string | undefined;
  readonly fn: GatewayFunction;
  readonly settings: Settings;
  readonly count: FieldCount;
  readonly uploads: Uploads;
  /** Of the body, without files: those have room of their own in the spool. */
  readonly holding: Holding;
}

/** What the body says; the query is added later. */
interface Body {
  readonly value: unknown;
  readonly fields: Fields;
  readonly bytes: number;
  /** Names of file inputs that were left empty. */
  readonly emptyFiles?: readonly string[];
}

const newFields = ({ fn, settings, count }: Reading): Fields =>
  new Fields({
    count,
    maxDepth: settings.limits.jsonDepth,
    isList: (name) => asksForList(name, fn.inputJsonSchema),
  });

const coerced = (fields: Fields, { inputJsonSchema }: GatewayFunction): unknown =>
  coerce(fields.value(), inputJsonSchema, inputJsonSchema);

const readBytes = ({ source, settings: { limits, http }, holding: room }: Reading): Promise<Buffer> =>
  readWhole(source, { maxBytes: limits.bodyMaxBytes, timeoutMs: http.requestTimeoutMs, room });

const readJson = async (reading: Reading): Promise<Body> => {
  const { limits } = reading.settings;
  const bytes = await readBytes(reading);
  return { value: parseIJson(bytes, limits.jsonDepth), fields: newFields(reading), bytes: bytes.length };
};

const readForm = async (reading: Reading): Promise<Body> => {
  const bytes = await readBytes(reading);
  const fields = newFields(reading);
  fields.addEncoded(bytes.toString('latin1'));
  return { value: coerced(fields, reading.fn), fields, bytes: bytes.length };
};

const readMultipart = async (reading: Reading): Promise<Body> => {
  const { source, contentType, settings, fn, count, uploads, holding } = reading;
  const { limits, http } = settings;
  const fields = newFields(reading);
  const reader = new MultipartReader({ files: fn.files, fields, count, uploads, holding });
  const bytes = await reader.read(source, boundaryOf(contentType ?? ''), {
    timeoutMs: fn.files.size > 0 ? http.uploadTimeoutMs : http.requestTimeoutMs,
    textMaxBytes: limits.bodyMaxBytes,
    filesMaxBytes: limits.uploadMaxBytes,
  });
  const files = [...reader.files].map(([name, sent]) => [name, fn.files.get(name)?.many ? sent : sent[0]] as const);
  const { emptyFiles } = reader;
  return { value: joined(coerced(fields, fn), Object.fromEntries(files)), fields, bytes, emptyFiles };
};

const readRaw = async (reading: Reading): Promise<Body> => {
  const { source, contentType, settings, fn, uploads } = reading;
  const [name, rules] = [...fn.files][0] ?? [];
  if (name === undefined || rules === undefined) throw new Error(`${fn.name} takes a raw body without a file`);
  if ((contentLength(source) ?? 0) > rules.maxBytes) throw fileTooLarge(name, rules.maxBytes);
  const file = uploads.file(rules, { field: name, name: 'body', contentType });
  await receive(source, { timeoutMs: settings.http.uploadTimeoutMs, take: (chunk) => file.write(chunk) });
  const upload = await file.end();
  return { value: name === '' ? upload : { [name]: upload }, fields: newFields(reading), bytes: upload.size };
};

const readNone = async (reading: Reading): Promise<Body> => ({ value: {}, fields: newFields(reading), bytes: 0 });

const readers: Readonly<Record<Content | 'none', (reading: Reading) => Promise<Body>>> = {
  json: readJson,
  form: readForm,
  multipart: readMultipart,
  raw: readRaw,
  none: readNone,
};

/** Members of both; throws `duplicate-key` where one is in both, `invalid-form` where there is nothing to add to. */
const joined = (value: unknown, more: unknown): unknown => {
  const names = Object.keys(more as object);
  if (names.length === 0) return value;
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype)
    throw new GatewayError('invalid-form', 'The query string has fields, but the body is no object they could join.');
  const twice = names.find((name) => Object.hasOwn(value as object, name));
  if (twice !== undefined) throw cameTwice(twice);
  return { ...(value as object), ...(more as object) };
};

/** Also of members that were left empty: PHP would see them in both places. Throws `duplicate-key`. */
const assertApart = (query: Fields, { fields, value }: Body): void => {
  const isSent = (name: string): boolean =>
    fields.has(name) || (typeof value === 'object' && value !== null && Object.hasOwn(value, name));
  for (const name of query.members) {
    if (isSent(name)) throw cameTwice(name);
  }
};

const cameTwice = (name: string): GatewayError =>
  new GatewayError('duplicate-key', `The member ${JSON.stringify(name.slice(0, 100))} came twice; send it once.`);

const queryOf = (target: string): string => (target.includes('?') ? (/^[^?#]*\?([^#]*)/.exec(target)?.[1] ?? '') : '');

const NO_FIELDS: FieldTexts = { pairs: new Map(), tree: {} };
const WRITTEN_AS_JSON: Written = {
  content: 'json',
  query: NO_FIELDS,
  body: NO_FIELDS,
  emptyFiles: [],
  contentType: undefined,
};

const nothingToDispose = (): undefined => undefined;

/**
 * Rejects with what is wrong with the request; files that had arrived are removed then. Otherwise they stay until
 * `dispose`.
 */
export const readCallInput = async (
  request: CallRequest,
  fn: GatewayFunction,
  parts: CallInputParts,
): Promise<ReadInput> => {
  const { limits, http } = parts.settings;
  const { method, body: source } = request;
  const contentType = request.header('content-type');
  const contentEncoding = request.header('content-encoding');
  const content = contentOf({ method, contentType, contentEncoding, hasBody: hasBody(source) }, fn);
  assertOrigin(request, content, http.allowedOrigins);
  const query = queryOf(request.target);
  if (content !== 'json' || query !== '') return await readFields(request, fn, parts, { content, contentType, query });
  // The usual call: what JSON says is the input.
  const room = parts.buffers;
  const bytes = await readWhole(source, { maxBytes: limits.bodyMaxBytes, timeoutMs: http.requestTimeoutMs, room });
  const { length } = bytes;
  try {
    const input = { value: parseIJson(bytes, limits.jsonDepth), written: WRITTEN_AS_JSON };
    return { input, bodyBytes: length, heldBytes: length, dispose: nothingToDispose };
  } catch (error) {
    room.give(length);
    throw error;
  }
};

interface Sent {
  readonly content: Content | 'none';
  readonly contentType: string | undefined;
  /** Without the question mark. */
  readonly query: string;
}

/** An input that may come in fields, of a query or a form, and with files. */
const readFields = async (
  { body: source }: CallRequest,
  fn: GatewayFunction,
  { settings, spool, buffers }: CallInputParts,
  { content, contentType, query: sentQuery }: Sent,
): Promise<ReadInput> => {
  const { limits } = settings;
  const uploads = new Uploads(spool, limits.uploadMaxBytes);
  const count = new FieldCount(limits.fieldsMax);
  const holding = new Holding(buffers);
  const reading: Reading = { source, contentType, fn, settings, count, uploads, holding };
  try {
    const query = newFields(reading);
    query.addEncoded(sentQuery);
    const body = await readers[content](reading);
    assertApart(query, body);
    const { value, fields, bytes, emptyFiles = [] } = body;
    const written = {
      content,
      query: query.written,
      body: fields.written,
      emptyFiles,
      contentType: content === 'raw' ? contentType : undefined,
    };
    const input: CallInput = { value: query.isEmpty ? value : joined(value, coerced(query, fn)), written };
    const dispose = (): Promise<void> | undefined => (uploads.isEmpty ? undefined : uploads.discard());
    return { input, bodyBytes: bytes, heldBytes: holding.bytes, dispose };
  } catch (error) {
    holding.release();
    await uploads.discard();
    throw error;
  }
};
