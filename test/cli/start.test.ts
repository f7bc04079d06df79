/** `fpm-gateway start` as a process: what it says, what it refuses, how it ends. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { runCommand, serve } from '../support/command.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { anyContract, functionsProject, handler, writeProject } from '../support/project.ts';
import { rawPost, rawRequest } from '../support/raw-http.ts';
import { CONTROLS } from '../support/terminal.ts';
import { until } from '../support/until.ts';

describe('ready', () => {
  test('the banner says where, what and how to try it, without escape codes in a pipe', async () => {
    const cli = runCommand([
      '--project',
      functionsProject({ echo: ['return $input;', "summary: 'Gives it back'"] }),
      'start',
    ]);
    await until('the banner is out', () => cli.out().includes('Ctrl-C'));
    const text = cli.out();
    const url = /HTTP +(http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1] ?? '';
    expect(text).toMatch(/fpm-gateway \d+\.\d+\.\d+ ready in \d+ ms/);
    expect(text).toMatch(/Admin +http:\/\/127\.0\.0\.1:\d+/);
    expect(text).toMatch(/echo +default +POST +Gives it back/);
    expect(text).toMatch(/default +2 workers +PHP 8\.\d+\.\d+ +managed/);
    expect(text).toContain(`-d 'null' ${url}/functions/echo`);
    expect(text).toContain(`curl -sS ${url}/openapi.json`);
    expect(text).not.toMatch(CONTROLS);
    expect((await callUrl(url, 'echo', 1)).status).toBe(200);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(cli.err()).toBe('');
  });

  test('--json announces one event, and then logs each call as a line that the end does not lose', async () => {
    const cli = await serve('start', functionsProject({ echo: 'return $input;' }));
    expect(cli.events()[0]).toMatchObject({
      event: 'ready',
      url: cli.url,
      adminUrl: cli.adminUrl,
      functions: ['echo'],
    });
    await callUrl(cli.url, 'echo', 1);
    await callUrl(cli.url, 'none%1b%5b31m', 1);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(cli.events()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ level: 30, msg: 'call', function: 'echo', status: 200 }),
        expect.objectContaining({ level: 40, msg: 'call refused', function: 'unknown function', status: 404 }),
      ]),
    );
    expect(cli.out()).not.toMatch(CONTROLS);
  });

  test('the log level of the config is followed', async () => {
    const project = functionsProject({ echo: 'return $input;' });
    mkdirSync(join(project, 'deploy'));
    writeFileSync(join(project, 'deploy/gateway.config.ts'), "export default { log: { level: 'silent' } };");
    const cli = await serve('start', project);
    await callUrl(cli.url, 'none', 1);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(cli.events().map(({ event, msg }) => event ?? msg)).toEqual(['ready']);
  });

  test('it listens on a unix socket, over one that a killed gateway left behind', async () => {
    const socket = join(temporaryFolder(), 'http.sock');
    const project = functionsProject({ echo: 'return $input;' });
    const env = { FPMG_HTTP__SOCKET: socket, FPMG_HTTP__SERVER_TIMING: 'trusted' };
    const killed = await serve('start', project, { env });
    expect(killed.url).toBe(`unix:${socket}`);
    killed.child.kill('SIGKILL');
    await killed.exit;
    expect(statSync(socket).isSocket()).toBe(true);
    const cli = await serve('start', project, { env });
    const answer = await rawRequest(cli.url, rawPost('/functions/echo', '1'));
    expect([answer.status, answer.headers['server-timing'] !== undefined]).toEqual([200, true]);
    cli.child.kill('SIGTERM');
    expect(await cli.exit).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });
});

describe('what cannot start', () => {
  const failing = async (
    project: string,
    env: Record<string, string>,
  ): Promise<{ err: string; problems: unknown[] }> => {
    const [plain, json] = [
      runCommand(['--project', project, 'start'], { env }),
      runCommand(['--project', project, 'start', '--json'], { env }),
    ];
    expect([await plain.exit, await json.exit]).toEqual([1, 1]);
    expect(plain.out()).toBe('');
    expect(plain.err()).toContain('fpm-gateway cannot start');
    expect(plain.err()).not.toMatch(CONTROLS);
    expect(plain.err()).not.toMatch(/^ +at /m);
    return { err: plain.err(), problems: json.events()[0]?.problems as unknown[] };
  };

  test('a port in use: says which, and how to choose another', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const project = functionsProject({ echo: 'return 1;' });
    const { err } = await failing(project, { FPMG_HTTP__PORT: String(port) });
    expect(err).toContain(`127.0.0.1:${port} is in use`);
    expect(err).toContain('PORT=8090');
  });

  test("somebody's file where the socket should be: it stays", async () => {
    const project = writeProject({
      'schemas/echo.ts': anyContract(),
      'functions/echo.php': handler('return 1;'),
      'precious.txt': 'keep me',
    });
    const { err } = await failing(project, { FPMG_HTTP__SOCKET: join(project, 'precious.txt') });
    expect(err).toContain('precious.txt');
    expect(statSync(join(project, 'precious.txt')).size).toBe(7);
  });

  test('every mistake of the settings at once, each by the name of where it was made', async () => {
    const project = functionsProject({ echo: 'return 1;' });
    mkdirSync(join(project, 'deploy'));
    writeFileSync(
      join(project, 'deploy/gateway.config.ts'),
      "export default { http: { prot: 1 }, limits: { bodyMaxBytes: 'lots' }, pools: { default: { workers: 0 } } };",
    );
    const { err, problems } = await failing(project, {
      FPMG_LIMITS__JSON_DEPTH: 'deep',
      FPMG_NO_SUCH_THING: '1',
      FPMG_HTTP__NO_SUCH_MEMBER: '1',
      PORT: 'eighty',
      FPMG_POOLS__DEFAULT__WORKERS: '',
      FPMG_HTTP__PORT: '',
    });
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ file: 'deploy/gateway.config.ts', property: 'limits.bodyMaxBytes' }),
        expect.objectContaining({
          file: 'deploy/gateway.config.ts',
          property: 'http',
          detail: expect.stringContaining('prot'),
        }),
        expect.objectContaining({ file: 'FPMG_LIMITS__JSON_DEPTH', property: 'limits.jsonDepth' }),
        expect.objectContaining({ file: 'FPMG_NO_SUCH_THING', detail: expect.stringContaining('http') }),
        expect.objectContaining({ file: 'FPMG_HTTP__NO_SUCH_MEMBER', detail: expect.stringContaining('port') }),
        expect.objectContaining({ file: 'PORT', property: 'http.port' }),
        expect.objectContaining({ property: 'pools.default.workers' }),
      ]),
    );
    expect(err).toContain(`${problems.length} problems`);
  });

  test('every mistake of the functions at once, with file and line', async () => {
    const project = writeProject({
      'schemas/broken.ts': "import { z } from 'zod';\n\nthrow new Error('on purpose');\n",
      'functions/broken.php': handler('return 1;'),
      'schemas/lonely.ts': anyContract(),
      'functions/orphan.php': handler('return 1;'),
      'schemas/UPPER.ts': anyContract(),
      'schemas/wrong.ts': anyContract("timeoutMs: 'long'"),
      'functions/wrong.php': handler('return 1;'),
    });
    const { problems } = await failing(project, {});
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ file: 'schemas/broken.ts', line: 3, detail: expect.stringContaining('on purpose') }),
        expect.objectContaining({ file: 'schemas/lonely.ts', property: 'handler' }),
        expect.objectContaining({ file: 'functions/orphan.php' }),
        expect.objectContaining({ file: 'schemas/UPPER.ts' }),
        expect.objectContaining({ file: 'schemas/wrong.ts', property: 'timeoutMs' }),
      ]),
    );
  });

  test('an unknown command or option: says so', async () => {
    const cli = runCommand(['strat']);
    expect(await cli.exit).toBe(1);
    expect(cli.err()).toContain('strat');
  });
});
