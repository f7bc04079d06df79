/** A new process takes the place of the old one: nobody who calls notices. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { serveReplaceable } from '../support/handover.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost, rawRequest } from '../support/raw-http.ts';
import { type SteadyLoad, startSteadyLoad } from '../support/steady-load.ts';
import { Gate, Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const HANDOVERS = 2;
/** Each is a start of the whole gateway, under calls. */
const SLOW_MS = 180_000;
const ECHO = { echo: 'return $input;' };
const REQUEST = rawPost('/functions/echo', '1');

/**
 * Callers that keep their connections, such that open a new one for each request, and such that ask now and then. Open
 * loops, as one that asks without pause would leave the new process no CPU to start.
 */
const loadOn = (url: string): SteadyLoad[] => [
  startSteadyLoad({
    url,
    request: REQUEST,
    connections: 8,
    requestsPerConnection: Number.POSITIVE_INFINITY,
    perSecond: 200,
  }),
  startSteadyLoad({ url, request: REQUEST, connections: 8, requestsPerConnection: 1, perSecond: 100 }),
  startSteadyLoad({ url, request: REQUEST, connections: 50, requestsPerConnection: 3, perSecond: 30 }),
];

const survives = async (url: string, replace: () => Promise<number>): Promise<void> => {
  const loads = loadOn(url);
  for (let at = 0; at < HANDOVERS; at += 1) {
    const before = loads.map((load) => load.answered());
    await replace();
    await until('all are answered on', () => loads.every((load, which) => load.answered() > (before[which] ?? 0) + 10));
  }
  for (const load of loads) {
    const { statuses, errors } = await load.stop();
    expect({ statuses: Object.keys(statuses), errors }).toEqual({ statuses: ['200'], errors: {} });
  }
};

test('under steady calls the process changes again and again, and not one call fails', {
  timeout: SLOW_MS,
}, async () => {
  const cli = await serveReplaceable(functionsProject(ECHO));
  await survives(cli.url, cli.replace);
  const pids = cli.pids();
  expect(new Set(pids).size).toBe(HANDOVERS + 1);
  await until('the old ones have ended', () => !pids.slice(0, -1).some(isAlive));
  cli.signal('SIGTERM');
  await cli.exit;
  expect(isAlive(pids.at(-1) ?? 0)).toBe(false);
});

test('the same on a unix socket, whose path stays until the last one stops', { timeout: SLOW_MS }, async () => {
  const socket = join(temporaryFolder(), 'http.sock');
  const cli = await serveReplaceable(functionsProject(ECHO), { env: { FPMG_HTTP__SOCKET: socket } });
  const { ino } = statSync(socket);
  await survives(cli.url, cli.replace);
  expect(cli.url).toBe(`unix:${socket}`);
  await until('the old ones have ended', () => !cli.pids().slice(0, -1).some(isAlive));
  expect(statSync(socket).ino).toBe(ino);
  cli.signal('SIGTERM');
  await cli.exit;
  expect(existsSync(socket)).toBe(false);
});

test('the old process ends what it has begun, and answers who is still connected once more', async () => {
  const [gate, runs] = [new Gate(), new Runs()];
  const project = functionsProject({ ...ECHO, wait: runs.marking(`${gate.waiting} return 'done';`) });
  const cli = await serveReplaceable(project);
  const [busy, idle] = [await openRaw(cli.url), await openRaw(cli.url)];
  idle.send(REQUEST);
  expect((await idle.answer()).headers.connection).toBe('keep-alive');
  busy.send(rawPost('/functions/wait', '1'));
  await until('it runs', () => runs.count === 1);
  await cli.replace();
  idle.send(REQUEST);
  expect(await idle.answer()).toMatchObject({ status: 200, headers: { connection: 'close' } });
  gate.open();
  expect(await busy.answer()).toMatchObject({ status: 200, body: '"done"', headers: { connection: 'close' } });
  await until('it ends', () => !isAlive(cli.pids()[0] ?? 0));
  expect((await rawRequest(cli.url, REQUEST)).status).toBe(200);
});

test('a new process that cannot start says why, and the old one serves on', async () => {
  const project = functionsProject(ECHO);
  const cli = await serveReplaceable(project);
  const broken = join(project, 'schemas', 'echo.ts');
  const good = readFileSync(broken, 'utf8');
  writeFileSync(broken, 'export default {};');
  cli.signal('SIGUSR2');
  await until('it is told', () => cli.messages().some((msg) => msg.startsWith('the new process does not serve')));
  expect(cli.events().find(({ why, level }) => why !== undefined && level === 50)).toMatchObject({
    why: 'it ended with exit code 1',
    problems: expect.arrayContaining([expect.objectContaining({ file: 'schemas/echo.ts', property: 'input' })]),
  });
  expect(cli.pids().length).toBe(1);
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  writeFileSync(broken, good);
  await cli.replace();
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
});

