/** What fails on the way to a gateway, and what is tried again: never what may have run, unless that does no harm. */
import { describe, expect, test } from 'vitest';
import { clientError } from '../../gateway/client/call-error.ts';
import { createClient } from '../../gateway/client/index.ts';
import { networkFailure } from '../../gateway/client/network-failure.ts';
import { RetryBudget, retryDelayMs } from '../../gateway/client/retry.ts';
import type { TestFunctions } from '../support/client.ts';
import { type Asked, fakeGateway } from '../support/fake-gateway.ts';
import { freePort } from '../support/free-port.ts';

const clientOf = (url: string) => createClient<TestFunctions>({ url, retry: { baseMs: 1, maxMs: 2 } });

const BUSY = { code: 'overloaded', status: 503, source: 'gateway', executed: 'no', retryable: true, detail: 'Full.' };
const CRASHED = { code: 'worker-crashed', status: 502, source: 'pool', executed: 'unknown', retryable: false };

/** Answers by the number of the request, from 1; the last answer goes on. */
const scripted = async (...answers: ((asked: Asked) => void)[]): Promise<{ url: string; count: () => number }> => {
  let count = 0;
  const url = await fakeGateway((asked) => {
    count = asked.count;
    (answers[asked.count - 1] ?? answers.at(-1))?.(asked);
  });
  return { url, count: () => count };
};

const greet = async (url: string, options = {}) => await clientOf(url).tryCall('greet', { name: 'Ada' }, options);

