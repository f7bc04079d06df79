/** Releases beside each other: a new one takes over whole or not at all, a bad one makes room for the one before it. */
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { anyContract, functionsProject, handler, writeProject } from '../support/project.ts';
import { Gate } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const ONE_WORKER = { FPMG_POOLS__DEFAULT__WORKERS: '1' };

const admin = async (server: Server, path: string, method = 'POST'): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(`${server.adminUrl}${path}`, { method });
  return { status: response.status, body: await response.json() };
};

const said = async (server: Server, name = 'version'): Promise<unknown> => {
  const response = await callUrl(server.url, name, null);
  return response.ok ? await response.json() : response.status;
};

const write = (project: string, name: string, body: string): void =>
  writeFileSync(join(project, `functions/${name}.php`), handler(body));

describe('a reload', () => {
  test('brings changed handlers and contracts, and says which release serves', async () => {
    const project = functionsProject({ version: "return 'one';" });
    const server = await startTestServer(project, { env: ONE_WORKER });
    write(project, 'version', "return 'two';");
    expect(await said(server)).toBe('one');
    const { status, body } = await admin(server, '/admin/reload');
    expect(status).toBe(200);
    expect(body).toMatchObject({ release: 2, previous: 1 });
    expect(await said(server)).toBe('two');
  });

  test.each([
    ['a handler with a syntax error', { 'functions/version.php': '<?php\nnonsense nonsense' }, 'functions/version.php'],
    ['a contract that does not load', { 'schemas/version.ts': 'export default defineFunction(' }, 'schemas/version.ts'],
    ['a contract without its handler', { 'schemas/other.ts': anyContract() }, 'schemas/other.ts'],
    [
      'settings that are wrong',
      { 'deploy/gateway.config.ts': 'export default { nonsense: 1 };' },
      'deploy/gateway.config.ts',
    ],
  ])('of %s is refused, tells the file, and the running release stays', async (_what, files, file) => {
    const project = functionsProject({ version: "return 'one';" });
    const server = await startTestServer(project, { env: ONE_WORKER });
    mkdirSync(join(project, 'deploy'), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(project, path), text);
    const { status, body } = await admin(server, '/admin/reload');
    expect([status, body]).toMatchObject([422, { code: 'release-rejected', problems: [{ file }] }]);
    expect(await said(server)).toBe('one');
    expect(await admin(server, '/admin/releases', 'GET')).toMatchObject({
      body: { releases: [{ release: 1, state: 'current' }], events: [{}, { event: 'refused', release: 2 }] },
    });
  });

  test('leaves a call that runs, and what that calls, with the release it began in', async () => {
    const project = functionsProject({
      outer: "while (!file_exists($input)) { usleep(10_000); } return ['one', $call->invoke('version')];",
      version: "return 'one';",
    });
    const server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '2' } });
    const flag = join(openFolder(), 'go');
    const running = callUrl(server.url, 'outer', flag);
    await until(
      'it runs',
      () =>
        server.gateway.pools()[0]?.functions.some(({ name, running }) => name === 'outer' && running === 1) === true,
    );
    write(project, 'version', "return 'two';");
    await server.reload();
    expect(await said(server)).toBe('two');
    writeFileSync(flag, '');
    expect(await (await running).json()).toEqual(['one', 'one']);
  });

  test('leaves a stream to its end, however long that is, though all else of its release has ended', async () => {
    const gate = new Gate();
    const project = functionsProject({
      items: [`yield 'one'; ${gate.waiting} yield 'two';`, 'output: stream(z.string()), timeoutMs: 60_000'],
    });
    // It is for what runs when the gateway stops, not for what a reload replaces.
    const env = { ...ONE_WORKER, FPMG_SHUTDOWN_GRACE_MS: '100', FPMG_RELOAD__WATCH_MS: '0' };
    const server = await startTestServer(project, { env });
    const answer = await callUrl(server.url, 'items', null);
    await server.reload();
    expect(server.releases.releases).toMatchObject([{ state: 'draining', requests: 1 }, { state: 'current' }]);
    gate.open();
    expect(await answer.text()).toContain('two');
    await until('it has ended', () => server.releases.releases.length === 1);
  });

  test('is not to be had from a page in a browser, nor by GET', async () => {
    const server = await startTestServer(functionsProject({ version: 'return 1;' }), { env: ONE_WORKER });
    const page = { method: 'POST', headers: { origin: 'https://elsewhere.example' } };
    expect((await fetch(`${server.adminUrl}/admin/reload`, page)).status).toBe(403);
    expect((await fetch(`${server.adminUrl}/admin/reload`)).headers.get('allow')).toBe('POST');
    expect(server.releases.releases).toHaveLength(1);
  });
});

