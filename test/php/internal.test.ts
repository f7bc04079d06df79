/** The way back: PHP reaches the very gateway it belongs to over a unix socket of its own. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isRoot, lookUpUser } from '../../gateway/pool/instance-dir.ts';
import { eachEngine } from '../support/engines.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { nestedProject } from '../support/nested.ts';
import { functionsProject } from '../support/project.ts';

const TWO = { outer: "return ask($call, 'inner', ['n' => $input]);", inner: 'return [$input, getmypid()];' };

eachEngine(({ startGateway, startTestServer }) => {
  const gatewayAddress = async (project: string, config: object = {}): Promise<string | null> => {
    const gateway = await startGateway({ pools: { default: { workers: 1 } }, ...config }, { project });
    return (await gateway.invoke('where', null)) as string | null;
  };
  const WHERE = { where: "return getenv('FPMG_GATEWAY') ?: null;" };

  test('a function calls a function of its gateway', async () => {
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project: nestedProject(TWO) });
    expect(await gateway.invoke('outer', 7)).toEqual([200, [{ n: 7 }, expect.any(Number)]]);
  });

  test('under any host name, whichever the public listener answers to', async () => {
    const config = { pools: { default: { workers: 2 } }, http: { allowedHosts: ['api.example.com'] } };
    const gateway = await startGateway(config, { project: nestedProject(TWO) });
    expect(await gateway.invoke('outer', 7)).toEqual([200, [{ n: 7 }, expect.any(Number)]]);
    const publicly = await gateway.fetch(new Request('http://localhost/functions/inner', { method: 'POST' }));
    expect(publicly.status).toBe(421);
  });

  test('the socket is the pool user’s alone, in a folder in which only the gateway can write', async () => {
    const address = await gatewayAddress(functionsProject(WHERE));
    const path = (address ?? '').replace('unix:', '');
    const uid = isRoot() ? lookUpUser('www-data')?.uid : process.getuid?.();
    expect(statSync(path).uid).toBe(uid);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).uid).toBe(process.getuid?.());
    expect(statSync(join(path, '..')).mode & 0o022).toBe(0);
  });

  test.runIf(isRoot())('another user of this machine cannot connect', async () => {
    const address = await gatewayAddress(functionsProject(WHERE));
    const url = address?.replace('unix:/', 'unix:///');
    const connects = (user: string): number => {
      const { uid, gid } = lookUpUser(user) ?? { uid: 0, gid: 0 };
      const script = `posix_setgid(${gid}); posix_setuid(${uid});
      exit(@stream_socket_client(${JSON.stringify(url)}) === false ? 0 : 9);`;
      try {
        execFileSync('php', ['-r', script]);
        return 0;
      } catch (error) {
        return (error as { status: number }).status;
      }
    };
    expect([connects('www-data'), connects('nobody')]).toEqual([9, 0]);
  });

  test('it is gone with the gateway', async () => {
    const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project: functionsProject(WHERE) });
    const path = String(await gateway.invoke('where', null)).replace('unix:', '');
    expect(existsSync(path)).toBe(true);
    await gateway.close();
    expect(existsSync(path)).toBe(false);
  });

  test('internal.enabled: false leaves PHP without', async () => {
    expect(await gatewayAddress(functionsProject(WHERE), { internal: { enabled: false } })).toBe(null);
  });

  test('a pool’s own FPMG_GATEWAY is taken instead', async () => {
    const env = { FPMG_GATEWAY: 'tcp://elsewhere:8080' };
    const pools = { default: { workers: 1, env } };
    expect(await gatewayAddress(functionsProject(WHERE), { pools })).toBe(env.FPMG_GATEWAY);
  });

  test('a path that is too long for a socket is told at start', async () => {
    const runtimeDir = join(temporaryFolder(thisTest), 'x'.repeat(80));
    await expect(gatewayAddress(functionsProject(WHERE), { runtimeDir })).rejects.toMatchObject({
      message: expect.stringMatching(/socket path .* has \d+ bytes; the system allows 107\. Set runtimeDir/),
    });
  });

  test('another service of this machine calls over internal.socket, across reloads, and is trusted', async () => {
    const socketPath = join(temporaryFolder(thisTest), 'gateway.sock');
    const env = { FPMG_INTERNAL__SOCKET: socketPath, FPMG_HTTP__ALLOWED_HOSTS: '["api.example.com"]' };
    const server = await startTestServer(functionsProject({ hello: "return 'hello';" }), { env });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const ask = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
        const sent = request({ socketPath, path: '/functions/hello', method: 'POST', headers }, (answer) => {
          answer.resume();
          resolve(`${answer.statusCode} ${answer.headers['trace-id']}`);
        });
        sent.on('error', reject).end('null');
      });
    expect(await ask()).toBe(`200 ${traceId}`);
    await server.reload();
    expect(await ask()).toBe(`200 ${traceId}`);
    expect(statSync(socketPath).mode & 0o777).toBe(0o666);
    await server.close();
    expect(existsSync(socketPath)).toBe(false);
  });

  test('a longer internal.socket than the system takes is told at start', async () => {
    const env = { FPMG_INTERNAL__SOCKET: `/${'x'.repeat(107)}` };
    await expect(startTestServer(functionsProject(WHERE), { env })).rejects.toMatchObject({
      message: expect.stringContaining('is longer than the 107 bytes that the system allows for a socket'),
    });
  });
});
