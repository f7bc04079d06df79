/** Pools whose php-fpm somebody else runs: over unix sockets and TCP, going down and coming back. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask } from '../support/call.ts';
import { freePort } from '../support/free-port.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { endGroup } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';

/** Attached workers read it in place: nothing is staged for them. */
const openProject = (): string => {
  const project = functionsProject({ pid: PID, slow: 'usleep(30000); return getmypid();' });
  chmodSync(project, 0o755);
  return project;
};

test('two addresses, a unix socket and TCP, share the calls', async () => {
  const folder = openFolder();
  const project = openProject();
  const port = await freePort();
  await rawFpm(folder, [`${folder}/a.sock`, `127.0.0.1:${port}`], 2);
  const address = [`unix:${folder}/a.sock`, `tcp://127.0.0.1:${port}`];
  const gateway = await startGateway(
    { pools: { default: { address, workers: 2, root: project, runtime } } },
    { project },
  );
  const [pool] = gateway.pools();
  expect(pool).toMatchObject({ kind: 'attached', workers: 4, masterPid: undefined });
  expect(pool?.phpVersion).toMatch(/^8\./);
  const pids = await Promise.all(Array.from({ length: 12 }, () => gateway.invoke('slow', null)));
  expect(new Set(pids).size).toBe(4);
});

test('a pool that goes down makes calls fail as pool-unavailable, and comes back without a restart', async () => {
  const folder = openFolder();
  const project = openProject();
  const listen = [`${folder}/a.sock`];
  const first = await rawFpm(folder, listen, 2);
  const gateway = await startGateway(
    {
      pools: { default: { address: `unix:${folder}/a.sock`, workers: 2, root: project, runtime } },
      functions: { pid: { queueTimeoutMs: 100, retry: { attempts: 5 } } },
    },
    { project },
  );
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  endGroup(first.pid);
  await until('it has ended', () => first.exitCode !== null || first.signalCode !== null);
  await gateway.invoke('pid', null).catch(() => {});
  // It has waited for as long as it may: a retry would wait as long again.
  const { status, events } = await ask(gateway, 'pid');
  expect([status, events.filter(({ name }) => name === 'retry')]).toEqual([503, []]);
  await expect(gateway.invoke('pid', null, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'pool-unavailable',
    status: 503,
    executed: 'no',
    retryable: true,
  });
  expect(gateway.pools()[0]?.backends[0]?.up).toBe(false);
  // Served by the new one, unless that takes longer than a call may wait.
  const waiting = gateway.invoke('pid', null).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'pool-unavailable' });
  });
  await rawFpm(folder, listen, 2);
  await until('it is seen again', () => gateway.pools()[0]?.backends[0]?.up === true);
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  await waiting;
});

test('one address down leaves the other serving', async () => {
  const folder = openFolder();
  const project = openProject();
  const a = await rawFpm(join(folder, 'a'), [`${folder}/a.sock`], 1);
  await rawFpm(join(folder, 'b'), [`${folder}/b.sock`], 1);
  const address = [`unix:${folder}/a.sock`, `unix:${folder}/b.sock`];
  const gateway = await startGateway(
    { pools: { default: { address, workers: 1, root: project, runtime } } },
    { project },
  );
  endGroup(a.pid);
  await until('it has ended', () => a.exitCode !== null || a.signalCode !== null);
  const pids = await Promise.all(Array.from({ length: 6 }, () => gateway.invoke('pid', null)));
  expect(new Set(pids).size).toBe(1);
});