/** A project whose config, once it is loaded again, waits for a file. */
const slowProject = (gate: Gate): string => {
  const project = functionsProject({
    ...ECHO,
    'deploy/gateway.config.ts': `
      import { existsSync, writeFileSync } from 'node:fs';
      writeFileSync(\`${gate.file}.\${process.pid}\`, '');
      while (!existsSync('${gate.file}')) await new Promise((resolve) => setTimeout(resolve, 5));
      export default {};`,
  });
  return project;
};

test('another request for a new process is refused while one still starts; one that is killed leaves the old one', async () => {
  const gate = new Gate();
  gate.open();
  const cli = await serveReplaceable(slowProject(gate));
  gate.close();
  cli.signal('SIGUSR2');
  const newPid = (): number => Number(cli.events().find((event) => 'newPid' in event)?.newPid ?? 0);
  await until('it starts', () => newPid() > 0);
  cli.signal('SIGUSR2');
  await until('it is refused', () => cli.messages().includes('no new process is started: another one still starts'));
  process.kill(newPid(), 'SIGKILL');
  await until('it is told', () => cli.events().some(({ why }) => why === 'it ended by SIGKILL'));
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
});

test('a gateway that is stopped while a new process starts takes that with it', async () => {
  const gate = new Gate();
  gate.open();
  const cli = await serveReplaceable(slowProject(gate));
  gate.close();
  cli.signal('SIGUSR2');
  const newPid = (): number => Number(cli.events().find((event) => 'newPid' in event)?.newPid ?? 0);
  await until('it starts', () => newPid() > 0);
  cli.signal('SIGTERM');
  await cli.exit;
  expect(isAlive(newPid())).toBe(false);
});

test('a new process that is told to end before it serves takes neither the pid file nor the service with it', async () => {
  const gate = new Gate();
  gate.open();
  const folder = temporaryFolder();
  const [file, told] = [join(folder, 'pid'), join(folder, 'told')];
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >> '${told}'\n`, { mode: 0o755 });
  const env = { NOTIFY_SOCKET: join(folder, 'notify'), PATH: `${folder}:${process.env.PATH}` };
  const cli = await serveReplaceable(slowProject(gate), { args: ['--pid-file', file], env });
  await until('systemd is told', () => existsSync(told));
  gate.close();
  cli.signal('SIGUSR2');
  const newPid = (): number => Number(cli.events().find((event) => 'newPid' in event)?.newPid ?? 0);
  await until('it starts', () => newPid() > 0);
  // Only then does it hear signals.
  await until('it loads', () => existsSync(`${gate.file}.${newPid()}`));
  process.kill(newPid(), 'SIGTERM');
  await until('it is told', () => cli.events().some(({ why }) => why === 'it ended with exit code 0'));
  expect(Number(readFileSync(file, 'utf8'))).toBe(cli.pids()[0]);
  expect(readFileSync(told, 'utf8')).toBe('READY=1\n');
});

test('the pid file tells who serves', async () => {
  const file = join(temporaryFolder(), 'pid');
  const cli = await serveReplaceable(functionsProject(ECHO), { args: ['--pid-file', file] });
  expect(Number(readFileSync(file, 'utf8'))).toBe(cli.pids()[0]);
  const second = await cli.replace();
  expect(Number(readFileSync(file, 'utf8'))).toBe(second);
  await until('the old one has ended', () => !isAlive(cli.pids()[0] ?? 0));
  cli.signal('SIGTERM');
  await cli.exit;
  expect(existsSync(file)).toBe(false);
});

test('a listener that the settings want elsewhere is made anew', async () => {
  const folder = temporaryFolder();
  const project = functionsProject({
    ...ECHO,
    'deploy/gateway.config.ts': `export default { internal: { socket: '${folder}/one.sock' } };`,
  });
  const cli = await serveReplaceable(project);
  writeFileSync(
    join(project, 'deploy/gateway.config.ts'),
    `export default { internal: { socket: '${folder}/two.sock' } };`,
  );
  await cli.replace();
  expect((await rawRequest(`unix:${folder}/two.sock`, REQUEST)).status).toBe(200);
  rmSync(join(project, 'deploy/gateway.config.ts'));
});
