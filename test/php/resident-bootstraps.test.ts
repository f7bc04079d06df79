/** Bootstraps of resident workers that go wrong: told at start, with what to mend; or none of anybody's business. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Log } from '../../gateway/log.ts';
import { formatProblem, StartupError } from '../../gateway/startup.ts';
import { runCommand } from '../support/command.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, temporaryFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { allIdle, residentPids, restartsOf, startResident } from '../support/resident-pool.ts';
import { until } from '../support/until.ts';

const BY = 'return [Loaded::$by, getmypid()];';
const LOADED =
  '<?php final class Loaded { public static int $by = 0; public static string $at = ""; } Loaded::$by = getmypid();';

const refusal = async (bootstrap: string, resident: object = {}): Promise<string> => {
  const outcome = await startResident({ ok: 'return 1;' }, { bootstrap, resident }).catch((error: unknown) => error);
  if (!(outcome instanceof StartupError)) throw new Error(`It started: ${String(outcome)}`);
  expect(outcome.problems).toHaveLength(1);
  return outcome.problems.map(formatProblem).join('\n');
};

test.each([
  ['throws', '<?php\n\nthrow new DomainException("no database");', /^app\/app\.php:3\n.*DomainException: no database/],
  ['does not parse', '<?php\n\n$a = ;', /^app\/app\.php:3\n.*syntax error/],
  ['exits', '<?php exit(3);', /^app\/app\.php\n.*exit\(\)/],
  ['dies with a text', '<?php die("SECRET");', /^app\/app\.php\n.*exit\(\)/],
  ['is a fatal error', '<?php\nclass A {}\nclass A {}', /^app\/app\.php:3\n.*Cannot declare class A/],
  ['uses up memory', '<?php\n$a = str_repeat("x", 1 << 30);', /^app\/app\.php:2\n.*Allowed memory size/],
  ['is killed', '<?php posix_kill(getmypid(), 9); sleep(1);', /^pools\.default.*bootstrap\n.*SIGKILL/],
])('a bootstrap that %s stops the start, told with its place', async (_, bootstrap, told) => {
  expect(await refusal(bootstrap)).toMatch(told);
});

test('a bootstrap that takes too long stops the start, told with its limit and the setting', async () => {
  const folder = openFolder();
  const bootstrap = `<?php file_put_contents('${folder}/pid', getmypid()); while (true) { sleep(1); }`;
  const said = await refusal(bootstrap, { bootstrapTimeoutMs: 500 });
  expect(said).toMatch(/^pools\.default.*bootstrap\n.*did not end within 500 ms.*resident\.bootstrapTimeoutMs/);
  const pid = Number(readFileSync(`${folder}/pid`, 'utf8'));
  await until('its process is gone', () => !isAlive(pid));
});

test('a bootstrap there is not', async () => {
  const project = functionsProject({ ok: ['return 1;', "engine: 'resident'"] });
  const start = startGateway({ pools: { default: { bootstrap: 'nowhere.php' } } }, { project });
  await expect(start).rejects.toThrow(/pools\.default\.bootstrap\n.*no file nowhere\.php/);
});

test('a bootstrap that prints stops the start, as under php-fpm, where each call would print it', async () => {
  const said = await refusal(`${LOADED} echo 'SECRET'; ob_start(); echo 'SECRET'; header('A: b');`);
  expect(said).toMatch(/^pools\.default.*bootstrap\n.*The bootstrap prints "SECRETSECRET"/);
});

test('handlers that do not load are listed all at once, with file and line', async () => {
  const project = functionsProject({
    'functions/syntax.php': ['', ''],
    ...Object.fromEntries(
      ['syntax', 'number', 'prints', 'throws', 'good'].map((name) => [`schemas/${name}.ts`, ['', '']]),
    ),
  });
  const { anyContract } = await import('../support/project.ts');
  const { writeFileSync } = await import('node:fs');
  const sources: Record<string, string> = {
    syntax: '<?php\n\nreturn static function ($i) {\n  return $i\n};\n',
    number: '<?php\nreturn 5;\n',
    prints: '<?php\necho "hello";\nreturn fn ($i) => $i;\n',
    throws: '<?php\n\n\nthrow new \\Exception("not today");\n',
    good: '<?php\nreturn fn ($i) => $i;\n',
  };
  for (const [name, text] of Object.entries(sources)) {
    writeFileSync(`${project}/functions/${name}.php`, text);
    writeFileSync(`${project}/schemas/${name}.ts`, anyContract("engine: 'resident'"));
  }
  const failure: unknown = await startGateway({}, { project }).catch((error: unknown) => error);
  const problems = failure instanceof StartupError ? failure.problems.map(formatProblem) : [];
  expect(problems.sort()).toEqual([
    expect.stringMatching(/^functions\/number\.php\n.*must return a callable, but returns int/),
    expect.stringMatching(/^functions\/prints\.php\n.*hello/),
    expect.stringMatching(/^functions\/syntax\.php:5\n.*syntax error, unexpected token "}"/),
    expect.stringMatching(/^functions\/throws\.php:4\n.*not today/),
  ]);
});

test.each([
  ['exits', '<?php\nexit;\n', /functions\/bad\.php.*exit\(\)/s],
  [
    'is a fatal error',
    '<?php\nclass A {}\n\nclass A {}\nreturn fn ($i) => $i;\n',
    /functions\/bad\.php:4.*Cannot declare class A/s,
  ],
])('a handler that %s when loaded stops the start, told with its file', async (_, source, told) => {
  const project = functionsProject({ bad: ['return 1;', "engine: 'resident'"] });
  const { writeFileSync } = await import('node:fs');
  writeFileSync(`${project}/functions/bad.php`, source);
  await expect(startGateway({}, { project })).rejects.toThrow(told);
});

test('a bootstrap that opens a socket is loaded by each worker itself, and operators are told why', async () => {
  const server = createServer((socket) => socket.on('error', () => {}));
  const path = `${temporaryFolder()}/s.sock`;
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { chmodSync } = await import('node:fs');
  chmodSync(path, 0o666);
  chmodSync(path.replace('/s.sock', ''), 0o755);
  const connections = async (): Promise<number> =>
    await new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  const told: unknown[] = [];
  const log: Log = { debug: () => {}, info: () => {}, warn: (...line) => told.push(...line), error: () => {} };
  const project = functionsProject({
    by: [BY, "engine: 'resident'"],
    'app/app.php': [`${LOADED} $GLOBALS['db'] = stream_socket_client('unix://${path}');`, ''],
  });
  const gateway: Gateway = await startGateway(
    { pools: { default: { bootstrap: 'app/app.php', resident: { workers: 2 } } } },
    { project, log },
  );
  expect(JSON.stringify(told)).toMatch(/opened a socket/);
  await allIdle(gateway);
  const pids = residentPids(gateway);
  await until('each worker has its own connection, and nobody else has one', async () => (await connections()) === 2);
  for (let n = 0; n < 10; n += 1) {
    const [by, pid] = (await gateway.invoke('by', null)) as number[];
    expect(by).toBe(pid);
    expect(pids).toContain(pid);
  }
  await gateway.close();
  await until('no connection is left', async () => (await connections()) === 0);
  await new Promise((resolve) => server.close(resolve));
});

test('a bootstrap that begins to fail later: workers there are serve on, and the next ones are tried again', async () => {
  const folder = openFolder();
  const { existsSync, writeFileSync } = await import('node:fs');
  const gateway = await startResident(
    { by: BY, exits: 'exit;' },
    {
      // A file of the master would be seen by nobody: each worker loads it.
      bootstrap: `${LOADED} $GLOBALS['s'] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); if (is_file('${folder}/broken')) { file_put_contents('${folder}/tried', ''); throw new Exception('no database'); }`,
    },
  );
  await allIdle(gateway);
  writeFileSync(`${folder}/broken`, '');
  await expect(gateway.invoke('exits', null)).rejects.toMatchObject({ code: 'function-no-result' });
  await until('another was tried', () => existsSync(`${folder}/tried`));
  expect(await gateway.invoke('by', null)).toHaveLength(2);
  expect(residentPids(gateway)).toHaveLength(1);
  const { rmSync } = await import('node:fs');
  rmSync(`${folder}/broken`);
  await allIdle(gateway);
  expect(restartsOf(gateway)).toEqual({ exit: 1 });
});

test('a start whose bootstrap takes its time ends with the first signal, and the bootstrap with it', async () => {
  const folder = openFolder();
  const project = functionsProject({
    ok: ['return 1;', "engine: 'resident'"],
    'app/app.php': [`<?php file_put_contents('${folder}/pid', getmypid()); while (true) { sleep(1); }`, ''],
  });
  const env = {
    FPMG_POOLS__DEFAULT__BOOTSTRAP: 'app/app.php',
    FPMG_POOLS__DEFAULT__RESIDENT__BOOTSTRAP_TIMEOUT_MS: '600000',
  };
  const command = runCommand(['--project', project, 'start', '--json'], { env });
  await until('the bootstrap runs', () => existsSync(`${folder}/pid`) && readFileSync(`${folder}/pid`, 'utf8') !== '');
  command.child.kill('SIGTERM');
  expect(await command.exit).toBe(0);
  expect(isAlive(Number(readFileSync(`${folder}/pid`, 'utf8')))).toBe(false);
});