describe('the network', () => {
  test('nobody at the address: it did not run', async () => {
    const { error } = await greet(`http://127.0.0.1:${await freePort()}`);
    expect(error).toMatchObject({ code: 'network-failed', source: 'network', executed: 'no', retryable: true });
    expect(error?.message).toMatch(/cannot be reached: .*ECONNREFUSED/);
  });

  test('a name that does not exist: it did not run', async () => {
    const { error } = await greet('http://nowhere.invalid');
    expect(error).toMatchObject({ code: 'network-failed', executed: 'no' });
  });

  test('a connection that breaks: it may have run', async () => {
    const { url, count } = await scripted(({ reset }) => reset());
    expect((await greet(url)).error).toMatchObject({ code: 'network-failed', executed: 'unknown', retryable: false });
    expect(count()).toBe(1);
  });

  test('an answer that breaks off', async () => {
    const { url } = await scripted(({ answer }) => {
      const response = answer({ 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"hello"', () => response.socket?.resetAndDestroy());
    });
    expect((await greet(url)).error).toMatchObject({ code: 'cut-off', executed: 'yes' });
  });

  test('a gateway that says nothing is given up a little behind the limit', async () => {
    const { url } = await scripted(() => undefined);
    const { error } = await greet(url, { timeoutMs: 10 });
    expect(error).toMatchObject({ code: 'client-timeout', executed: 'unknown', retryable: false });
  });

  test('what other runtimes say of a connection that was never made', () => {
    const refused = { code: 'ECONNREFUSED' };
    const bun = Object.assign(new Error('Unable to connect.'), { code: 'ConnectionRefused' });
    const deno = new TypeError('error sending request', {
      cause: new Error('client error (Connect): tcp connect error: Connection refused (os error 111)'),
    });
    const bothAddresses = new TypeError('fetch failed', { cause: new AggregateError([refused, refused]) });
    const oneReached = new TypeError('fetch failed', { cause: new AggregateError([refused, { code: 'ECONNRESET' }]) });
    const browser = new TypeError('Failed to fetch');
    const executed = [bun, deno, bothAddresses, oneReached, browser].map(
      (error) => networkFailure('f', error).executed,
    );
    expect(executed).toEqual(['no', 'no', 'no', 'unknown', 'unknown']);
  });
});

describe('an answer of something else', () => {
  test('a success without our protocol is not believed', async () => {
    const own = createClient<TestFunctions>({
      url: 'http://gateway.test',
      fetch: async () => Response.json({ hello: 'you' }),
    });
    const { error } = await own.tryCall('greet', { name: 'Ada' });
    expect(error).toMatchObject({ code: 'incompatible-gateway', status: 200, executed: 'unknown' });
    expect(error?.message).toContain('no fpm-gateway-protocol header');
  });

  test('another number is told, with what the gateway said', async () => {
    const problem = { code: 'not-found', executed: 'no', status: 404, detail: 'No.' };
    const headers = { 'fpm-gateway-protocol': '2', 'content-type': 'application/problem+json' };
    const own = createClient<TestFunctions>({
      url: 'http://gateway.test',
      fetch: async () => new Response(JSON.stringify(problem), { status: 404, headers }),
    });
    const { error } = await own.tryCall('greet', { name: 'Ada' });
    expect(error).toMatchObject({ code: 'incompatible-gateway', cause: { code: 'not-found' } });
    expect(error?.message).toContain('speaks protocol 2, not 1');
  });

  test('JSON that is none, and a problem that is none', async () => {
    const json = await scripted(({ answer }) => void answer({ 'content-type': 'application/json' }).end('{'));
    expect((await greet(json.url)).error).toMatchObject({ code: 'unreadable-answer', executed: 'yes' });
    const none = await scripted(({ answer }) => void answer({ 'content-type': 'application/problem+json' }, 500).end());
    expect((await greet(none.url)).error).toMatchObject({ code: 'unreadable-answer', executed: 'unknown' });
  });
});

describe('trying again', () => {
  test('what did not run is repeated until it does', async () => {
    const { url, count } = await scripted(
      ({ problem }) => problem(BUSY),
      ({ problem }) => problem(BUSY),
      ({ json }) => json({ hello: 'Ada' }),
    );
    expect(await greet(url)).toMatchObject({ ok: true, output: { hello: 'Ada' } });
    expect(count()).toBe(3);
  });

  test('no more often than allowed', async () => {
    const { url, count } = await scripted(({ problem }) => problem(BUSY));
    expect((await greet(url, { retry: { attempts: 2 } })).error).toMatchObject({ code: 'overloaded' });
    expect(count()).toBe(2);
  });

  test('what may have run only where that does no harm', async () => {
    const once = await scripted(({ problem }) => problem(CRASHED));
    expect((await greet(once.url)).error).toMatchObject({ code: 'worker-crashed' });
    expect(once.count()).toBe(1);
    const { url, count } = await scripted(
      ({ problem }) => problem(CRASHED),
      ({ reset }) => reset(),
      ({ json }) => json({ hello: 'Ada' }),
    );
    expect(await greet(url, { idempotent: true })).toMatchObject({ ok: true });
    expect(count()).toBe(3);
  });

  test('with a key what may have run, by the same key each time, where the connection broke', async () => {
    const keys = new Set<unknown>();
    const say = (answer: (asked: Asked) => void) => (asked: Asked) => {
      keys.add(asked.headers['idempotency-key']);
      answer(asked);
    };
    const inFlight = { code: 'idempotency-in-flight', status: 409, executed: 'unknown', retryable: false };
    const { url, count } = await scripted(
      say(({ reset }) => reset()),
      say(({ problem }) => problem(inFlight)),
      say(({ json }) => json({ hello: 'Ada' })),
    );
    expect(await greet(url, { idempotencyKey: true })).toMatchObject({ ok: true });
    expect(count()).toBe(3);
    expect([...keys]).toEqual([expect.stringMatching(/^"[0-9a-f]{32}"$/)]);

    // An answer that is kept would only come again.
    const kept = await scripted(({ problem }) => problem(CRASHED));
    const { error } = await greet(kept.url, { idempotencyKey: 'my-"key"', idempotent: true });
    expect([error?.code, kept.count()]).toEqual(['worker-crashed', 1]);
  });

  test('a key that cannot be sent is told where it is given', async () => {
    await expect(
      clientOf('http://gateway.test').call('greet', { name: 'Ada' }, { idempotencyKey: 'a b' }),
    ).rejects.toThrow('idempotencyKey is "a b"; give 1 to 255 visible ASCII characters.');
  });

  test('a batch, and what a broken one leaves open, where each item has a key', async () => {
    const bodies: string[] = [];
    const url = await fakeGateway((asked) => {
      bodies.push(asked.body);
      if (asked.count === 1) return asked.reset();
      const result = (index: number): string =>
        `${JSON.stringify({ id: null, index, status: 'succeeded', output: { hello: 'Ada' }, executed: 'yes', replayed: true })}\n`;
      const answer = asked.answer({ 'content-type': 'application/x-ndjson' });
      // The second item of the second attempt has no result.
      if (asked.count === 2) answer.write(result(0), () => answer.socket?.resetAndDestroy());
      else answer.end(result(0));
    });
    const item = (key: string | true) => ({ function: 'greet', input: { name: 'Ada' }, idempotencyKey: key }) as const;
    const results = await clientOf(url).batch([item('one'), item(true)]);
    expect(results.results.map(({ ok }) => ok)).toEqual([true, false]);
    await results.retryFailed();
    expect(results.results.map(({ ok, replayed }) => [ok, replayed])).toEqual([
      [true, true],
      [true, true],
    ]);
    const keysOf = (body = ''): unknown[] =>
      body
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { idempotencyKey: unknown }).idempotencyKey);
    const [first, second, third] = bodies.map(keysOf);
    expect(second).toEqual(first);
    expect(third).toEqual([first?.[1]]);
  });

  test('what is known of execution never gets less', async () => {
    const { url } = await scripted(
      ({ problem }) => problem(CRASHED),
      ({ problem }) => problem(BUSY),
    );
    const { error } = await greet(url, { idempotent: true, retry: { attempts: 2 } });
    expect(error).toMatchObject({ code: 'overloaded', executed: 'unknown', retryable: false });
  });

  test('what will not change is not repeated', async () => {
    const { url, count } = await scripted(({ problem }) => problem({ ...BUSY, code: 'not-found', retryable: false }));
    await greet(url);
    expect(count()).toBe(1);
  });

  test('each attempt is told the time that is left, and never waits past it', async () => {
    const left: number[] = [];
    const url = await fakeGateway(({ headers, problem }) => {
      left.push(Number(headers['x-request-timeout-ms']));
      problem(BUSY, left.length === 2 ? { 'retry-after': '20' } : {});
    });
    const { error } = await greet(url, { timeoutMs: 10_000 });
    expect(error).toMatchObject({ code: 'overloaded', retryAfterMs: 20_000 });
    expect(left).toHaveLength(2);
    expect(left[0]).toBeLessThanOrEqual(10_000);
    expect(left[1]).toBeLessThanOrEqual(left[0] ?? 0);
  });

  test('an abort ends the wait', async () => {
    const controller = new AbortController();
    const { url, count } = await scripted(({ problem }) => {
      problem(BUSY, { 'retry-after': '20' });
      setImmediate(() => controller.abort());
    });
    const { error } = await greet(url, { signal: controller.signal });
    expect(error).toMatchObject({ code: 'aborted' });
    expect(count()).toBe(1);
  });

  test('a client that only fails soon stops repeating', async () => {
    const { url, count } = await scripted(({ problem }) => problem(BUSY));
    const own = createClient<TestFunctions>({ url, retry: { attempts: 3, baseMs: 0, maxMs: 0 } });
    for (let at = 0; at < 50; at += 1) await own.tryCall('greet', { name: 'Ada' });
    // 50 calls, 10 repeats from the start and one for every five calls.
    expect(count()).toBeLessThanOrEqual(50 + 10 + 10);
    expect(count()).toBeGreaterThan(60);
  });

  test('the wait grows, is drawn anew, and honours Retry-After', () => {
    const policy = { attempts: 9, baseMs: 100, maxMs: 1_000 };
    const error = clientError('network-failed', 'f', 'No.', { executed: 'no', retryable: true });
    const base = { error, policy, idempotent: false, hasKey: false, remainingMs: undefined, random: 0.5 };
    expect([1, 2, 3, 4, 5, 8].map((attempt) => retryDelayMs({ ...base, attempt }))).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
    expect(retryDelayMs({ ...base, attempt: 9 })).toBeUndefined();
    expect(retryDelayMs({ ...base, attempt: 1, remainingMs: 50 })).toBeUndefined();
    expect(retryDelayMs({ ...base, attempt: 1, error: error.with({ retryAfterMs: 2_000 }) })).toBe(2_000);
    expect(retryDelayMs({ ...base, attempt: 1, error: error.with({ retryAfterMs: 31_000 }) })).toBeUndefined();
  });

  test('a budget is empty when it is spent', () => {
    const budget = new RetryBudget();
    const taken = Array.from({ length: 12 }, () => budget.withdraw());
    expect(taken.filter(Boolean)).toHaveLength(10);
    for (let at = 0; at < 5; at += 1) budget.deposit();
    expect([budget.withdraw(), budget.withdraw()]).toEqual([true, false]);
  });
});

