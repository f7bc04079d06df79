/** How `fpm-gateway start` ends: what runs is finished, what waits for nothing is not waited for, PHP goes too. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { refusesConnections, runCommand, type ServingCommand, serve } from '../support/command.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, type RawConnection, rawPost } from '../support/raw-http.ts';
import { Gate, Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

interface Waiting {
  readonly cli: ServingCommand;
  readonly gate: Gate;
  readonly connection: RawConnection;
}

/** A gateway and so many pipelined calls that run in it until the gate is opened. */
const waiting = async (calls: number): Promise<Waiting> => {
  const [gate, runs] = [new Gate(), new Runs()];
  const wait = runs.marking(`${gate.waiting} return 'done';`);
  const cli = await serve('start', functionsProject({ wait }));
  const connection = await openRaw(cli.url);
  connection.send(Buffer.concat(Array.from({ length: calls }, (_, at) => rawPost('/functions/wait', String(at)))));
  await until('they all run', () => runs.count === calls);
  return { cli, gate, connection };
};

const stopping = async (cli: ServingCommand): Promise<void> => {
  cli.child.kill('SIGTERM');
  await until('it stops', () => cli.events().some(({ msg }) => String(msg).startsWith('stopping')));
};

test('SIGTERM lets running calls finish, refuses new connections, stops PHP and exits with 0', async () => {
  const { cli, gate, connection } = await waiting(1);
  const { masterPid } = cli;
  expect(isAlive(masterPid)).toBe(true);
  cli.child.kill('SIGTERM');
  await refusesConnections(cli);
  gate.open();
  const answer = await connection.answer();
  expect([answer.status, answer.body, answer.headers.connection]).toEqual([200, '"done"', 'close']);
  await connection.ended;
  expect(await cli.exit).toBe(0);
  expect(isAlive(masterPid)).toBe(false);
});

test('pipelined calls that run when it stops are all answered', async () => {
  const { cli, gate, connection } = await waiting(2);
  await stopping(cli);
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

test('with shutdownDelayMs it says that it stops while it still serves; a second signal ends that', async () => {
  const env = { FPMG_SHUTDOWN_DELAY_MS: '3600000' };
  const cli = await serve('start', functionsProject({ echo: 'return $input;' }), { env });
  const kept = await openRaw(cli.url);
  await stopping(cli);
  await until('it is not ready', async () => (await fetch(`${cli.url}/readyz`)).status === 503);
  expect(await (await fetch(`${cli.url}/readyz`)).json()).toMatchObject({ detail: 'the gateway is stopping' });
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  kept.send(rawPost('/functions/echo', '2'));
  expect(await kept.answer()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(1);
});

test('SIGINT does not wait for a load balancer', async () => {
  const env = { FPMG_SHUTDOWN_DELAY_MS: '3600000' };
  const cli = await serve('start', functionsProject({ echo: 'return $input;' }), { env });
  cli.child.kill('SIGINT');
  expect(await cli.exit).toBe(0);
});

test('who keeps asking on a kept connection is answered to the last, which says so', async () => {
  const cli = await serve('start', functionsProject({ echo: 'return $input;' }));
  const kept = await openRaw(cli.url);
  const asking = (async () => {
    for (;;) {
      kept.send(rawPost('/functions/echo', '1'));
      const { status, headers } = await kept.answer();
      if (status !== 200 || headers.connection === 'close') return { status, connection: headers.connection };
    }
  })();
  cli.child.kill('SIGTERM');
  expect(await asking).toEqual({ status: 200, connection: 'close' });
  expect(await cli.exit).toBe(0);
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
  await stopping(cli);
  slow.socket.resume();
  expect((await slow.answer()).body.length).toBe(6_000_002);
  expect(await cli.exit).toBe(0);
});

test('a second signal ends it at once, with its PHP', async () => {
  const { cli, connection } = await waiting(1);
  const { masterPid } = cli;
  await stopping(cli);
  cli.child.kill('SIGINT');
  expect(await cli.exit).toBe(1);
  await connection.ended;
  await until('PHP is gone', () => !isAlive(masterPid));
});

test('a signal during the start ends it without leaving PHP behind', async () => {
  const folder = temporaryFolder();
  const project = functionsProject({ echo: 'return 1;' });
  const cli = runCommand(['--project', project, 'start', '--json'], { env: { FPMG_RUNTIME_DIR: folder } });
  await until('it has begun to start', () => existsSync(folder) && statSync(folder).nlink > 2);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  // Its instance folder is gone, and with it every socket.
  expect(statSync(folder).nlink).toBe(2);
});

test('a signal ends it though its config waits for what never comes', async () => {
  const folder = temporaryFolder();
  const project = functionsProject({
    echo: 'return 1;',
    'deploy/gateway.config.ts': `
      import { writeFileSync } from 'node:fs';
      writeFileSync('${folder}/loads', '');
      await new Promise(() => setInterval(() => {}, 1000));
      export default {};`,
  });
  const cli = runCommand(['--project', project, 'start', '--json']);
  await until('it loads', () => existsSync(join(folder, 'loads')));
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
});

test('one that is told to stop while it reloads leaves nothing behind', async () => {
  const folder = temporaryFolder();
  const cli = await serve('start', functionsProject({ echo: 'return 1;' }), { env: { FPMG_RUNTIME_DIR: folder } });
  const before = statSync(folder).nlink;
  cli.child.kill('SIGHUP');
  await until('the next release starts', () => statSync(folder).nlink > before);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  expect(statSync(folder).nlink).toBe(2);
});

test('a reader that goes away does not end the server', async () => {
  const cli = await serve('start', functionsProject({ echo: 'return 1;' }));
  cli.child.stdout?.destroy();
  for (let at = 0; at < 20; at += 1) expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
});

test('a reader of the output that has gone does not keep the gateway from stopping', async () => {
  const cli = await serve('start', functionsProject({ echo: 'return $input;' }));
  cli.child.stdout?.destroy();
  cli.child.stderr?.destroy();
  for (let at = 0; at < 50; at += 1) await callUrl(cli.url, 'echo', 'x'.repeat(1000));
  const exited = new Promise((resolve) => cli.child.once('exit', resolve));
  cli.child.kill('SIGTERM');
  expect(await exited).toBe(0);
  expect(isAlive(cli.masterPid)).toBe(false);
});

test('a refinement that rejects when zod no longer waits fails its call, and no other', async () => {
  const project = functionsProject({
    later: ['return 1;', "output: z.any().refine(async () => { await 1; throw new Error('later'); })"],
    echo: 'return $input;',
  });
  const cli = await serve('start', project);
  expect(await (await callUrl(cli.url, 'later', 1)).json()).toMatchObject({ code: 'contract-error' });
  await until('it is told', () => cli.events().some(({ msg }) => String(msg).startsWith('a promise failed')));
  expect(await (await callUrl(cli.url, 'echo', 'still here')).json()).toBe('still here');
});
