/** `fpm-gateway reload`, `rollback` and `releases` as processes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { functionsProject, handler } from '../support/project.ts';

test('a reload, a refused one with its file, and the way back', async () => {
  const project = functionsProject({ version: 'return 1;' });
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_RELOAD__WATCH_MS: '0' };
  const server = await startTestServer(project, { env });
  const run = async (...args: readonly string[]) => {
    const cli = runCommand(args, { env: { FPM_GATEWAY_ADMIN_URL: server.adminUrl } });
    return { code: await cli.exit, out: cli.out(), err: cli.err() };
  };
  const write = (text: string): void => writeFileSync(join(project, 'functions/version.php'), text);

  expect(await run('rollback')).toMatchObject({ code: 1, err: expect.stringContaining('has served no other release') });
  write(handler('return 2;'));
  expect(await run('reload')).toEqual({
    code: 0,
    out: expect.stringMatching(/^✓ Release 2 serves, after \d+ ms\.\n$/),
    err: '',
  });
  write('<?php nonsense nonsense');
  const refused = await run('reload');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('the running release stays');
  expect(refused.err).toContain('functions/version.php');
  expect(await server.gateway.invoke('version', null)).toBe(2);
  write(handler('return 1;'));
  expect((await run('rollback')).out).toContain('Release 1 serves');
  expect(await server.gateway.invoke('version', null)).toBe(1);
  const listed = (await run('releases')).out;
  expect(listed).toMatch(/^RELEASE +STATE +REQUESTS +FUNCTIONS +FOLDER\n/);
  expect(listed).toMatch(/\n1 +current /);
  expect(listed).toContain('refused 3');
});
