/** How `fpm-gateway start` ends: what runs is finished, what waits for nothing is not waited for, PHP goes too. */
import { existsSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { callUrl, runCommand, serve } from '../support/command.ts';
import { functionsProject, until } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { Runs, runtimeDir } from '../support/server.ts';

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

const waiting = (gate: Runs, runs: Runs): string =>
  runs.marking(`while (!file_exists('${gate.file}')) { usleep(1000); clearstatcache(); } return 'done';`);

test('SIGTERM lets running calls finish, refuses new connections, stops PHP and exits with 0', async () => {
  const [gate, runs] = [new Runs(), new Runs()];
  const cli = await serve('start', functionsProject({ wait: waiting(gate, runs) }));
  const running = await openRaw(cli.url);
  running.send(rawPost('/functions/wait', '1'));
  await until('it runs', () => runs.count === 1);
  const { masterPid } = cli;
  expect(alive(masterPid)).toBe(true);
  cli.child.kill('SIGTERM');
  await until('it refuses connections', async () => {
    try {
      await fetch(`${cli.url}/healthz`);
      return false;
    } catch {
      return true;
    }
  });
  gate.open();
  const answer = await running.answer();
  expect([answer.status, answer.body, answer.headers.connection]).toEqual([200, '"done"', 'close']);
  await running.ended;
  expect(await cli.exit).toBe(0);
  expect(alive(masterPid)).toBe(false);
});

test('pipelined calls that run when it stops are all answered', async () => {
  const [gate, runs] = [new Runs(), new Runs()];
  const cli = await serve('start', functionsProject({ wait: waiting(gate, runs) }));
  const connection = await openRaw(cli.url);
  connection.send(Buffer.concat([rawPost('/functions/wait', '1'), rawPost('/functions/wait', '2')]));
  await until('both run', () => runs.count === 2);
  cli.child.kill('SIGTERM');
  await until('it stops', () => cli.events().some(({ msg }) => String(msg).startsWith('stopping')));
  gate.open();
  const answers = [await connection.answer(), await connection.answer()];
  expect(answers.map(({ status, headers }) => [status, headers.connection])).toEqual([
    [200, 'keep-alive'],
    [200, 'close'],
  ]);
  expect(await cli.exit).toBe(0);
});

test('connections that are idle or have sent half a request do not hold it', async () => {
  const cli = await serve('start', functionsProject({ echo: 'return 1;' }));
  const idle = await openRaw(cli.url);
  const half = await openRaw(cli.url);
  const kept = await openRaw(cli.url);
  kept.send(rawPost('/functions/echo', '1'));
  expect((await kept.answer()).status).toBe(200);
  half.send(rawPost('/functions/echo', '[1', { 'content-length': '100' }));
  await until('the server knows them', async () => (await fetch(`${cli.url}/healthz`)).ok);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  await Promise.all([idle.ended, half.ended, kept.ended]);
});

test('an answer on its way to a slow reader arrives whole', async () => {
  const cli = await serve('start', functionsProject({ big: "return str_repeat('x', 6_000_000);" }));
  const slow = await openRaw(cli.url);
  slow.socket.pause();
  slow.send(rawPost('/functions/big', '1'));
  await until('the call is over', async () => {
    const { traces } = (await (await fetch(`${cli.adminUrl}/traces`)).json()) as { traces: unknown[] };
    return traces.length === 1;
  });
  cli.child.kill('SIGTERM');
  await until('it stops', () => cli.events().some(({ msg }) => String(msg).startsWith('stopping')));
  slow.socket.resume();
  expect((await slow.answer()).body.length).toBe(6_000_002);
  expect(await cli.exit).toBe(0);
});

test('a second signal ends it at once, with its PHP', async () => {
  const [gate, runs] = [new Runs(), new Runs()];
  const cli = await serve('start', functionsProject({ wait: waiting(gate, runs) }));
  const running = await openRaw(cli.url);
  running.send(rawPost('/functions/wait', '1'));
  await until('it runs', () => runs.count === 1);
  const { masterPid } = cli;
  cli.child.kill('SIGTERM');
  await until('it stops', () => cli.events().some(({ msg }) => String(msg).startsWith('stopping')));
  cli.child.kill('SIGINT');
  expect(await cli.exit).toBe(1);
  await running.ended;
  await until('PHP is gone', () => !alive(masterPid));
});

test('a signal during the start ends it without leaving PHP behind', async () => {
  const folder = runtimeDir();
  const project = functionsProject({ echo: 'return 1;' });
  const cli = runCommand(['--project', project, 'start', '--json'], { env: { FPMG_RUNTIME_DIR: folder } });
  await until('it has begun to start', () => existsSync(folder) && statSync(folder).nlink > 2);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  // Its instance folder is gone, and with it every socket.
  expect(statSync(folder).nlink).toBe(2);
});

test('a reader that goes away does not end the server', async () => {
  const cli = await serve('start', functionsProject({ echo: 'return 1;' }));
  cli.child.stdout?.destroy();
  for (let at = 0; at < 20; at += 1) expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
});
