/** Batches through the client: results in order and as they finish, what fails, and running that again. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../gateway/client/index.ts';
import type { Server } from '../../gateway/server.ts';
import { clientProject, type TestFunctions, taken } from '../support/client.ts';
import { type Asked, fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const lifetime = wholeFile();
let server: Server;

beforeAll(async () => {
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
});

const client = () => createClient<TestFunctions>({ url: server.url });

const greet = (name: string) => ({ function: 'greet' as const, input: { name } });

describe('a batch', () => {
  test('awaited gives results in the order of its items, each of its function', async () => {
    const { ok, results } = await client().batch([
      { function: 'sleep', input: { ms: 50 } },
      greet('Ada'),
      { function: 'pixel', input: { size: 300 } },
    ]);
    expect(ok).toBe(true);
    expect(results.map(({ index, function: name }) => [index, name])).toEqual([
      [0, 'sleep'],
      [1, 'greet'],
      [2, 'pixel'],
    ]);
    expect([results[0].output, results[1].output]).toEqual([50, { hello: 'Ada' }]);
    expect([results[2].output?.type, results[2].output?.size]).toEqual(['image/x-test', 300]);
    expect(results[1]).toMatchObject({ executed: 'yes', attempts: 1, timing: { totalMs: expect.any(Number) } });
    expect(results[1].traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('iterated gives them as they finish', async () => {
    const order: string[] = [];
    const batch = client().batch([{ function: 'sleep', input: { ms: 1_000 } }, greet('Ada')], { concurrency: 2 });
    for await (const result of batch) order.push(result.function);
    expect(order).toEqual(['greet', 'sleep']);
    expect((await batch).results.map((result) => result.function)).toEqual(['sleep', 'greet']);
  });

  test('of no items is empty', async () => {
    expect((await client().batch([])).results).toEqual([]);
  });

  test('failures stand among the results, typed as alone', async () => {
    const { ok, results } = await client().batch([greet('Ada'), greet('nobody'), greet('far too long')]);
    expect(ok).toBe(false);
    expect(results[1]).toMatchObject({ ok: false, status: 'failed', executed: 'yes' });
    expect(results[1].error).toMatchObject({ code: 'nobody-there', data: { tried: 'nobody' }, function: 'greet' });
    expect(results[2].error).toMatchObject({ code: 'validation-failed', executed: 'no' });
  });

  test('its outputs alone, or the first error', async () => {
    const good = await client().batch([greet('Ada'), { function: 'nothing', input: {} }]);
    expect(good.outputs()).toEqual([{ hello: 'Ada' }, 0]);
    const bad = await client().batch([greet('Ada'), greet('nobody')]);
    expect(() => bad.outputs()).toThrow(expect.objectContaining({ code: 'nobody-there' }));
  });

  test('a file fails alone: it did not run', async () => {
    const file = new Blob(['%PDF'], { type: 'application/pdf' });
    // @ts-expect-error files cannot go in a batch
    const { results } = await client().batch([{ function: 'archive', input: file }, greet('Ada')]);
    expect(results[0]).toMatchObject({ ok: false, executed: 'no', error: { code: 'unsendable-input' } });
    expect(results[1].ok).toBe(true);
  });

  test('stopOnError cancels what has not begun', async () => {
    const items = [greet('nobody'), greet('a'), greet('b')];
    const { results } = await client().batch(items, { stopOnError: true, concurrency: 1 });
    expect(results.map(({ status }) => status)).toEqual(['failed', 'cancelled', 'cancelled']);
    expect(results[2]).toMatchObject({ executed: 'no', error: { code: 'batch-stopped' } });
  });

  test('its limit ends the items', async () => {
    const { results } = await client().batch([{ function: 'sleep', input: { ms: 60_000 } }], { timeoutMs: 300 });
    // Before PHP had it (deadline-exceeded) or behind it (function-timeout).
    expect(results[0].error).toMatchObject({ status: 504, source: expect.stringMatching(/gateway|function/) });
  });

  test('an item may have a limit of its own', async () => {
    const { results } = await client().batch([{ function: 'sleep', input: { ms: 60_000 }, timeoutMs: 100 }]);
    expect(results[0].error).toMatchObject({ status: 504 });
  });

  test('leaving the loop cancels what has not begun', async () => {
    const sleep = { function: 'sleep' as const, input: { ms: 300 } };
    const batch = client().batch([greet('Ada'), sleep, sleep, sleep], { concurrency: 1 });
    for await (const result of batch) if (result.function === 'greet') break;
    const { results } = await batch;
    for (const { executed, error } of results.slice(1)) expect([executed, error?.code]).toEqual(['unknown', 'aborted']);
    const records = () => server.gateway.tracer.ring.get(results[0].traceId ?? '');
    await until('the batch has ended', () => records().some((record) => record.function === 'batch'));
    expect(records().filter((record) => record.function === 'sleep').length).toBeLessThanOrEqual(1);
  });

  test('a signal that came before it was sent cancels all of it', async () => {
    const { results } = await client().batch([greet('Ada'), greet('Bob')], { signal: AbortSignal.abort() });
    expect(results.map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect(results[1]).toMatchObject({ executed: 'no', attempts: 0, error: { code: 'aborted' } });
  });

  test('a signal does so, too', async () => {
    const controller = new AbortController();
    const batch = client().batch([{ function: 'sleep', input: { ms: 1_000 } }], { signal: controller.signal });
    await until('it runs', () => taken(server) > 0);
    controller.abort();
    expect((await batch).results[0]).toMatchObject({
      executed: 'unknown',
      error: { code: 'aborted', function: 'sleep' },
    });
  });
});

const succeeded = (index: number, output: unknown) =>
  `${JSON.stringify({ id: String(index), index, status: 'succeeded', output, executed: 'yes', attempts: 1 })}\n`;

const linesOf = ({ body }: Asked): { function: string; input: unknown }[] =>
  body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const answerLines = ({ answer }: Asked) => answer({ 'content-type': 'application/x-ndjson' });

const problem = (more: object) => ({ status: 503, source: 'gateway', executed: 'no', retryable: true, ...more });

const fakeClient = (url: string) => createClient<TestFunctions>({ url, retry: { baseMs: 1, maxMs: 1 } });

describe('a batch that breaks off', () => {
  test('by the gateway: what has no result did not run', async () => {
    const end = { id: null, index: null, status: 'failed', error: problem({ code: 'batch-too-large', status: 413 }) };
    const url = await fakeGateway((asked) => {
      answerLines(asked).end(`${succeeded(1, { hello: 'b' })}${JSON.stringify(end)}\n`);
    });
    const { results } = await fakeClient(url).batch([greet('a'), greet('b'), greet('c')]);
    expect(results.map(({ ok }) => ok)).toEqual([false, true, false]);
    expect(results[0]).toMatchObject({ executed: 'no', error: { code: 'batch-too-large', function: 'greet' } });
  });

  test('by the connection: what has no result may have run', async () => {
    const url = await fakeGateway((asked) => {
      const response = answerLines(asked);
      response.write(succeeded(0, { hello: 'a' }), () => asked.reset());
    });
    const { results } = await fakeClient(url).batch([greet('a'), greet('b')]);
    expect(results[0].ok).toBe(true);
    expect(results[1]).toMatchObject({ ok: false, executed: 'unknown', error: { code: 'cut-off' } });
  });

  test('in good form, but without all results: they may have run', async () => {
    const url = await fakeGateway((asked) => void answerLines(asked).end(succeeded(0, { hello: 'a' })));
    const { results } = await fakeClient(url).batch([greet('a'), greet('b')]);
    expect(results[1]).toMatchObject({ executed: 'unknown', error: { code: 'unreadable-answer' } });
  });

  test('before anything ran, is sent again', async () => {
    const url = await fakeGateway((asked) => {
      if (asked.count === 1) asked.problem(problem({ code: 'shutting-down' }));
      else answerLines(asked).end(succeeded(0, { hello: 'a' }));
    });
    expect((await fakeClient(url).batch([greet('a')])).ok).toBe(true);
  });

  test('and stays away: every item fails with the reason', async () => {
    const url = await fakeGateway(({ problem: tell }) =>
      tell(problem({ code: 'bad-request', status: 400, retryable: false })),
    );
    const { results } = await fakeClient(url).batch([greet('a'), greet('b')]);
    expect(results.map((result) => result.error?.code)).toEqual(['bad-request', 'bad-request']);
    expect(results.map(({ executed }) => executed)).toEqual(['no', 'no']);
  });
});

describe('retryFailed', () => {
  const failed = (index: number, executed: string) =>
    `${JSON.stringify({ id: String(index), index, status: 'failed', executed, attempts: 1, error: problem({ code: 'overloaded', executed }) })}\n`;

  /** Each item that is sent again succeeds. */
  const failingOnce = async (): Promise<{ url: string; sent: string[][] }> => {
    const sent: string[][] = [];
    const url = await fakeGateway((asked) => {
      const names = linesOf(asked).map(({ input }) => (input as { name: string }).name);
      sent.push(names);
      const line = (name: string, index: number): string =>
        sent.length === 1 && name !== 'fine' ? failed(index, name) : succeeded(index, { hello: name });
      answerLines(asked).end(names.map(line).join(''));
    });
    return { url, sent };
  };

  test('runs again only what provably did not run, and puts the results in their places', async () => {
    const { url, sent } = await failingOnce();
    const batch = await fakeClient(url).batch([greet('no'), greet('fine'), greet('unknown'), greet('no')]);
    const again = await batch.retryFailed();
    expect(sent).toEqual([
      ['no', 'fine', 'unknown', 'no'],
      ['no', 'no'],
    ]);
    expect(again).toBe(batch);
    expect(batch.results.map(({ index, ok }) => [index, ok])).toEqual([
      [0, true],
      [1, true],
      [2, false],
      [3, true],
    ]);
    await batch.retryFailed();
    expect(sent).toHaveLength(2);
  });

  test('what may have run only when asked for', async () => {
    const { url, sent } = await failingOnce();
    const batch = await fakeClient(url).batch([greet('unknown'), greet('fine'), greet('yes')]);
    expect((await batch.retryFailed({ mayHaveRun: true })).ok).toBe(true);
    expect(sent[1]).toEqual(['unknown', 'yes']);
  });
});
