/** What a request carries: told by its headers, refused where the function does not take it, or where it comes from. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Content, file } from '../../gateway/contract.ts';
import { acceptedTypes, type ContentHead, contentOf } from '../../gateway/http/contents.ts';
import { assertOrigin } from '../../gateway/http/request-rules.ts';
import type { GatewayFunction } from '../../gateway/invoke/function.ts';
import { gatewayFunction } from '../support/input-server.ts';

const picture = file({ maxBytes: 1000, mediaTypes: ['image/png', 'image/gif'] });
const any = { input: z.any(), output: z.any() };

const json = gatewayFunction(any);
const script = gatewayFunction({ ...any, script: 'x.php' });
const form = gatewayFunction({ ...any, contents: ['form'] });
const upload = gatewayFunction({ input: z.object({ picture: picture.optional() }), output: z.any() });
const raw = gatewayFunction({ input: picture, output: z.any() });
const rawScript = gatewayFunction({ input: picture, output: z.any(), script: 'x.php' });
const rawOrJson = gatewayFunction({ input: z.object({ picture }), output: z.any(), contents: ['raw', 'json'] });

const head = (more: Partial<ContentHead>): ContentHead => ({
  method: 'POST',
  contentType: undefined,
  contentEncoding: undefined,
  hasBody: true,
  ...more,
});

const FORM = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=x';

describe('which content it is', () => {
  test.each<[string, GatewayFunction, Partial<ContentHead>, Content | 'none']>([
    ['JSON', json, { contentType: 'application/json' }, 'json'],
    ['a kind of JSON', json, { contentType: 'application/vnd.api+json; charset="UTF-8"' }, 'json'],
    [
      'JSON without a body, which its parser refuses',
      json,
      { contentType: 'application/json', hasBody: false },
      'json',
    ],
    ['a form', form, { contentType: `${FORM}; charset=utf-8` }, 'form'],
    ['a form for a script', script, { contentType: FORM.toUpperCase() }, 'form'],
    ['an empty form', script, { contentType: FORM, hasBody: false }, 'form'],
    ['multipart', upload, { contentType: MULTIPART }, 'multipart'],
    ['JSON where files are taken, too', upload, { contentType: 'application/json' }, 'json'],
    ['anything', raw, { contentType: 'image/png' }, 'raw'],
    ['anything without a type', raw, {}, 'raw'],
    ['JSON as a file', raw, { contentType: 'application/json; charset=latin1' }, 'raw'],
    ['a form as a file', raw, { contentType: FORM }, 'raw'],
    ['a file of no bytes', raw, { hasBody: false }, 'raw'],
    ['a file beside JSON', rawOrJson, { contentType: 'image/png' }, 'raw'],
    ['JSON beside a file', rawOrJson, { contentType: 'application/json' }, 'json'],
    ['no body of a script', script, { hasBody: false }, 'none'],
    ['no body of a script that takes a file', rawScript, { hasBody: false }, 'none'],
    ['GET', json, { method: 'GET', hasBody: false }, 'none'],
    ['GET that names a type', json, { method: 'GET', hasBody: false, contentType: 'application/json' }, 'none'],
    ['HEAD', json, { method: 'HEAD', hasBody: false }, 'none'],
    ['DELETE', json, { method: 'DELETE', hasBody: false }, 'none'],
    ['DELETE with a body', json, { method: 'DELETE', contentType: 'application/json' }, 'json'],
    ['OPTIONS', script, { method: 'OPTIONS', hasBody: false }, 'none'],
    ['PUT of a script', script, { method: 'PUT', hasBody: false }, 'none'],
    ['identity', json, { contentType: 'application/json', contentEncoding: ' Identity ' }, 'json'],
  ])('%s', (_what, fn, more, content) => expect(contentOf(head(more), fn)).toBe(content));
});

describe('refused', () => {
  test.each<[string, GatewayFunction, Partial<ContentHead>, string, RegExp]>([
    ['GET with a body', json, { method: 'GET', contentType: 'application/json' }, 'bad-request', /no body: send POST/],
    ['HEAD with a body', script, { method: 'HEAD' }, 'bad-request', /no body/],
    ['no type', json, {}, 'unsupported-media-type', /no Content-Type; application\/json is needed\.$/],
    ['no type and no body for a handler', json, { hasBody: false }, 'unsupported-media-type', /no Content-Type/],
    [
      'no type for a script',
      script,
      {},
      'unsupported-media-type',
      /urlencoded or multipart\/form-data or application\/json is needed/,
    ],
    ['a form where JSON is taken', json, { contentType: FORM }, 'unsupported-media-type', /use --json instead of -d/],
    ['a form where files are taken', upload, { contentType: FORM }, 'unsupported-media-type', /With curl, use -F/],
    [
      'JSON where a form is taken',
      form,
      { contentType: 'application/json' },
      'unsupported-media-type',
      /urlencoded is needed\.$/,
    ],
    [
      'text',
      json,
      { contentType: 'text/plain' },
      'unsupported-media-type',
      /"text\/plain"; application\/json is needed\.$/,
    ],
    [
      'a form beside a file',
      rawOrJson,
      { contentType: FORM },
      'unsupported-media-type',
      /image\/png or image\/gif or application\/json/,
    ],
    ['a type that is none, as a file', raw, { contentType: 'nonsense;x' }, 'unsupported-media-type', /is needed/],
    ['two types', json, { contentType: 'application/json, text/plain' }, 'unsupported-media-type', /is needed/],
    [
      'JSON in latin1',
      json,
      { contentType: 'application/json; charset=latin1' },
      'unsupported-media-type',
      /JSON is UTF-8/,
    ],
    ['a form in latin1', form, { contentType: `${FORM}; charset=iso-8859-1` }, 'unsupported-media-type', /in UTF-8/],
    ['gzip', json, { contentType: 'application/json', contentEncoding: 'gzip' }, 'unsupported-encoding', /"gzip"/],
    ['gzip as a file', raw, { contentEncoding: 'gzip' }, 'unsupported-encoding', /"gzip"/],
  ])('%s', (_what, fn, more, code, detail) => {
    const message = expect.stringMatching(detail);
    expect(() => contentOf(head(more), fn)).toThrow(expect.objectContaining({ code, message, executed: 'no' }));
  });

  test('the answer says what is taken', () => {
    expect(() => contentOf(head({}), upload)).toThrow(
      expect.objectContaining({ headers: { 'accept-post': 'multipart/form-data, application/json' } }),
    );
    expect(acceptedTypes(raw)).toEqual(['image/png', 'image/gif']);
  });
});

describe('pages of other origins', () => {
  type Headers = Readonly<Record<string, string>>;
  const check = (headers: Headers, content: Content | 'none' = 'form', method = 'POST'): void =>
    assertOrigin({ method, header: (name) => headers[name] }, content, [
      'https://Friend.example',
      'http://localhost:3000',
    ]);
  const host = 'app.example:8080';

  test.each<[string, Headers]>([
    ['no browser', { host }],
    ['the same origin', { host, 'sec-fetch-site': 'same-origin', origin: 'https://other.example' }],
    ['an address typed in', { host, 'sec-fetch-site': 'none' }],
    ['an older browser on the same origin', { host, origin: `http://${host}` }],
    ['the same host in other letters', { host: 'App.Example', origin: 'https://app.example' }],
    ['behind a proxy that ends TLS', { host: 'app.example', origin: 'https://app.example' }],
    ['a default port that is written', { host: 'app.example:443', origin: 'https://app.example' }],
    ['an IPv6 host', { host: '[::1]:8080', origin: 'http://[::1]:8080' }],
    ['an allowed origin', { host, origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' }],
    ['an allowed origin in an older browser', { host, origin: 'http://localhost:3000' }],
  ])('%s: taken', (_what, headers) => {
    for (const content of ['form', 'multipart', 'raw', 'none'] as const) check(headers, content);
  });

  test.each<[string, Headers]>([
    ['another site', { host, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another site that hides its origin', { host, 'sec-fetch-site': 'cross-site', origin: 'null' }],
    ['another site without Origin', { host, 'sec-fetch-site': 'cross-site' }],
    ['a sister of this site', { host, 'sec-fetch-site': 'same-site', origin: 'https://blog.app.example' }],
    ['an older browser', { host, origin: 'https://evil.example' }],
    ['an origin that is hidden', { host, origin: 'null' }],
    ['another port', { host, origin: 'http://app.example:9090' }],
    ['a host that begins alike', { host: 'app.example', origin: 'http://app.example.evil.example' }],
    ['an origin that is no web page', { host, origin: 'file://' }],
    ['an origin with the host as user', { host: 'app.example', origin: 'http://app.example@evil.example' }],
    ['an allowed host under another scheme', { host, origin: 'http://friend.example' }],
    ['no Host to compare with', { origin: 'https://app.example' }],
  ])('%s: refused', (_what, headers) => {
    for (const content of ['form', 'multipart', 'raw', 'none'] as const)
      expect(() => check(headers, content)).toThrow(expect.objectContaining({ code: 'forbidden-origin', status: 403 }));
  });

  test('JSON is none of this: browsers ask before they send it', () => {
    check({ host, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 'json');
  });

  test('reading is none of this: links go everywhere', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) check({ host, 'sec-fetch-site': 'cross-site' }, 'none', method);
  });
});
