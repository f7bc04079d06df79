/** What `call` sends: JSON, the fields of a query or a form, files of the disk. */
import { accessSync, constants, openAsBlob, readFileSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { UsageError, why } from './terminal.ts';

export interface CallRequest {
  /** Of the function, with the path of one of its scripts behind a slash where it has several. */
  readonly name: string;
  /** JSON, `@file`, or `-`. */
  readonly input: string;
  readonly url: string;
  readonly method: string;
  /** Send the members as a form, not as JSON. */
  readonly form: boolean;
  /** `field=path`, or the path of a file that is the whole body. */
  readonly files: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly idempotencyKey: string | undefined;
}

type Field = readonly [name: string, text: string];

/** The text itself, `@file`, or `-` for standard input. */
const readInput = async (argument: string): Promise<string> => {
  if (argument === '-') return await text(process.stdin);
  if (!argument.startsWith('@')) return argument;
  try {
    return readFileSync(argument.slice(1), 'utf8');
  } catch (error) {
    throw new UsageError(`The input cannot be read: ${why(error)}`);
  }
};

/** `a[b][0]=c`, as PHP and the gateway read it. */
const fieldsOf = (name: string, value: unknown): Field[] => {
  if (value === null || value === undefined) return [[name, '']];
  if (typeof value !== 'object') return [[name, String(value)]];
  return Object.entries(value).flatMap(([key, child]) => fieldsOf(`${name}[${key}]`, child));
};

const fields = (input: string, how: string): Field[] => {
  let value: unknown;
  try {
    value = JSON.parse(input);
  } catch (error) {
    throw new UsageError(`The input is no JSON: ${why(error)}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([name, member]) => fieldsOf(name, member));
  throw new UsageError(`The input must be a JSON object: ${how} sends its members as fields.`);
};

/** Of files whose bytes do not tell what they are; the gateway finds out the rest by itself. */
const TEXT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.ics': 'text/calendar',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.md': 'text/markdown',
  '.svg': 'image/svg+xml',
  '.tsv': 'text/tab-separated-values',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.yaml': 'application/yaml',
};

const typeOf = (path: string): string => TEXT_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream';

/** Read while it is sent. */
const openFile = async (path: string): Promise<Blob> => {
  try {
    if (!statSync(path).isFile()) throw new Error(`${path} is no file`);
    accessSync(path, constants.R_OK);
    return await openAsBlob(path, { type: typeOf(path) });
  } catch (error) {
    throw new UsageError(`The file cannot be read: ${why(error)}`);
  }
};

/** A field's name has no slash, so `./a=b.png` is a path. */
const splitFile = (argument: string): { field: string | undefined; path: string } => {
  const [, field, path = argument] = /^([^=/]+)=(.+)$/.exec(argument) ?? [];
  return { field, path };
};

interface Content {
  readonly query: readonly Field[];
  readonly body: FormData | URLSearchParams | Blob | string | null;
  /** Undefined: the body's own. */
  readonly contentType: string | undefined;
}

const withFiles = async (input: string, files: readonly string[]): Promise<Content> => {
  const sent = files.map(splitFile);
  const [first] = sent;
  if (sent.length === 1 && first !== undefined && first.field === undefined) {
    const body = await openFile(first.path);
    return { query: fields(input, 'a file as the whole body'), body, contentType: body.type };
  }
  const nameless = sent.find(({ field }) => field === undefined);
  if (nameless !== undefined)
    throw new UsageError(`Which field is ${nameless.path} for? Write --file field=${nameless.path}.`);
  const form = new FormData();
  for (const [name, value] of fields(input, '--file')) form.append(name, value);
  for (const { field = '', path } of sent) form.append(field, await openFile(path), basename(path));
  return { query: [], body: form, contentType: undefined };
};

const contentOf = async ({ method, form, files }: CallRequest, input: string): Promise<Content> => {
  const bodiless = ['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method);
  if (bodiless && (files.length > 0 || form))
    throw new UsageError(`${method} sends its input in the query: leave out ${form ? '--form' : '--file'}.`);
  if (files.length > 0) return await withFiles(input, files);
  if (bodiless) return { query: fields(input, `--method ${method}`), body: null, contentType: undefined };
  if (!form) return { query: [], body: input, contentType: 'application/json' };
  return {
    query: [],
    body: new URLSearchParams(fields(input, '--form').map(([...pair]) => pair)),
    contentType: undefined,
  };
};

export const callRequest = async (call: CallRequest, signal: AbortSignal): Promise<Request> => {
  const { name, url, method, timeoutMs, idempotencyKey } = call;
  if (!/^https?:/.test(url)) throw new UsageError(`${url} is no HTTP address: give --url http://host:port.`);
  const { query, body, contentType } = await contentOf(call, await readInput(call.input));
  const path = name.split('/').map(encodeURIComponent).join('/');
  const search = query.length === 0 ? '' : `?${new URLSearchParams(query.map(([...pair]) => pair))}`;
  return new Request(`${url.replace(/\/$/, '')}/functions/${path}${search}`, {
    method,
    // A stream of items comes as events: they tell its end from a cut, and that it is still alive.
    headers: {
      accept: 'text/event-stream, */*',
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...(timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    body,
    // A redirect is a script's answer.
    redirect: 'manual',
    signal,
  });
};