describe('options', () => {
  test('that cannot be meant are told at once', () => {
    expect(() => createClient({ url: 'localhost:8080' })).toThrow(/no address of a gateway/);
    expect(() => createClient({ url: '/functions' })).toThrow(/no address of a gateway/);
    expect(() => createClient({ url: 'unix:relative.sock' })).toThrow(/absolute path/);
    expect(() => createClient({ url: 'http://x', timeoutMs: 0 })).toThrow(/timeoutMs is 0/);
    expect(() => createClient({ url: 'http://x', retry: { attempts: 0 } })).toThrow(/retry.attempts is 0/);
    expect(() => createClient({ url: 'http://x', batching: { maxItems: 0.5 } })).toThrow(/batching.maxItems is 0.5/);
  });

  test('the limit of a client is for calls and items, not for batches and streams', async () => {
    const seen: unknown[] = [];
    const url = await fakeGateway(({ path, headers, body, answer }) => {
      const item = path === '/batch' ? JSON.parse(body).timeoutMs : undefined;
      seen.push([path, headers['x-request-timeout-ms'] !== undefined, item]);
      answer({ 'content-type': 'text/event-stream' }).end('event: end\ndata: {}\n\n');
    });
    const own = createClient<TestFunctions>({ url, timeoutMs: 60_000 });
    await own.tryCall('greet', { name: 'Ada' });
    await own.batch([{ function: 'greet', input: { name: 'Ada' } }]);
    for await (const _ of own.stream('count', { to: 1 }));
    expect(seen).toEqual([
      ['/functions/greet', true, undefined],
      ['/batch', false, 60_000],
      ['/functions/count', false, undefined],
    ]);
  });

  test('headers in any spelling do not double ours', async () => {
    let accept: unknown;
    const url = await fakeGateway(({ headers, json }) => {
      accept = headers.accept;
      json({ hello: 'Ada' });
    });
    await createClient<TestFunctions>({ url, headers: { Accept: 'text/html' } }).call('greet', { name: 'Ada' });
    expect(accept).toBe('*/*');
  });

  test('headers go with every request, and are asked for anew', async () => {
    const seen: unknown[] = [];
    const url = await fakeGateway(({ headers, json }) => {
      seen.push(headers.authorization);
      json({ hello: 'Ada' });
    });
    let count = 0;
    const own = createClient<TestFunctions>({
      url: `${url}/`,
      headers: () => {
        count += 1;
        return { authorization: `Bearer ${count}` };
      },
    });
    await own.call('greet', { name: 'Ada' });
    await own.call('greet', { name: 'Ada' });
    expect(seen).toEqual(['Bearer 1', 'Bearer 2']);
  });

  test('what the headers function throws is the caller’s own', async () => {
    const own = createClient<TestFunctions>({
      url: 'http://x',
      headers: () => {
        throw new RangeError('no credential');
      },
    });
    await expect(own.call('greet', { name: 'Ada' })).rejects.toThrow(RangeError);
  });
});

