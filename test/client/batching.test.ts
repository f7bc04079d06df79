/** Calls of one tick as one batch: what goes together, what goes alone, and that none notices the others. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../gateway/client/index.ts';
import type { Server } from '../../gateway/server.ts';
import { clientProject, type TestFunctions } from '../support/client.ts';
import { type Asked, fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';

const lifetime = wholeFile();
let server: Server;

beforeAll(async () => {
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
});

/** With the paths of its requests. */
const countingClient = (url: string, batching: boolean | { maxItems?: number; maxCharacters?: number } = true) => {
  const paths: string[] = [];
  const client = createClient<TestFunctions>({
    url,
    batching,
    retry: { baseMs: 1, maxMs: 1 },
    fetch: (address, init) => {
      paths.push(new URL(address).pathname);
      return fetch(address, init);
    },
  });
  return { client, paths };
};

const hello = (name: string) => ({ hello: name });

describe('on a real gateway', () => {
  test('calls of one tick are one request, and each gets its own answer', async () => {
    const { client, paths } = countingClient(server.url);
    const answers = await Promise.all([
      client.call('greet', { name: 'Ada' }),
      client.call('nothing'),
      client.tryCall('greet', { name: 'nobody' }),
      client.call('pixel', { size: 2 }),
    ]);
    expect(paths).toEqual(['/batch']);
    expect(answers.slice(0, 2)).toEqual([hello('Ada'), 0]);
    expect(answers[2].error).toMatchObject({ code: 'nobody-there', data: { tried: 'nobody' } });
    expect(await answers[3].text()).toBe('xx');
  });

  test('a lone call, streams, files and calls that ask for it go alone', async () => {
    const { client, paths } = countingClient(server.url);
    await client.call('greet', { name: 'Ada' });
    const file = new Blob(['%PDF'], { type: 'application/pdf' });
    const stream = client.stream('count', { to: 1 });
    await Promise.all([
      client.call('archive', file),
      stream.next(),
      client.call('nothing', {}, { batching: false }),
      client.call('greet', { name: 'Eve' }),
      client.call('greet', { name: 'Bob' }),
    ]);
    await stream.return();
    expect(paths.toSorted()).toEqual([
      '/batch',
      '/functions/archive',
      '/functions/count',
      '/functions/greet',
      '/functions/nothing',
    ]);
  });

  test('aborting one leaves the others', async () => {
    const { client, paths } = countingClient(server.url);
    const controller = new AbortController();
    const slow = client.tryCall('sleep', { ms: 60_000 }, { signal: controller.signal });
    const quick = client.call('greet', { name: 'Ada' });
    expect(await quick).toEqual(hello('Ada'));
    controller.abort();
    expect((await slow).error).toMatchObject({ code: 'aborted', executed: 'unknown' });
    expect(paths).toEqual(['/batch']);
  });

  test('each has its own limit', async () => {
    const { client } = countingClient(server.url);
    const [slow, quick] = await Promise.all([
      client.tryCall('sleep', { ms: 60_000 }, { timeoutMs: 100 }),
      client.tryCall('greet', { name: 'Ada' }, { timeoutMs: 30_000 }),
    ]);
    expect(slow.error).toMatchObject({ status: 504 });
    expect(quick.ok).toBe(true);
  });
});

interface Line {
  readonly function: string;
  readonly input: { readonly name: string };
  readonly timeoutMs?: number;
}

const linesOf = ({ body }: Asked): Line[] =>
  body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const resultLine = (index: number, result: object): string =>
  `${JSON.stringify({ id: String(index), index, attempts: 1, ...result })}\n`;

const succeed = (asked: Asked): void => {
  const lines = linesOf(asked).map(({ input }, at) =>
    resultLine(at, { status: 'succeeded', executed: 'yes', output: hello(input.name) }),
  );
  asked.answer({ 'content-type': 'application/x-ndjson' }).end(lines.join(''));
};

const greetAll = (client: ReturnType<typeof countingClient>['client'], names: readonly string[]) =>
  Promise.all(names.map(async (name) => await client.tryCall('greet', { name })));

