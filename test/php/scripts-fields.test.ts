/** Spellings of queries, forms, cookies and headers: a script sees of each what it sees behind nginx. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { HeaderPairs } from '../support/exchange.ts';
import { wholeFile } from '../support/lifetime.ts';
import { comparable, DUMP, seenBy } from '../support/script-dump.ts';
import { type Sites, siteProject, startSites } from '../support/sites.ts';

const FORM = ['Content-Type', 'application/x-www-form-urlencoded'] as const;

/** As they stand in queries and in forms. */
const SPELLINGS = [
  'a[b][]=1&a[b][]=2&a[c]=3',
  'a%5Bb%5D%5B%5D=1&a%5Bb%5D%5B%5D=2',
  'a.b=1&a+c=2&a%20d=3&a_e=4',
  'a=+&b=%2B&c=%20&d=1+%2B+1',
  'a=%C3%BC&%C3%BC=1&b=%F0%9F%90%98',
  'a=&b&c[]=&d[]',
  'a=1&a=2',
  'a[]=1&a=2',
  'a=1&a[]=2&a[x]=3',
  'a[0]=x&a[2]=y&a[]=z',
  'a[x]=1&a[]=2&a[y][z]=3',
  '1=a&a[1]=b&a[01]=c',
  'a=100%&b=%zz&c=%4',
  'A=1&a=2',
  'a=1;b=2',
  '&&a=1&&b=2&',
  'a==b&c=d=e',
  'a=1?b=2/c:d@e!$*()',
  'a=%22%27%3C%3E%26%3D%23',
  'a=1%0D%0Ab%09c',
  'GLOBALS=1&_SERVER[x]=2&argv=3&this=4',
  'page/about',
  `a=${'x'.repeat(5000)}`,
  Array.from({ length: 500 }, (_, at) => `a${at}=${at}`).join('&'),
];

/** PHP bends or drops these without a word. */
const REFUSED = ['=x', 'a[b=1', 'a[b]c=1', 'a]=1&[b]=2', 'a%00b=1', 'a=%FF', '__proto__=1', 'a[constructor]=1'];

const file = wholeFile();
let sites: Sites;

beforeAll(async () => {
  const settings = `methods: ['GET', 'POST'], requestHeaders: ['X-Tenant'],
    input: z.looseObject({ upload: file({ maxBytes: 1000, mediaTypes: ['*/*'] }).optional() })`;
  sites = await startSites(siteProject({ 'dump.php': DUMP }, settings, file), file);
});

const short = (text: string): string => text.slice(0, 40);

describe('in a query', () => {
  test.each(SPELLINGS.map((query) => [short(query), query]))('%s', async (_, query) => {
    const { gateway, nginx } = await sites.ask(`dump.php?${query}`);
    expect(comparable(gateway, 'spelling')).toEqual(comparable(nginx, 'spelling'));
  });
});

describe('in a form', () => {
  test.each(SPELLINGS.map((body) => [short(body), body]))('%s', async (_, body) => {
    const { gateway, nginx } = await sites.ask('dump.php?q=1', { method: 'POST', headers: [FORM], body });
    expect([seenBy(gateway).post, seenBy(gateway).request]).toEqual([seenBy(nginx).post, seenBy(nginx).request]);
  });
});

/** Parts of multipart: what their heads say, and what is in them. */
const PARTS: readonly (readonly [head: string, text: string])[] = [
  ['name="a[b][]"', '1'],
  ['name=a', 'a token'],
  ['name="a\\"b"', 'a quote in its name'],
  ['name="a%22b"', 'a quote as browsers write it'],
  ['name="a\\\\b"', 'a backslash in its name'],
  ['name="a\\\\"', 'a backslash at its end'],
  ['name="a.b c"', 'with\r\nline\nends'],
  ['name="ü"', 'ü\u2028'],
  ['name="a"', ''],
  ['name="a"', '--lin'],
  ['name="upload"; filename="a.txt"', 'text'],
  ['name="upload"; filename="a\\"b\\".txt"', 'quotes'],
  ['name="upload"; filename="a%22b.txt"', 'quotes of browsers'],
  ['name="upload"; filename="../../etc/passwd"', 'folders'],
  ['name="upload"; filename="C:\\dir\\a.txt"', 'folders of others'],
  ['name="upload"; filename="ü 🐘.txt"', 'ü'],
  ['name="upload"; filename="\'a\'.txt"', ''],
  ['filename="a.txt"; name="upload"', 'in another order'],
  ['name="upload"; filename=""', ''],
];

describe('in multipart', () => {
  test.each(PARTS)('%s: %s', async (head, text) => {
    const part = `--line\r\nContent-Disposition: form-data; ${head}\r\n`;
    const type = head.includes('filename') ? 'Content-Type: text/plain\r\n' : '';
    const body = `${part}${type}\r\n${text}\r\n--line--\r\n`;
    const headers = [['Content-Type', 'multipart/form-data; boundary=line']] as const;
    const { gateway, nginx } = await sites.ask('dump.php', { method: 'POST', headers, body });
    expect(gateway.status).toBe(200);
    const here = seenBy(gateway);
    const { post, request, files } = seenBy(nginx);
    // The caller's folders are left out: full_path is the name.
    const expected = files.upload && { upload: { ...files.upload, full_path: files.upload.name } };
    expect([here.post, here.request, here.files]).toEqual([post, request, expected ?? []]);
  });
});