describe('inputs', () => {
  test('are the same texts beside a file as without one', async () => {
    let form = '';
    const url = await fakeGateway(({ body, json }) => {
      form = body;
      json(1);
    });
    type Any = Record<'any', { kind: 'json'; input: unknown; output: unknown; errors: object }>;
    const own = createClient<Any>({ url });
    const at = new Date(0);
    await own.call('any', {
      file: new Blob(['x']),
      at,
      list: [at, true, 1.5],
      gone: undefined,
      deep: { at, no: undefined },
    });
    const fields = [
      ...form.matchAll(/name="([^"]+)"(?:; filename="blob")?\r\n(?:content-type: \S+\r\n)?\r\n(.*)\r\n/gi),
    ];
    expect(fields.map(([, name, text]) => [name, text])).toEqual([
      ['file', 'x'],
      ['at', '1970-01-01T00:00:00.000Z'],
      ['list[0]', '1970-01-01T00:00:00.000Z'],
      ['list[1]', 'true'],
      ['list[2]', '1.5'],
      ['deep[at]', '1970-01-01T00:00:00.000Z'],
    ]);
    const { error } = await own.tryCall('any', { file: new Blob(['x']), nothing: null });
    expect(error).toMatchObject({ code: 'unsendable-input', message: expect.stringContaining('nothing is null') });
  });

  test.each([
    [{ lines: [{ picture: new Blob(['x']) }] }, '/lines/0/picture'],
    [{ file: new Blob(['x']), lines: [{ picture: new Blob(['x']) }] }, '/lines/0/picture'],
    [{ nested: [[new File(['x'], 'a')]] }, '/nested/0/0'],
    [{ own: { toJSON: () => ({ file: new Blob(['x']) }) } }, '/own/file'],
    [[new Blob(['x'])], '/0'],
  ])('a file too deep is not sent as {}: %j', async (input, place) => {
    const own = createClient<{ any: { kind: 'json'; input: unknown; output: unknown; errors: object } }>({
      url: 'http://nowhere.invalid',
    });
    const message = expect.stringContaining(`: ${place} is a file; files are members of the input`);
    expect((await own.tryCall('any', input)).error).toMatchObject({ code: 'unsendable-input', message });
    const { results } = await own.batch([{ function: 'any', input }]);
    expect(results[0]).toMatchObject({ status: 'failed', executed: 'no', error: { code: 'unsendable-input' } });
  });
});