test('a lone call that is aborted on its way may have run', async () => {
  const controller = new AbortController();
  const { client } = countingClient(await fakeGateway(() => controller.abort()));
  const { error } = await client.tryCall('greet', { name: 'a' }, { signal: controller.signal });
  expect(error).toMatchObject({ code: 'aborted', executed: 'unknown' });
});

describe('a batch', () => {
  test('also takes what earlier awaits of the tick lead to', async () => {
    const { client, paths } = countingClient(await fakeGateway(succeed));
    const ready = Promise.resolve();
    const later = async (name: string) => {
      await ready;
      return await client.call('greet', { name });
    };
    expect(await Promise.all([later('a'), later('b')])).toEqual([hello('a'), hello('b')]);
    expect(paths).toEqual(['/batch']);
  });

  test('has at most so many items, and so many characters', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const url = await fakeGateway(succeed);
    const items = countingClient(url, { maxItems: 2 });
    expect((await greetAll(items.client, names)).every(({ ok }) => ok)).toBe(true);
    expect(items.paths).toEqual(['/batch', '/batch']);
    const long = countingClient(url, { maxCharacters: 2 * '{"name":"a"}'.length });
    expect((await greetAll(long.client, names)).every(({ ok }) => ok)).toBe(true);
    expect(long.paths).toEqual(['/batch', '/batch']);
  });

  test('that was aborted by all is not waited for, and one aborted before it left is not sent', async () => {
    const sent: string[][] = [];
    let closed = 0;
    const url = await fakeGateway((asked) => {
      sent.push(linesOf(asked).map(({ input }) => input.name));
      asked.answer({ 'content-type': 'application/x-ndjson' }).on('close', () => {
        closed += 1;
      });
      controller.abort();
    });
    const controller = new AbortController();
    const { client } = countingClient(url);
    const { signal } = controller;
    const results = await Promise.all([
      client.tryCall('greet', { name: 'a' }, { signal }),
      client.tryCall('greet', { name: 'b' }, { signal }),
      client.tryCall('greet', { name: 'c' }, { signal: AbortSignal.abort() }),
    ]);
    expect(results.map(({ error }) => error?.executed)).toEqual(['unknown', 'unknown', 'no']);
    expect(sent).toEqual([['a', 'b']]);
    await expect.poll(() => closed).toBe(1);
  });

  test('that is cut off rejects what has no result, and repeats only what is idempotent', async () => {
    let batches = 0;
    const url = await fakeGateway((asked) => {
      batches += 1;
      if (batches > 1) return asked.json(hello('again'));
      const response = asked.answer({ 'content-type': 'application/x-ndjson' });
      const line = resultLine(0, { status: 'succeeded', executed: 'yes', output: hello('a') });
      response.write(line, () => asked.reset());
    });
    const { client, paths } = countingClient(url);
    const [first, second, third] = await Promise.all([
      client.tryCall('greet', { name: 'a' }),
      client.tryCall('greet', { name: 'b' }),
      client.tryCall('greet', { name: 'c' }, { idempotent: true }),
    ]);
    expect(first.output).toEqual(hello('a'));
    expect(second.error).toMatchObject({ code: 'cut-off', executed: 'unknown', function: 'greet' });
    expect(third.output).toEqual(hello('again'));
    expect(paths).toEqual(['/batch', '/functions/greet']);
  });

  test('repeats what did not run', async () => {
    const refused = { code: 'overloaded', status: 503, executed: 'no', retryable: true };
    const url = await fakeGateway((asked) => {
      if (asked.path !== '/batch') return asked.json(hello('b'));
      const lines = [
        resultLine(1, { status: 'failed', executed: 'no', error: refused }),
        resultLine(0, { status: 'succeeded', executed: 'yes', output: hello('a') }),
      ];
      asked.answer({ 'content-type': 'application/x-ndjson' }).end(lines.join(''));
    });
    const { client, paths } = countingClient(url);
    expect((await greetAll(client, ['a', 'b'])).map(({ output }) => output)).toEqual([hello('a'), hello('b')]);
    expect(paths).toEqual(['/batch', '/functions/greet']);
  });
});
