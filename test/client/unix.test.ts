/** The client over a unix socket, and what it does with connections. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createClient } from '../../gateway/client/index.ts';
import { clientFiles, type TestFunctions } from '../support/client.ts';
import { root } from '../support/doc-blocks.ts';
import { type Asked, fakeGateway } from '../support/fake-gateway.ts';
import { startTestServer } from '../support/gateway.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
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

/** In a process of its own: what nobody handles would end it. */
test('a signal in the middle of a form of 2.4 MB ends the call, and nothing else', async () => {
  const program = `
    import { once } from 'node:events';
    import { createServer } from 'node:http';
    import { createClient } from ${JSON.stringify(join(root, 'gateway/client/index.ts'))};

    let controller;
    const server = createServer((request) => request.on('data', () => controller.abort()).on('error', () => undefined));
    await once(server.listen(process.argv[2]), 'listening');
    const client = createClient({ url: 'unix:' + process.argv[2] });
    const pictures = Array.from({ length: 24 }, () => new Blob([new Uint8Array(100_000)]));
    for (let at = 0; at < 10; at += 1) {
      controller = new AbortController();
      const { error } = await client.tryCall('attach', { pictures }, { signal: controller.signal });
      console.log(error.code);
    }
    server.closeAllConnections();
    server.close();`;
  const file = join(writeProject({ 'program.ts': program }), 'program.ts');
  const args = ['--conditions=fpm-gateway-source', file, join(temporaryFolder(), 'g.sock')];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe('aborted\n'.repeat(10));
});

test.each([
  'HTTP/1.1 600 Odd\r\ncontent-length: 1\r\n\r\nx',
  'HTTP/1.1 999 Odd\r\ncontent-length: 1\r\n\r\nx',
  'HTTP/1.1 099 Odd\r\ncontent-length: 1\r\n\r\nx',
  'HTTP/1.1 101 Odd\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
])('an answer that is none fails its call: %j', async (answer) => {
  const socketPath = join(temporaryFolder(), 'g.sock');
  const server = createServer((socket) => socket.once('data', () => socket.end(answer)));
  await once(server.listen(socketPath), 'listening');
  thisTest(() => void server.close());
  const client = createClient<TestFunctions>({ url: `unix:${socketPath}` });
  const { error } = await client.tryCall('greet', { name: 'Ada' });
  expect(error).toMatchObject({ code: 'network-failed', executed: 'unknown', retryable: false });
});
