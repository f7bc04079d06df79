/** `/docs`: a page the browser makes from `/openapi.json`, without anything from elsewhere. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { HttpContext } from './context.ts';

/** One file of the page. Its path is fixed at start: nothing of a request ever becomes part of a file's name. */
export interface DocsFile {
  readonly path: string;
  readonly body: string;
  readonly etag: string;
  readonly mediaType: string;
}

const FOLDER = join(import.meta.dirname, 'docs');
const INDEX = 'index.html';
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** Descriptions and results are other people's text: should one ever become markup, it could still do nothing. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  // Documents among the answers: the viewer of the browser counts as an object.
  'frame-src blob:',
  'object-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** Reads the page. */
export const docsFiles = (): readonly DocsFile[] =>
  readdirSync(FOLDER).map((name) => {
    const body = readFileSync(join(FOLDER, name), 'utf8');
    return {
      path: name === INDEX ? '/docs' : `/docs/${name}`,
      body,
      etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
      mediaType: MEDIA_TYPES[extname(name)] ?? 'application/octet-stream',
    };
  });

const holds = (ifNoneMatch: string | undefined, etag: string): boolean =>
  (ifNoneMatch ?? '').split(',').some((one) => [etag, '*'].includes(one.trim().replace(/^W\//, '')));

export const docsResponse = (c: HttpContext, { body, etag, mediaType }: DocsFile): Response => {
  const headers = {
    'content-type': mediaType,
    'content-security-policy': POLICY,
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    // Asked for anew each time: 304 unless the gateway was updated.
    'cache-control': 'no-cache',
    etag,
  };
  return holds(c.req.header('if-none-match'), etag) ? c.body(null, 304, headers) : c.body(body, 200, headers);
};
