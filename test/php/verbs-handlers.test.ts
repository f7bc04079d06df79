/** What a handler gets as input, whatever the verb and content of its request; what its contract does not list is refused. */
import { beforeAll, describe, expect, test } from 'vitest';
import { eachEngine } from '../support/engines.ts';
import { type Asked, exchange, type HeaderPairs, valuesOf } from '../support/exchange.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { scriptContract } from '../support/sites.ts';

const TELL = `<?php
return static fn (array $input): array => ['input' => array_map(static fn (mixed $member): mixed
  => $member instanceof FpmGateway\\UploadedFile ? [$member->name, $member->mediaType, $member->contents()] : $member, $input) ?: (object) []];
`;
const type = (mediaType: string): HeaderPairs => [['Content-Type', mediaType]];
const upload = (name: string, mediaType: string): object => ({ upload: [name, mediaType, 'hello'] });

interface Sent extends Partial<Asked> {
  readonly query?: string;
  /** What a handler gets of it. */
  readonly input: object;
  /** As the contract names it; nothing where there is no body. */
  readonly content?: string;
}

const SENT: Readonly<Record<string, Sent>> = {
  none: { input: {} },
  query: { query: '?count=2&tags=a', input: { count: 2, tags: ['a'] } },
  form: {
    query: '?tags=a',
    body: 'count=2&loud=on',
    headers: type('application/x-www-form-urlencoded'),
    content: 'form',
    input: { count: 2, loud: true, tags: ['a'] },
  },
  JSON: {
    query: '?tags=a',
    body: '{"count":2}',
    headers: type('application/json; charset=utf-8'),
    content: 'json',
    input: { count: 2, tags: ['a'] },
  },
  multipart: {
    body: '--line\r\nContent-Disposition: form-data; name="count"\r\n\r\n2\r\n--line\r\nContent-Disposition: form-data; name="upload"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--line--\r\n',
    headers: type('multipart/form-data; boundary=line'),
    content: 'multipart',
    input: { count: 2, ...upload('a.txt', 'text/plain') },
  },
  raw: {
    query: '?count=2',
    body: 'hello',
    headers: type('text/plain'),
    content: 'raw',
    input: { count: 2, ...upload('body', 'text/plain') },
  },
};
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const CONTENTS = ['json', 'form', 'multipart', 'raw'];

const INPUT = `input: z.strictObject({
  count: z.number().optional(), loud: z.boolean().optional(), tags: z.array(z.string()).max(9).optional(),
  upload: file({ maxBytes: 1000, mediaTypes: ['text/*'] }).optional(),
}), output: z.any()`;
const ALL = `${INPUT}, methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']`;

eachEngine(({ startTestServer }) => {
  const file = wholeFile();
  let url: string;

  beforeAll(async () => {
    const files = [
      ['all', `${ALL}, contents: ${JSON.stringify(CONTENTS)}`],
      ['usual', `input: z.looseObject({}), output: z.any()`],
      ...CONTENTS.map((content) => [`${content}-alone`, `${ALL}, contents: ['${content}']`]),
    ].flatMap(([name, settings]) => [
      [`functions/${name}.php`, TELL],
      [`schemas/${name}.ts`, scriptContract(settings ?? '')],
    ]);
    const project = functionsProject(
      Object.fromEntries(files.map(([path, text]) => [path, [text, ''] as const])),
      file,
    );
    ({ url } = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } }, file));
  });

  const send = async (name: string, method: string, sent: Partial<Sent> = {}) => {
    const { query = '', headers = [], body = '' } = sent;
    return await exchange(`${url}/functions/${name}${query}`, { method, headers, body });
  };

  /** JSON has to be there where a body may be: what forgot its Content-Type is not taken for an empty input. */
  const statusOf = (method: string, { content }: Sent): number => {
    if (['GET', 'HEAD'].includes(method)) return content === undefined ? 200 : 400;
    return content === undefined && method !== 'DELETE' ? 415 : 200;
  };

  describe.each(VERBS)('%s', (method) => {
    test.each(Object.entries(SENT))('with %s: a handler gets the validated input', async (_, sent) => {
      const answer = await send('all', method, sent);
      expect(answer.status).toBe(statusOf(method, sent));
      if (method === 'HEAD') {
        expect(answer.body).toHaveLength(0);
      } else if (answer.status === 200) {
        expect(answer.json()).toEqual({ input: sent.input });
      }
    });
  });

  describe.each(CONTENTS)('a handler that takes %s alone', (taken) => {
    test.each(Object.entries(SENT).filter(([, { content }]) => content !== undefined))(
      'is sent %s',
      async (_, sent) => {
        const answer = await send(`${taken}-alone`, 'POST', sent);
        if (sent.content === taken) {
          expect(answer.status).toBe(200);
          return;
        }
        // A raw body may be of any type; which ones are taken is a rule of its file.
        const [status, code] = taken === 'raw' ? [422, 'validation-failed'] : [415, 'unsupported-media-type'];
        expect(answer.status).toBe(status);
        expect(answer.json()).toMatchObject({ code, executed: 'no' });
      },
    );
  });

  test('a handler whose contract says nothing takes JSON by POST alone, and tells so', async () => {
    const wrongVerb = await send('usual', 'GET');
    expect([wrongVerb.status, ...valuesOf(wrongVerb, 'allow')]).toEqual([405, 'POST']);
    const wrongContent = await send('usual', 'POST', SENT.form);
    expect([wrongContent.status, ...valuesOf(wrongContent, 'accept-post')]).toEqual([415, 'application/json']);
    const options = await send('usual', 'OPTIONS');
    expect([options.status, ...valuesOf(options, 'allow')]).toEqual([204, 'POST, OPTIONS']);
    expect((await send('usual', 'POST', SENT.JSON)).json()).toEqual({ input: { count: 2, tags: 'a' } });
  });

  test('a verb nobody has heard of is refused', async () => {
    expect((await send('all', 'PURGE')).status).toBe(405);
    expect((await send('all', 'TRACE')).status).toBe(405);
  });
});
