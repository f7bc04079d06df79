/** Which of a function's contents a request has, by its headers alone. Pure. */
import type { Content } from '../contract.ts';
import { GatewayError } from '../errors.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { parseHeaderValue } from './header-value.ts';

export interface ContentHead {
  readonly method: string;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly hasBody: boolean;
}

type Taker = Pick<GatewayFunction, 'contents' | 'code' | 'files'>;

const MEDIA_TYPES: Readonly<Record<Exclude<Content, 'raw'>, string>> = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  multipart: 'multipart/form-data',
};

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));

/** What an `Accept-Post` header tells. */
export const acceptedTypes = ({ contents, files }: Pick<Taker, 'contents' | 'files'>): readonly string[] =>
  contents.flatMap((content) =>
    content === 'raw' ? [...files.values()].flatMap(({ mediaTypes }) => mediaTypes) : [MEDIA_TYPES[content]],
  );

const unsupported = (detail: string, taker: Taker): GatewayError =>
  new GatewayError('unsupported-media-type', detail, { headers: { 'accept-post': acceptedTypes(taker).join(', ') } });

const contentByType = (essence: string): Content => {
  if (/^application\/(?:[a-z0-9.+-]+\+)?json$/.test(essence)) return 'json';
  if (essence === MEDIA_TYPES.form) return 'form';
  return essence === MEDIA_TYPES.multipart ? 'multipart' : 'raw';
};

const assertIdentity = (contentEncoding: string | undefined): void => {
  if (contentEncoding === undefined || contentEncoding.trim().toLowerCase() === 'identity') return;
  throw new GatewayError('unsupported-encoding', `The content coding ${quote(contentEncoding)} is not taken.`, {
    headers: { 'accept-encoding': 'identity' },
  });
};

const isBodiless = ({ method, contentType, hasBody }: ContentHead, taker: Taker): boolean => {
  if (hasBody) return false;
  if (['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method)) return true;
  return contentType === undefined && taker.code.kind === 'script';
};

/** For those who met this with `curl -d`. */
const curlHint = (contents: readonly Content[]): string => {
  if (contents.includes('multipart')) return ' With curl, use -F name=value instead of -d.';
  return contents.includes('json') ? ' With curl, use --json instead of -d.' : '';
};

/** Throws `bad-request`, `unsupported-encoding` or `unsupported-media-type`. */
export const contentOf = (head: ContentHead, taker: Taker): Content | 'none' => {
  const { method, contentType, contentEncoding, hasBody } = head;
  const { contents } = taker;
  // What nearly all callers send.
  if (method === 'POST' && contentType === 'application/json' && contentEncoding === undefined && hasBody)
    if (contents.includes('json')) return 'json';
  if (hasBody && (method === 'GET' || method === 'HEAD'))
    throw new GatewayError('bad-request', `A ${method} request has no body: send POST, or put fields into the query.`);
  assertIdentity(contentEncoding);
  if (isBodiless(head, taker)) return 'none';
  const parsed = parseHeaderValue(contentType ?? '');
  const onlyRaw = contents.every((content) => content === 'raw');
  if (onlyRaw && (contentType === undefined || parsed !== undefined)) return 'raw';
  const content = parsed === undefined ? undefined : contentByType(parsed.value);
  if (content === undefined || !contents.includes(content)) {
    const got = contentType === undefined ? 'no Content-Type' : `Content-Type ${quote(contentType)}`;
    const needed = acceptedTypes(taker).join(' or ');
    throw unsupported(
      `The request has ${got}; ${needed} is needed.${content === 'form' ? curlHint(contents) : ''}`,
      taker,
    );
  }
  const charset = content === 'raw' ? undefined : parsed?.parameters.get('charset');
  if (charset === undefined || charset.toLowerCase() === 'utf-8') return content;
  const what = content === 'json' ? 'JSON is UTF-8' : 'Forms are taken in UTF-8';
  throw unsupported(`${what}; ${quote(`charset=${charset}`)} is not taken.`, taker);
};
