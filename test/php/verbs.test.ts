/** What a script sees of a request, whatever its verb and content: the same through the gateway as through nginx. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Asked, HeaderPairs } from '../support/exchange.ts';
import { wholeFile } from '../support/lifetime.ts';
import { comparable, DIFFERENT, DUMP, seenBy } from '../support/script-dump.ts';
import { type Sites, siteProject, startSites } from '../support/sites.ts';

const MULTIPART = [
  '--line\r\nContent-Disposition: form-data; name="a"\r\n\r\n1 + 1',
  '--line\r\nContent-Disposition: form-data; name="tags[]"\r\n\r\nü',
  '--line\r\nContent-Disposition: form-data; name="upload"; filename="a b.txt"\r\nContent-Type: text/plain\r\n\r\nhello',
  '--line--\r\n',
].join('\r\n');

const type = (mediaType: string): HeaderPairs => [['Content-Type', mediaType]];

const CONTENTS: Readonly<Record<string, Partial<Asked> & { readonly query?: string }>> = {
  none: {},
  query: { query: '?a=1&list%5B%5D=x+y&list%5B%5D=%C3%BC' },
  form: {
    query: '?a=1',
    body: 'b=2&list%5B%5D=x+y&list%5B%5D=%C3%BC',
    headers: type('application/x-www-form-urlencoded'),
  },
  JSON: { query: '?a=1', body: '{"b":[1,2.5,null,"ü"]}', headers: type('application/json') },
  multipart: { body: MULTIPART, headers: type('multipart/form-data; boundary=line') },
  raw: { query: '?a=1', body: Buffer.from([0, 255, 13, 10, 0]), headers: type('application/octet-stream') },
};
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const USUAL = [
  ['User-Agent', 'test'],
  ['Cookie', 'a=1; b=x%20y; list[]=1; a=2'],
  ['Accept-Language', 'de'],
  ['Authorization', `Basic ${btoa('user:pass:word')}`],
] as const;

const file = wholeFile();
let sites: Sites;

beforeAll(async () => {
  const settings = `
    input: z.looseObject({ upload: file({ maxBytes: 1_000_000, mediaTypes: ['*/*'] }).optional() }),
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    contents: ['form', 'multipart', 'json', 'raw'],
    responseHeaders: ['x-seen']`;
  sites = await startSites(siteProject({ 'dump.php': DUMP }, settings, file), file);
});

const ask = async (method: string, content: string) => {
  const { query = '', headers = [], ...asked } = CONTENTS[content] ?? {};
  return await sites.ask(`dump.php${query}`, { method, headers: [...USUAL, ...headers], ...asked });
};

/** RFC 9110, 9.3.1: such a body has no meaning, and servers disagree on whether it is there. */
const isRefused = (method: string, content: string): boolean =>
  ['GET', 'HEAD'].includes(method) && CONTENTS[content]?.body !== undefined;

describe.each(VERBS)('%s', (method) => {
  test.each(Object.keys(CONTENTS))('with %s: a script sees what nginx shows it', async (content) => {
    const { gateway, nginx } = await ask(method, content);
    expect([gateway.status, nginx.status]).toEqual([isRefused(method, content) ? 400 : 200, 200]);
    if (gateway.status === 400) return;
    expect(comparable(gateway, content)).toEqual(comparable(nginx, content));
    expect(seenBy(gateway).server.REQUEST_METHOD).toBe(method);
    expect(seenBy(gateway).variables).toEqual({ 7: 'files' });
  });
});

test('each of the listed differences is one', async () => {
  const asked = [
    await ask('GET', 'none'),
    await ask('POST', 'multipart'),
    await sites.ask('dump.php?a=%41', { headers: USUAL }),
  ];
  const differing = asked.flatMap(({ gateway, nginx }) => {
    const [here, there] = [seenBy(gateway).server, seenBy(nginx).server];
    return [...new Set([...Object.keys(here), ...Object.keys(there)])].filter((name) => here[name] !== there[name]);
  });
  // Both may be asked within one second.
  expect([...new Set([...differing, 'REQUEST_TIME'])].sort()).toEqual(Object.keys(DIFFERENT).sort());
});
