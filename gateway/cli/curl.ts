/** A curl command that calls a function as its contract says: JSON, a query, a form, files, a stream. Pure. */
import type { FileField } from '../invoke/files.ts';
import type { FunctionOutput, GatewayFunction } from '../invoke/function.ts';
import { sample } from './sample.ts';

type Callable = Pick<
  GatewayFunction,
  'name' | 'methods' | 'contents' | 'code' | 'files' | 'inputJsonSchema' | 'output'
>;

/** One word of a POSIX shell. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** How curl reaches a path of the listener. */
const curlTarget = (url: string, path: string): string =>
  url.startsWith('unix:') ? `--unix-socket ${url.slice('unix:'.length)} http://localhost${path}` : `${url}${path}`;

/** `image/svg+xml` → `xml`, `image/*` → `bin` */
const extensionOf = (mediaType: string): string => mediaType.replace(/^.*[/+]/, '').replace('*', 'bin');

const fileName = (field: string, { mediaTypes }: FileField): string =>
  `@${field === '' ? 'file' : field}.${extensionOf(mediaTypes[0] ?? '')}`;

const output = (name: string, declared: FunctionOutput): string[] => {
  if (declared.kind === 'stream') return ['-N'];
  if (declared.kind === 'json' || declared.mediaType.startsWith('text/')) return [];
  return ['-o', `${name}.${extensionOf(declared.mediaType)}`];
};

/** Members that are no files, as texts. */
const fieldsOf = ({ inputJsonSchema, files }: Callable): [name: string, text: string][] => {
  const value = sample(inputJsonSchema, '', 0);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .filter(([name]) => !files.has(name))
    .map(([name, member]) => [name, typeof member === 'object' ? JSON.stringify(member) : String(member)]);
};

const wordsOf = (fn: Callable): string[] => {
  const { methods, contents, files, code, inputJsonSchema } = fn;
  const fields = fieldsOf(fn);
  const encoded = fields.flatMap(([name, text]) => ['--data-urlencode', quoted(`${name}=${text}`)]);
  const isShown = methods.includes('GET') && (code.kind === 'script' || !methods.includes('POST'));
  if (isShown) return encoded.length === 0 ? [] : ['-G', ...encoded];
  const verb = methods.includes('POST') ? [] : ['-X', methods[0] ?? 'POST'];
  const [first] = files;
  if (first !== undefined && contents.includes('multipart')) {
    const parts = [...files].map(([name, field]) => `${field.many ? `${name}[]` : name}=${fileName(name, field)}`);
    return [
      ...verb,
      ...[...fields.map(([name, text]) => `${name}=${text}`), ...parts].flatMap((part) => ['-F', quoted(part)]),
    ];
  }
  if (first !== undefined && contents.includes('raw')) {
    const type = first[1].mediaTypes[0] ?? 'application/octet-stream';
    return [
      ...verb,
      '-H',
      quoted(`content-type: ${type.replace('*', 'octet-stream')}`),
      '--data-binary',
      fileName(...first),
    ];
  }
  if (contents[0] === 'form') return [...verb, ...(encoded.length === 0 ? ['-d', "''"] : encoded)];
  const json = JSON.stringify(sample(inputJsonSchema, '', 0));
  return [...verb, '-H', quoted('content-type: application/json'), '-d', `'${json.replaceAll("'", "'\\''")}'`];
};

/** `url`: of the listener. */
export const curlCommand = (url: string, fn: Callable): string => {
  const [path = ''] = fn.code.kind === 'script' ? [...fn.code.files.keys()] : [];
  const target = curlTarget(url, `/functions/${fn.name}${path === '' ? '' : `/${path}`}`);
  return ['curl', '-sS', ...output(fn.name, fn.output), ...wordsOf(fn), target].join(' ');
};

const TRY_MAX_CHARS = 200;

/** Those with an example in their contract first, then the shortest: something to paste, not to read. */
export const tryLines = (url: string, functions: readonly GatewayFunction[]): string[] => {
  const short = functions
    .map((fn) => ({ line: curlCommand(url, fn), hasExample: fn.inputJsonSchema.examples !== undefined }))
    .filter(({ line }) => line.length <= TRY_MAX_CHARS)
    .sort((a, b) => Number(b.hasExample) - Number(a.hasExample) || a.line.length - b.line.length)
    .map(({ line }) => line);
  return [...short.slice(0, 2), `curl -sS ${curlTarget(url, '/openapi.json')}`];
};
