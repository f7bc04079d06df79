/** The client over a unix socket, and what it does with connections. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createClient } from '../../gateway/client/index.ts';
import { clientFiles, type TestFunctions } from '../support/client.ts';
import { type Asked, fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';

test('calls, forms, files and streams go over a unix socket as over the network', async () => {
  const seen: unknown[] = [];
  const url = await fakeGateway(
    ({ path, headers, body, answer, json }) => {
      seen.push([path, headers['content-type']?.split(';')[0], body.length > 0]);
      if (path === '/functions/count')
        answer({ 'content-type': 'text/event-stream' }).end('data: {"n":1}\n\nevent: end\ndata: {}\n\n');
      else json(body.includes('Be kind.') ? 'with file' : 'plain');
    },
    { address: join(temporaryFolder(), 'g.sock') },
  );
  const client = createClient<TestFunctions>({ url });
  const document = new File(['Be kind.'], 'a.txt', { type: 'text/plain' });
  const rest = { title: 't', count: 1, tags: [], place: { city: 'x', lines: [] } };
  expect(await client.call('greet', { name: 'Ada' })).toBe('plain');
  expect(await client.call('attach', { ...rest, document })).toBe('with file');
  expect(await client.call('archive', new Blob(['%PDF'], { type: 'application/pdf' }))).toBe('plain');
  for await (const item of client.stream('count', { to: 1 })) expect(item).toEqual({ n: 1 });
  expect(seen).toEqual([
    ['/functions/greet', 'application/json', true],
    ['/functions/attach', 'multipart/form-data', true],
    ['/functions/archive', 'application/pdf', true],
    ['/functions/count', 'application/json', true],
  ]);
  client.close();
});

test('the gateway itself listens there', async () => {
  const socket = join(temporaryFolder(), 'g.sock');
  const folder = writeProject(clientFiles);
  await startTestServer(folder, { env: { FPMG_HTTP__SOCKET: socket } });
  const client = createClient<TestFunctions>({ url: `unix:${socket}` });
  expect(await client.call('greet', { name: 'Ada' })).toEqual({ hello: 'Ada' });
  const { results } = await client.batch([{ function: 'pixel', input: { size: 3 } }]);
  expect(results[0].output?.size).toBe(3);
  for await (const { n } of client.stream('count', { to: 100_000_000 })) if (n === 3) break;
  client.close();
});

test('a socket that is not there: it did not run', async () => {
  const client = createClient<TestFunctions>({ url: `unix:${temporaryFolder()}/none.sock`, retry: { attempts: 1 } });
  const { error } = await client.tryCall('greet', { name: 'Ada' });
  expect(error).toMatchObject({ code: 'network-failed', executed: 'no', retryable: true });
});

test('connections are kept for the next calls', async () => {
  const folder = temporaryFolder();
  for (const address of [undefined, join(folder, 'g.sock')]) {
    const sockets = new Set<unknown>();
    const tell = ({ answer }: Asked): void => {
      const response = answer({ 'content-type': 'application/json' });
      sockets.add(response.socket);
      response.end('1');
    };
    const client = createClient<TestFunctions>({
      url: await fakeGateway(tell, address === undefined ? {} : { address }),
    });
    for (let at = 0; at < 20; at += 1) await client.call('greet', { name: 'Ada' });
    // The next call may come a moment before the connection of the last one is free.
    expect(sockets.size).toBeLessThanOrEqual(2);
    client.close();
  }
});

test('a signal ends a call over a unix socket', async () => {
  const controller = new AbortController();
  const url = await fakeGateway(() => controller.abort(), { address: join(temporaryFolder(), 'g.sock') });
  const client = createClient<TestFunctions>({ url });
  const { error } = await client.tryCall('greet', { name: 'Ada' }, { signal: controller.signal });
  expect(error).toMatchObject({ code: 'aborted', executed: 'unknown' });
});
