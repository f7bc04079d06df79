/** `fpm-gateway dev`: changes of the project take over by themselves, without a failed call, or not at all. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { runCommand, type ServingCommand, serve } from '../support/command.ts';
import { anyContract, functionsProject, handler } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { CONTROLS } from '../support/terminal.ts';
import { until } from '../support/until.ts';

const write = (project: string, file: string, text: string): void => writeFileSync(join(project, file), text);

const result = async (cli: ServingCommand, name = 'greet'): Promise<unknown> => {
  const response = await callUrl(cli.url, name, { n: 1 });
  return response.ok ? await response.json() : response.status;
};

const eventsOf = (cli: ServingCommand, kind: string): Record<string, unknown>[] =>
  cli.events().filter(({ event }) => event === kind);

const config = (workers: number, extra = ''): string =>
  `export default { pools: { default: { workers: ${workers}${extra} } } };`;

const startDev = async (project: string): Promise<ServingCommand> => {
  mkdirSync(join(project, 'deploy'), { recursive: true });
  write(project, 'deploy/gateway.config.ts', config(2));
  return await serve('dev', project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '' } });
};

test('a handler, a contract, a shared module, the config and a new function take over while calls never fail', async () => {
  const project = functionsProject({ greet: "return 'one';" });
  mkdirSync(join(project, 'schemas/_shared'));
  write(project, 'schemas/_shared/limit.ts', 'export const limit = 10;');
  const limited = (more: string): string => `
    import { z } from 'zod';
    import { limit } from './_shared/limit.ts';
    export default { input: z.object({ n: z.int().max(limit) ${more} }), output: z.any() };`;
  write(project, 'schemas/greet.ts', limited(''));
  const cli = await startDev(project);
  expect(await result(cli)).toBe('one');

  let hammering = true;
  const statuses = new Map<number, number>();
  const hammer = async (): Promise<void> => {
    while (hammering) {
      const { status } = await callUrl(cli.url, 'greet', { n: 1 });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const hammers = [hammer(), hammer(), hammer()];

  // Its body arrives in two halves, with every reload between them.
  const slow = await openRaw(cli.url);
  slow.send(rawPost('/functions/greet', '{"n"', { 'content-length': '7' }));

  write(project, 'functions/greet.php', handler("return 'two';"));
  await until('the handler has changed', async () => (await result(cli)) === 'two');

  write(project, 'schemas/greet.ts', limited(", hello: z.string().default('hi')"));
  write(project, 'functions/greet.php', handler('return $input["hello"];'));
  await until('the contract has changed', async () => (await result(cli)) === 'hi');

  const tooLarge = async (): Promise<number> => (await callUrl(cli.url, 'greet', { n: 9 })).status;
  expect(await tooLarge()).toBe(200);
  write(project, 'schemas/_shared/limit.ts', 'export const limit = 5;');
  await until('what the contract imports has changed', async () => (await tooLarge()) === 422);

  write(project, 'deploy/gateway.config.ts', config(3));
  await until('the config has changed', async () => {
    const { pools } = (await (await fetch(`${cli.adminUrl}/admin/pools`)).json()) as { pools: { workers: number }[] };
    return pools[0]?.workers === 3;
  });

  write(project, 'functions/more.php', handler("return 'more';"));
  write(project, 'schemas/more.ts', anyContract());
  await until('there is a function more', async () => (await result(cli, 'more')) === 'more');

  slow.send(':1}');
  expect((await slow.answer()).status).toBe(200);
  hammering = false;
  await Promise.all(hammers);
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(20);
  expect(eventsOf(cli, 'reloaded').length).toBeGreaterThanOrEqual(5);
});

test('what does not load keeps the last good version and is named with file and line, until it is mended', async () => {
  const project = functionsProject({ greet: "return 'good';" });
  const cli = await startDev(project);
  const failures = (): { files: string[]; problems: { file: string; line?: number; detail: string }[] }[] =>
    eventsOf(cli, 'reload-failed') as never;

  const broken = async (
    file: string,
    text: string,
    good: string,
  ): Promise<{ file: string; line?: number; detail: string }> => {
    const [failedBefore, loadedBefore] = [failures().length, eventsOf(cli, 'reloaded').length];
    write(project, file, text);
    await until(`${file} is refused`, () => failures().length > failedBefore);
    const failure = failures().at(-1);
    expect(failure?.files).toEqual([file]);
    expect(await result(cli)).toBe('good');
    write(project, file, good);
    await until(`${file} is mended`, () => eventsOf(cli, 'reloaded').length > loadedBefore);
    expect(await result(cli)).toBe('good');
    return failure?.problems[0] ?? { file: '', detail: '' };
  };

  expect(await broken('schemas/greet.ts', "\n\nthrow new Error('on purpose');\n", anyContract())).toEqual({
    file: 'schemas/greet.ts',
    line: 3,
    detail: 'on purpose',
  });
  expect(await broken('schemas/greet.ts', 'export default {\n  input: \n};', anyContract())).toMatchObject({
    file: 'schemas/greet.ts',
    line: expect.any(Number),
  });
  expect(
    await broken('functions/greet.php', '<?php\n\nreturn static fn() => ;\n', handler("return 'good';")),
  ).toMatchObject({
    file: 'functions/greet.php',
    line: 3,
    detail: expect.stringContaining('syntax error'),
  });
  expect(await broken('functions/greet.php', '<?php return 1;', handler("return 'good';"))).toMatchObject({
    file: 'functions/greet.php',
    detail: expect.stringContaining('callable'),
  });
  expect(
    await broken('deploy/gateway.config.ts', 'export default { pools: { default: { workers: 0 } } };', config(2)),
  ).toMatchObject({
    file: 'deploy/gateway.config.ts',
    detail: expect.any(String),
  });
  expect(await broken('deploy/gateway.config.ts', config(2, ', nonsense: 1'), config(2))).toMatchObject({
    file: 'deploy/gateway.config.ts',
  });
});

test('a function whose files go away is gone, and a setting of the listener waits for the next start', async () => {
  const project = functionsProject({ greet: "return 'good';", other: 'return 1;' });
  const cli = await startDev(project);
  rmSync(join(project, 'schemas/other.ts'));
  rmSync(join(project, 'functions/other.php'));
  await until('it is gone', async () => (await result(cli, 'other')) === 404);
  write(project, 'deploy/gateway.config.ts', 'export default { http: { maxConnections: 7 } };');
  await until('it is told', () => cli.events().some(({ msg }) => String(msg).includes('at the next start')));
  expect(await result(cli)).toBe('good');
  cli.child.kill('SIGINT');
  expect(await cli.exit).toBe(0);
});

test('for people it shows each call as a tree, in which PHP cannot steer the terminal', async () => {
  const project = functionsProject({ greet: '$call->log("spoken\\e[31m\\e]0;title\\x07"); return 1;' });
  const cli = runCommand(['--project', project, 'dev'], { env: { NO_COLOR: '1' } });
  await until('it is ready', () => cli.out().includes('Ctrl-C'));
  const url = /HTTP +(\S+)/.exec(cli.out())?.[1] ?? '';
  await callUrl(url, 'greet', 1);
  await until('the tree is shown', () => cli.out().includes('spoken'));
  expect(cli.out()).toMatch(/^greet 200 .* trace [0-9a-f]{32}$/m);
  expect(cli.out()).toMatch(/└ ·*█+·* greet\.php /);
  expect(cli.out()).not.toMatch(CONTROLS);
});
