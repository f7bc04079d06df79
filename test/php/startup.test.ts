/** What stops a gateway from starting: everything at once, each with its place and its cure. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { formatProblem, StartupError } from '../../gateway/startup.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { anyContract, functionsProject, writeProject } from '../support/project.ts';

const problems = async (config: GatewayConfig, project = functionsProject({ ok: 'return 1;' })): Promise<string[]> => {
  try {
    await startGateway(config, { project });
  } catch (error) {
    if (error instanceof StartupError) return error.problems.map(formatProblem);
    throw error;
  }
  throw new Error('It started.');
};

const one = async (config: GatewayConfig): Promise<string> => {
  const found = await problems(config);
  expect(found).toHaveLength(1);
  return found[0] ?? '';
};

test('handlers that do not load are listed all at once, with file and line', async () => {
  const names = ['syntax', 'number', 'nothing', 'bom', 'prints', 'throws', 'exits', 'fatal', 'good'];
  const handlers = {
    syntax: '<?php\n\nreturn static function ($i) {\n  return $i\n};\n',
    number: '<?php\nreturn 5;\n',
    nothing: '<?php\n',
    bom: '\ufeff<?php\nreturn fn ($i) => $i;\n',
    prints: '<?php\necho "hello";\nreturn fn ($i) => $i;\n',
    throws: '<?php\n\n\nthrow new \\Exception("not today");\n',
    exits: '<?php\nexit;\n',
    fatal: '<?php\nclass A {}\n\nclass A {}\nreturn fn ($i) => $i;\n',
    good: '<?php\nreturn fn ($i) => $i;\n',
  };
  const project = writeProject(
    Object.fromEntries([
      ...Object.entries(handlers).map(([name, text]) => [`functions/${name}.php`, text]),
      ...names.map((name) => [`schemas/${name}.ts`, anyContract()]),
    ]),
  );
  const found = await problems({ pools: { default: { workers: 1 } } }, project);
  expect(found.sort()).toEqual([
    expect.stringMatching(/^functions\/bom\.php\n.*before <\?php/),
    expect.stringMatching(/^functions\/exits\.php\n.*calls exit\(\)/),
    expect.stringMatching(/^functions\/fatal\.php:4\n.*Cannot declare class A/),
    expect.stringMatching(/^functions\/nothing\.php\n.*must return a callable, but returns int/),
    expect.stringMatching(/^functions\/number\.php\n.*must return a callable, but returns int/),
    expect.stringMatching(/^functions\/prints\.php\n.*hello/),
    expect.stringMatching(/^functions\/syntax\.php:5\n.*syntax error, unexpected token "}"/),
    expect.stringMatching(/^functions\/throws\.php:4\n.*not today/),
  ]);
});

test('a php-fpm that is not there', async () => {
  expect(await one({ phpFpm: '/nowhere/php-fpm' })).toMatch(
    /phpFpm[\s\S]*\/nowhere\/php-fpm is not an executable file/,
  );
});

test('a php-fpm that is not executable', async () => {
  const file = join(openFolder(), 'php-fpm');
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o644);
  expect(await one({ phpFpm: file })).toContain(`${file} is not an executable file`);
});

test('a folder as php-fpm', async () => {
  const folder = join(openFolder(), 'php-fpm');
  mkdirSync(folder);
  expect(await one({ phpFpm: folder })).toContain(`${folder} is not an executable file`);
});

test('a program that is no php-fpm', async () => {
  expect(await one({ phpFpm: '/bin/false' })).toMatch(
    /\/bin\/false\n.*pool default did not start: php-fpm ended with status 1/,
  );
});

test('a program that cannot be started at all', async () => {
  const file = join(openFolder(), 'php-fpm');
  writeFileSync(file, 'no program', { mode: 0o755 });
  expect(await one({ phpFpm: file })).toMatch(/pool default did not start/);
});

test.runIf(process.getuid?.() === 0)('a user there is not', async () => {
  expect(await one({ pools: { default: { user: 'nobody-knows' } } })).toMatch(
    /pools\.default\.user\n.*There is no user nobody-knows on this machine\. Name an unprivileged one/,
  );
});

test('root as the user', async () => {
  expect(await one({ pools: { default: { user: 'root' } } })).toMatch(/pools\.default\.user\n.*PHP never runs as root/);
});

test('a socket path longer than the system allows', async () => {
  const runtimeDir = join(openFolder(), 'long'.repeat(25));
  expect(await one({ runtimeDir })).toMatch(/runtimeDir\n.*has \d+ bytes; the system allows 107\. Set runtimeDir/);
});

test.runIf(process.getuid?.() === 0)('a runtime folder of somebody else’s', async () => {
  const runtimeDir = join(openFolder(), 'theirs');
  mkdirSync(runtimeDir);
  const { chownSync } = await import('node:fs');
  chownSync(runtimeDir, 65534, 65534);
  expect(await one({ runtimeDir })).toMatch(/runtimeDir\n.*belongs to another user \(uid 65534\)/);
});

test('a runtime folder that is a file', async () => {
  const runtimeDir = join(openFolder(), 'file');
  writeFileSync(runtimeDir, '');
  expect(await one({ runtimeDir })).toMatch(/runtimeDir\n.*cannot be used/);
});

test('an ini setting of the gateway’s own', async () => {
  expect(await one({ pools: { default: { ini: { output_buffering: '4096' } } } })).toMatch(/output_buffering/);
});

test('an ini value that would not reach PHP as it is written', async () => {
  expect(await one({ pools: { default: { ini: { user_agent: 'a"b' } } } })).toMatch(/double quotes/);
});

test('functions the runtime needs and the pool disables, with what PHP said', async () => {
  const found = await one({ pools: { default: { workers: 1, ini: { disable_functions: 'ob_start,hrtime' } } } });
  expect(found).toMatch(/pools\.default\n.*hrtime/);
});

test('a bootstrap file there is not', async () => {
  const found = await problems({ pools: { default: { workers: 1, bootstrap: 'vendor/autoload.php' } } });
  expect(found[0]).toMatch(/vendor\/autoload\.php/);
});