test.each(REFUSED)('%s is refused, in a query as in a form', async (text) => {
  const inQuery = await sites.ask(`dump.php?${text}`);
  const inForm = await sites.ask('dump.php', { method: 'POST', headers: [FORM], body: text });
  for (const { gateway } of [inQuery, inForm]) {
    expect(gateway.status).toBe(400);
    expect(gateway.json()).toMatchObject({ code: 'invalid-form', executed: 'no' });
  }
});

test('a field may not be in query and form at once: a script that reads $_REQUEST would take either', async () => {
  const { gateway } = await sites.ask('dump.php?a=1', { method: 'POST', headers: [FORM], body: 'a=2' });
  expect([gateway.status, gateway.json().code]).toEqual([400, 'duplicate-key']);
});

/** The same as behind nginx. */
const HEADERS: Readonly<Record<string, HeaderPairs>> = {
  cookies: [['Cookie', 'a=1; b=2%203; c[x]=1; c[y]=2; a=4; d; f.g=1; h="q"; i=1+2']],
  'bytes beyond ASCII': [['Cookie', `a=${Buffer.from('ü').toString('latin1')}`]],
  'a password': [['Authorization', `Basic ${btoa('me:a:b')}`]],
  'a password in UTF-8': [['Authorization', `Basic ${Buffer.from('mü:ü').toString('base64')}`]],
  'a broken password': [['Authorization', 'Basic %%%']],
  'a bearer token': [['Authorization', 'Bearer abc']],
  'a digest': [['Authorization', 'Digest username="me"']],
  'the usual ones': [
    ['User-Agent', 'test'],
    ['Accept', 'text/html, */*;q=0.1'],
    ['Accept-Language', 'de'],
    ['Accept-Encoding', 'gzip, br'],
    ['Referer', 'http://site.example/?a=b'],
    ['Origin', 'http://site.example'],
    ['X-Requested-With', 'XMLHttpRequest'],
    ['If-None-Match', '"a"'],
    ['If-Modified-Since', 'Sat, 21 Nov 2026 10:00:00 GMT'],
    ['Range', 'bytes=0-9'],
    ['Cache-Control', 'no-cache'],
    ['Pragma', 'no-cache'],
  ],
  'one its contract names': [['X-Tenant', 'a, b']],
  'what a trusted peer says of the caller': [
    ['X-Forwarded-For', '203.0.113.9, 10.0.0.1'],
    ['X-Forwarded-Host', 'shop.example'],
    ['X-Forwarded-Port', '443'],
    ['X-Real-IP', '203.0.113.9'],
    ['Forwarded', 'for=203.0.113.9'],
  ],
  'a header without a text': [['Accept-Language', '']],
};

describe('headers', () => {
  test.each(Object.entries(HEADERS))('%s', async (_, headers) => {
    const { gateway, nginx } = await sites.ask('dump.php', { headers });
    expect([gateway.status, nginx.status]).toEqual([200, 200]);
    expect(comparable(gateway)).toEqual(comparable(nginx));
  });

  test('what is not on the list of usual ones and not in the contract is not there', async () => {
    const names = ['X-Other', 'X-Amz-Date', 'Via', 'Expect-CT', 'Authorization2', 'Upgrade-Insecure-Requests'];
    const { gateway, nginx } = await sites.ask('dump.php', { headers: names.map((name) => [name, '1'] as const) });
    const [here, there] = [seenBy(gateway).server, seenBy(nginx).server];
    const unlisted = Object.keys(there).filter((name) => name.startsWith('HTTP_') && !Object.hasOwn(here, name));
    expect(unlisted.sort()).toEqual(
      [...names.map((name) => `HTTP_${name.toUpperCase().replaceAll('-', '_')}`), 'HTTP_CONNECTION'].sort(),
    );
  });

  test('cookies in two headers are all there (nginx 1.22 shows the last alone)', async () => {
    const headers = ['a=1', 'b=2'].map((cookie) => ['Cookie', cookie] as const);
    expect(seenBy((await sites.ask('dump.php', { headers })).gateway).cookie).toEqual({ a: '1', b: '2' });
  });

  test('a trusted peer may say that the caller came by HTTPS', async () => {
    const { gateway } = await sites.ask('dump.php', { headers: [['X-Forwarded-Proto', 'https']] });
    const { HTTPS, REQUEST_SCHEME, SERVER_PORT, SERVER_NAME } = seenBy(gateway).server;
    expect([HTTPS, REQUEST_SCHEME, SERVER_PORT, SERVER_NAME]).toEqual(['on', 'https', '443', 'site.example']);
  });

  test.each(['X_Tenant', 'Proxy'])('%s is refused: it would be another variable of PHP', async (name) => {
    expect((await sites.ask('dump.php', { headers: [[name, '1']] })).gateway.status).toBe(400);
  });
});
