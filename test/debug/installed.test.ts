/** `dev --xdebug` where PHP lacks what it takes: it says so, and starts nothing. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findExtension } from '../../gateway/debug/extension.ts';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { runCommand } from '../support/command.ts';
import { cells, tableRows } from '../support/doc-blocks.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

/** This machine's php-fpm, without these extensions. */
const without = (...extensions: readonly string[]): string => {
  const program = join(temporaryFolder(), 'php-fpm');
  const patterns = extensions.map((name) => `*extension=${name}`).join('|');
  writeFileSync(
    program,
    `#!/bin/sh
for word; do
  shift
  case "$word" in ${patterns}) word=extension=absent ;; esac
  set -- "$@" "$word"
done
exec ${findPhpFpm(undefined)} "$@"
`,
  );
  chmodSync(program, 0o755);
  return program;
};

test.each(['debug', 'coverage', 'profile'])(
  '--xdebug=%s without Xdebug: what is missing, where, and how to get it',
  async (mode) => {
    const program = without('xdebug', 'pcov');
    const project = functionsProject({ one: 'return 1;' });
    const cli = runCommand(['--project', project, 'dev', `--xdebug=${mode}`], { env: { FPMG_PHP_FPM: program } });
    expect(await cli.exit).toBe(1);
    expect(cli.err()).toContain('fpm-gateway cannot start: one problem');
    expect(cli.err()).toContain(program);
    expect(cli.err()).toContain('It has no Xdebug');
    expect(cli.err()).toMatch(/apt-get install php8\.\d-xdebug/);
    expect(cli.err().includes('PCOV')).toBe(mode === 'coverage');
    expect(cli.out()).not.toContain('ready');
  },
);

test('coverage goes by PCOV where there is no Xdebug; breakpoints do not', () => {
  const program = without('xdebug');
  expect(findExtension(program, 'coverage')).toMatchObject({ name: 'PCOV', ini: { extension: 'pcov' } });
  expect(() => findExtension(program, 'debug')).toThrow('It has no Xdebug');
});

test('Xdebug that is there and not switched on is loaded for this one gateway', () => {
  expect(findExtension(findPhpFpm(undefined), 'debug')).toMatchObject({
    name: 'Xdebug',
    ini: { zend_extension: 'xdebug' },
  });
});

test.each([
  ['3.0.4', 'Its Xdebug is 3.0.4; 3.1 is the oldest'],
  ['2.9.8', 'Its Xdebug is 2.9.8; 3.1 is the oldest'],
])('an Xdebug that is too old (%s) is refused', (version, told) => {
  const program = join(temporaryFolder(), 'php-fpm');
  writeFileSync(program, `#!/bin/sh\necho 'PHP 8.1.0'\necho '    with Xdebug v${version}, Copyright'\n`);
  chmodSync(program, 0o755);
  expect(() => findExtension(program, 'debug')).toThrow(told);
});

test('the options of the page are those of the command', async () => {
  const cli = runCommand(['dev', '--help']);
  await cli.exit;
  const listed = tableRows('docs/debugging.md', '| option | default | |').map((row) => cells(row)[0]);
  expect(listed).toEqual([...cli.out().matchAll(/--xdebug-[a-z]+/g)].map(([option]) => option));
});

test.each([
  [['--xdebug=trace'], 'Allowed choices are debug, coverage, profile'],
  [['--xdebug', '--xdebug-port', '70000'], 'Give a port, 1 to 65535.'],
])('%s is refused', async (args, told) => {
  const cli = runCommand(['dev', ...args]);
  expect(await cli.exit).toBe(1);
  expect(cli.err()).toContain(told);
});

test('a folder for profiles that PHP cannot write to is refused', async () => {
  if (process.getuid?.() !== 0) return;
  const project = functionsProject({ one: 'return 1;' });
  const closed = join(temporaryFolder(), 'profiles');
  const cli = runCommand(['--project', project, 'dev', '--xdebug=profile', '--xdebug-output', closed]);
  expect(await cli.exit).toBe(1);
  expect(cli.err()).toContain('The user www-data of the pool default cannot write there');
});
