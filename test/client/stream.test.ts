/** Streams through the client, on a real gateway with php-fpm: items, bytes, leaving, and what a cut looks like. */
import { beforeAll, describe, expect, test } from 'vitest';
import { CallError, createClient } from '../../gateway/client/index.ts';
import type { Server } from '../../gateway/server.ts';
import { clientProject, type TestFunctions, taken } from '../support/client.ts';
import { fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const lifetime = wholeFile();
let server: Server;

beforeAll(async () => {
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
});

const client = () => createClient<TestFunctions>({ url: server.url });

/** Everything that came, and how it ended. */
const readAll = async <T>(stream: AsyncIterable<T>): Promise<{ items: T[]; error: unknown }> => {
  const items: T[] = [];
  try {
    for await (const item of stream) items.push(item);
    return { items, error: undefined };
  } catch (error) {
    return { items, error };
  }
};

describe('items', () => {
  test('come one by one, to the end', async () => {
    const { items, error } = await readAll(client().stream('count', { to: 3 }));
    expect([items, error]).toEqual([[{ n: 1 }, { n: 2 }, { n: 3 }], undefined]);
  });

  test('an empty stream ends', async () => {
    expect(await readAll(client().stream('count', { to: 0 }))).toEqual({ items: [], error: undefined });
  });

  test('leaving the loop stops PHP', async () => {
    for await (const { n } of client().stream('count', { to: 100_000_000 })) if (n === 5) break;
    await until('its worker is free', () => taken(server) === 0);
  });

  test('a signal ends the stream, and stops PHP', async () => {
    const controller = new AbortController();
    const stream = client().stream('count', { to: 100_000_000 }, { signal: controller.signal });
    await stream.next();
    controller.abort();
    const { error } = await readAll(stream);
    expect(error).toMatchObject({ code: 'aborted', executed: 'yes' });
    await until('its worker is free', () => taken(server) === 0);
  });

  test('an error within a stream is thrown behind the items before it', async () => {
    const { items, error } = await readAll(client().stream('count', { to: 5, failAt: 3 }));
    expect(items).toEqual([{ n: 1 }, { n: 2 }]);
    expect(error).toBeInstanceOf(CallError);
    expect(error).toMatchObject({ code: 'stuck', data: { at: 3 }, executed: 'yes' });
  });

  test('an error before it is thrown, too', async () => {
    // @ts-expect-error a text where a number is due
    const { error } = await readAll(client().stream('count', { to: 'many' }));
    expect(error).toMatchObject({ code: 'validation-failed', executed: 'no' });
  });

  test('a time limit ends it', async () => {
    const { items, error } = await readAll(client().stream('count', { to: 100_000_000 }, { timeoutMs: 200 }));
    expect(items.length).toBeGreaterThan(0);
    expect(error).toMatchObject({ code: 'function-timeout' });
  });
});

describe('bytes', () => {
  test('come as they are', async () => {
    const { items, error } = await readAll(client().stream('letters', { chunks: 100 }));
    expect(error).toBeUndefined();
    expect(items.every((piece) => piece instanceof Uint8Array)).toBe(true);
    expect(items.reduce((size, piece) => size + piece.length, 0)).toBe(100_000);
  });

  test('that are cut off throw', async () => {
    const { items, error } = await readAll(client().stream('letters', { chunks: 500, dieAt: 400 }));
    expect(items.length).toBeGreaterThan(0);
    expect(error).toMatchObject({ code: 'cut-off', executed: 'yes' });
  });
});

describe('a connection', () => {
  test('that ends in good form, but without the end of the items, is a cut', async () => {
    const url = await fakeGateway(({ answer }) => {
      answer({ 'content-type': 'text/event-stream' }).end(': still there\n\ndata: {"n":1}\n\n');
    });
    const { items, error } = await readAll(createClient<TestFunctions>({ url }).stream('count', { to: 3 }));
    expect(items).toEqual([{ n: 1 }]);
    expect(error).toMatchObject({
      code: 'cut-off',
      executed: 'yes',
      message: expect.stringContaining('after 1 piece'),
    });
  });

  test('that gives items in any pieces gives the same items', async () => {
    const bytes = Buffer.from('data: {"n":"Größe"}\n\n: x\n\ndata: {"n":"𝄞"}\n\nevent: end\ndata: {}\n\n');
    for (const size of [1, 2, 3, 7]) {
      const url = await fakeGateway(async ({ answer }) => {
        const response = answer({ 'content-type': 'text/event-stream' });
        for (let at = 0; at < bytes.length; at += size) {
          await new Promise((resolve) => response.write(bytes.subarray(at, at + size), resolve));
        }
        response.end();
      });
      const { items, error } = await readAll(createClient<TestFunctions>({ url }).stream('count', { to: 3 }));
      expect([items, error]).toEqual([[{ n: 'Größe' }, { n: '𝄞' }], undefined]);
    }
  });
});