describe('a new release that fails', () => {
  test('in its first calls makes room for the one before it', async () => {
    const project = functionsProject({ version: "return 'one';" });
    const server = await startTestServer(project, { env: { ...ONE_WORKER, FPMG_RELOAD__WATCH_MS: '3600000' } });
    expect(await said(server)).toBe('one');
    write(project, 'version', "throw new \\RuntimeException('bad');");
    await server.reload();
    for (let call = 0; call < 5; call += 1) expect(await said(server)).toBe(500);
    expect(await said(server)).toBe('one');
    expect(server.releases.events.at(-1)).toMatchObject({
      event: 'rolled-back',
      release: 2,
      detail: 'version failed 5 of its first 5 calls: release 1 serves again',
    });
    await until('the other has drained', () => server.releases.releases.length === 1);
  });

  test('as the one before it did stays', async () => {
    const project = functionsProject({ version: "throw new \\RuntimeException('bad');" });
    const server = await startTestServer(project, { env: { ...ONE_WORKER, FPMG_RELOAD__WATCH_MS: '3600000' } });
    for (let call = 0; call < 5; call += 1) await said(server);
    await server.reload();
    for (let call = 0; call < 6; call += 1) expect(await said(server)).toBe(500);
    expect(server.releases.releases.find(({ state }) => state === 'current')).toMatchObject({ release: 2 });
  });

  test('behind its trial stays: nobody stands by any more', async () => {
    const project = functionsProject({ version: "return 'one';" });
    const server = await startTestServer(project, { env: { ...ONE_WORKER, FPMG_RELOAD__WATCH_MS: '1' } });
    write(project, 'version', "throw new \\RuntimeException('bad');");
    await server.reload();
    await until('the other has drained', () => server.releases.releases.length === 1);
    for (let call = 0; call < 6; call += 1) expect(await said(server)).toBe(500);
  });
});

describe('going back', () => {
  test('there is nothing to go back to behind a start', async () => {
    const server = await startTestServer(functionsProject({ version: 'return 1;' }), { env: ONE_WORKER });
    expect(await admin(server, '/admin/rollback')).toMatchObject({
      status: 409,
      body: { code: 'no-previous-release' },
    });
  });

  test('to one that stands by takes no start', async () => {
    const project = functionsProject({ version: "return 'one';" });
    const server = await startTestServer(project, { env: { ...ONE_WORKER, FPMG_RELOAD__WATCH_MS: '3600000' } });
    const first = server.gateway;
    write(project, 'version', "return 'two';");
    await server.reload();
    expect(await admin(server, '/admin/rollback')).toMatchObject({ status: 200, body: { release: 1, previous: 2 } });
    expect(server.gateway).toBe(first);
    expect(await said(server)).toBe('one');
  });

  test('to one whose processes have ended starts it anew from its own folder, and twice is there again', async () => {
    const one = functionsProject({ version: "return 'one';" });
    const two = writeProject({});
    cpSync(one, two, { recursive: true });
    write(two, 'version', "return 'two';");
    const link = join(writeProject({}), 'current');
    symlinkSync(one, link);
    const server = await startTestServer(link, { env: { ...ONE_WORKER, FPMG_RELOAD__WATCH_MS: '0' } });
    rmSync(link);
    symlinkSync(two, link);
    await server.reload();
    expect(await said(server)).toBe('two');
    await server.restore();
    expect(await said(server)).toBe('one');
    await server.restore();
    expect(await said(server)).toBe('two');
  });
});