test('callers are told neither by a worker that crashes nor by a pool that is away where php-fpm listens', async () => {
  const folder = openFolder();
  const project = functionsProject({ crash: 'posix_kill(getmypid(), 9); sleep(9);' });
  chmodSync(project, 0o755);
  const fpm = await rawFpm(folder, [`${folder}/a.sock`], 1);
  const pools = { default: { address: `unix:${folder}/a.sock`, workers: 1, root: project, runtime } };
  const answerOf = async (gateway: Gateway): Promise<string> => {
    const headers = { 'content-type': 'application/json', 'x-request-timeout-ms': '1000' };
    const request = new Request('http://localhost/functions/crash', { method: 'POST', headers, body: 'null' });
    return await (await gateway.fetch(request)).text();
  };
  const gateway = await startGateway({ pools }, { project });
  const crashed = await answerOf(gateway);
  expect(JSON.parse(crashed)).toMatchObject({ code: 'worker-crashed', status: 502 });
  expect(crashed).not.toContain(folder);
  await gateway.close();
  const open = await startGateway({ pools, exposeErrors: true }, { project });
  expect(JSON.parse(await answerOf(open)).debug).toBe(`The peer is unix:${folder}/a.sock.`);
  await open.close();
  const left = await startGateway({ pools }, { project });
  endGroup(fpm.pid);
  await until('it has ended', () => fpm.exitCode !== null || fpm.signalCode !== null);
  const away = await answerOf(left);
  expect(JSON.parse(away)).toMatchObject({ code: 'pool-unavailable', status: 503 });
  expect(away).not.toContain(folder);
});

test.each([
  [
    'nothing listens there',
    (folder: string) => ({ address: `unix:${folder}/none.sock`, root: '/x', runtime: '/y' }),
    /ENOENT/,
  ],
  [
    'root and runtime are wrong',
    (folder: string) => ({ address: `unix:${folder}/a.sock`, root: '/x', runtime: '/y' }),
    /does not run \/y\/run\.php.*Check root, runtime and file access/,
  ],
  [
    'root is wrong',
    (folder: string) => ({ address: `unix:${folder}/a.sock`, root: '/x', runtime }),
    /functions\/pid\.php[\s\S]*\/x\/functions\/pid\.php/,
  ],
])('a gateway does not start when %s, and says so', async (_, pool, said) => {
  const folder = openFolder();
  const project = openProject();
  await rawFpm(folder, [`${folder}/a.sock`], 1);
  const started = startGateway({ pools: { default: { ...pool(folder), workers: 1 } } }, { project });
  await expect(started).rejects.toThrow(said);
  await expect(started).rejects.toMatchObject({ name: 'StartupError' });
});

test('a pool all of whose workers others hold is named as busy', async () => {
  const folder = openFolder();
  const project = openProject();
  await rawFpm(folder, [`${folder}/a.sock`], 1);
  const pool = { address: `unix:${folder}/a.sock`, workers: 1, root: project, runtime };
  await startGateway({ pools: { default: pool } }, { project });
  // The first gateway keeps the only worker.
  const hasty = { ...pool, connectTimeoutMs: 300 };
  await expect(startGateway({ pools: { default: hasty } }, { project })).rejects.toThrow(
    /no worker answered within 300 ms: are all of them busy or stopped\?/,
  );
});

test('closing the gateway leaves the attached php-fpm running', async () => {
  const folder = openFolder();
  const project = openProject();
  const fpm = await rawFpm(folder, [`${folder}/a.sock`], 1);
  const pool = { address: `unix:${folder}/a.sock`, workers: 1, root: project, runtime };
  const gateway = await startGateway({ pools: { default: pool } }, { project });
  await gateway.close();
  await gateway.destroy();
  expect(fpm.exitCode).toBe(null);
  const next = await startGateway({ pools: { default: pool } }, { project });
  expect(await next.invoke('pid', null)).toBeGreaterThan(1);
});

test('a php-fpm whose own max_execution_time is shorter than a function may run is told of at start', async () => {
  const folder = openFolder();
  const project = openProject();
  await rawFpm(folder, [`${folder}/a.sock`], 1, { ini: { max_execution_time: '7' } });
  const pools = { default: { address: `unix:${folder}/a.sock`, workers: 1, root: project, runtime } };
  const gateway = await startGateway({ pools }, { project });
  expect(gateway.warnings).toContainEqual({
    file: 'deploy/gateway.config.ts',
    property: 'pools.default',
    detail: expect.stringMatching(/after 7 s of CPU time \(max_execution_time\), but .* 30000 ms/),
  });
});
