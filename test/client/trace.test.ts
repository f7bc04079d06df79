/** The caller's active span is the parent of what the gateway does for it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, type ContextManager, context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { beforeAll, expect, test } from 'vitest';
import { createClient } from '../../gateway/client/index.ts';
import type { Server } from '../../gateway/server.ts';
import { clientProject, type TestFunctions } from '../support/client.ts';
import { fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';

const lifetime = wholeFile();
let server: Server;

/** What an OpenTelemetry SDK registers. */
class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active = (): Context => this.#storage.getStore() ?? ROOT_CONTEXT;
  with: ContextManager['with'] = (own, run, self, ...args) =>
    this.#storage.run(own, () => run.call(self as never, ...args));
  bind = <T>(_own: Context, target: T): T => target;
  enable = (): this => this;
  disable = (): this => this;
}

beforeAll(async () => {
  context.setGlobalContextManager(new Contexts());
  lifetime(() => context.disable());
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
});

/** Runs within a span of this trace. */
const within = async <T>(traceId: string, run: () => Promise<T>): Promise<T> => {
  const span = { traceId, spanId: 'cd'.repeat(8), traceFlags: 1 };
  return await context.with(trace.setSpanContext(ROOT_CONTEXT, span), run);
};

const [A, B] = ['a1'.repeat(16), 'b2'.repeat(16)];

const traceOf = async (call: Promise<{ traceId?: string | undefined }>): Promise<string | undefined> =>
  (await call).traceId;

test('calls and batches belong to the trace of their caller', async () => {
  const client = createClient<TestFunctions>({ url: server.url });
  const call = async () => (await client.tryCall('greet', { name: 'Ada' })) as { traceId?: string };
  expect(await within(A, async () => await traceOf(call()))).toBe(A);
  const { results } = await within(A, async () => await client.batch([{ function: 'nothing', input: {} }]));
  expect(results[0].traceId).toBe(A);
  const [record] = server.gateway.tracer.ring.get(A);
  expect(record?.parentSpanId).toBe('cd'.repeat(8));
  expect(await traceOf(call())).not.toBe(A);
});

test('calls of one tick keep their own', async () => {
  const client = createClient<TestFunctions>({ url: server.url, batching: true });
  const call = async () => (await client.tryCall('greet', { name: 'Ada' })) as { traceId?: string };
  const both = [within(A, async () => await traceOf(call())), within(B, async () => await traceOf(call()))];
  expect(await Promise.all(both)).toEqual([A, B]);
});

test('without a span nothing is sent', async () => {
  const seen: unknown[] = [];
  const url = await fakeGateway(({ headers, json }) => {
    seen.push(headers.traceparent);
    json({ hello: 'Ada' });
  });
  const client = createClient<TestFunctions>({ url });
  await client.call('greet', { name: 'Ada' });
  await within(A, async () => await client.call('greet', { name: 'Ada' }));
  expect(seen).toEqual([undefined, `00-${A}-${'cd'.repeat(8)}-01`]);
});
