/** Calls through the client, on a real gateway with php-fpm: results, files, errors, limits. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient, isCallError } from '../../gateway/client/index.ts';
import type { Server } from '../../gateway/server.ts';
import { clientProject, type TestFunctions, taken } from '../support/client.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const lifetime = wholeFile();
let server: Server;

beforeAll(async () => {
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
});

const client = () => createClient<TestFunctions>({ url: server.url });

describe('a result', () => {
  test('is the value the function gives', async () => {
    expect(await client().call('greet', { name: 'Ada' })).toEqual({ hello: 'Ada' });
  });

  test('without an input, where the function needs none', async () => {
    expect(await client().call('nothing')).toBe(0);
  });

  test('that is binary is a Blob of its media type', async () => {
    const blob = await client().call('pixel', { size: 3 });
    expect([blob.type, await blob.text()]).toEqual(['image/x-test', 'xxx']);
  });

  test('of bytes that are JSON are a Blob all the same, alone as in a batch', async () => {
    const alone = await client().call('document');
    expect([alone.type, await alone.text()]).toEqual(['application/json', '{"a": 1}']);
    const { results } = await client().batch([{ function: 'document', input: {} }]);
    expect([results[0].output?.type, await results[0].output?.text()]).toEqual(['application/json', '{"a": 1}']);
  });

  test('of tryCall tells where its trace is', async () => {
    const result = await client().tryCall('greet', { name: 'Ada' });
    expect(result).toMatchObject({ ok: true, output: { hello: 'Ada' } });
    expect(result.ok && result.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('of one of several scripts', async () => {
    const page = await client().call('pages/list.php', { from: 2 });
    expect(await page.text()).toBe('list from 2');
  });
});

describe('files', () => {
  test('go as a form, with the other members in the names of PHP', async () => {
    const input = {
      title: 'a & b',
      count: 2,
      tags: ['x', 'y'],
      place: { city: 'Linz', lines: [{ n: 1 }, { n: 2 }] },
      document: new File(['Be kind.'], 'terms.txt', { type: 'text/plain' }),
      pictures: [new Blob(['one'], { type: 'text/plain' }), new Blob(['three'], { type: 'text/plain' })],
    };
    expect(await client().call('attach', input)).toEqual({
      ...input,
      document: { name: 'terms.txt', contents: 'Be kind.' },
      pictures: ['one', 'three'],
    });
  });

  test('that are the whole input go as the body', async () => {
    expect(await client().call('archive', new Blob(['%PDF-1.4 x'], { type: 'application/pdf' }))).toBe(10);
  });
});

describe('an error', () => {
  test('that the contract declares has its code and data', async () => {
    const result = await client().tryCall('greet', { name: 'nobody' });
    expect(result.error).toMatchObject({
      code: 'nobody-there',
      function: 'greet',
      data: { tried: 'nobody' },
      status: 410,
      source: 'function',
      executed: 'yes',
      retryable: false,
    });
    expect(result.error?.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('of the gateway has its code, and the rules the input breaks', async () => {
    // @ts-expect-error a number where a text is due
    const call = client().call('greet', { name: 5 });
    const error: unknown = await call.catch((thrown: unknown) => thrown);
    expect(isCallError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'validation-failed', status: 422, executed: 'no' });
    expect(error).toMatchObject({ issues: [{ pointer: '/name' }] });
    expect((error as Error).message).toMatch(/^greet: .*\/name: /);
  });

  test('is told apart by the function it belongs to', async () => {
    const own = client();
    const { error } = await own.tryCall('greet', { name: 'nobody' });
    expect([own.isErrorOf('greet', error), own.isErrorOf('nothing', error)]).toEqual([true, false]);
    expect(own.isErrorOf('greet', new Error('other'))).toBe(false);
  });

  test('of a script that redirects or fails says so', async () => {
    const moved = await client().tryCall('pages/go.php', {});
    expect(moved.error).toMatchObject({ code: 'unexpected-status', status: 303, executed: 'yes' });
    const gone = await client().tryCall('pages/gone.php', {});
    expect(gone.error).toMatchObject({ code: 'unexpected-status', status: 404, executed: 'yes' });
  });

  test('tells that a stream is no call', async () => {
    // @ts-expect-error a function that streams
    const result = await client().tryCall('count', { to: 2 });
    expect(result.error).toMatchObject({
      code: 'unreadable-answer',
      message: expect.stringContaining('client.stream'),
    });
  });

  test('tells an input that is no JSON, and a name that is no function', async () => {
    const own = createClient<Record<string, { kind: 'json'; input: unknown; output: unknown; errors: object }>>({
      url: server.url,
    });
    expect((await own.tryCall('greet', { name: 5n })).error).toMatchObject({
      code: 'unsendable-input',
      executed: 'no',
    });
    expect((await own.tryCall('../healthz', {})).error).toMatchObject({ code: 'unsendable-input' });
    expect((await own.tryCall('nowhere', {})).error).toMatchObject({ code: 'not-found', executed: 'no' });
  });
});

describe('a limit', () => {
  test('is told to the gateway, which stops the function and says so', async () => {
    const { error } = await client().tryCall('sleep', { ms: 60_000 }, { timeoutMs: 100 });
    expect(error).toMatchObject({ code: 'function-timeout', status: 504, executed: 'unknown' });
  });

  test('a signal aborts the call', async () => {
    const controller = new AbortController();
    const call = client().tryCall('sleep', { ms: 60_000 }, { signal: controller.signal });
    await until('it runs', () => taken(server) > 0);
    controller.abort(new Error('enough'));
    const { error } = await call;
    expect(error).toMatchObject({ code: 'aborted', executed: 'unknown', cause: { message: 'enough' } });
    await until('it was stopped', () => taken(server) === 0);
  });

  test('an aborted signal sends nothing', async () => {
    const { error } = await client().tryCall('greet', { name: 'Ada' }, { signal: AbortSignal.abort() });
    expect(error).toMatchObject({ code: 'aborted', executed: 'no' });
  });
});
