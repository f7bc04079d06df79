/** `dev --xdebug=coverage` and `=profile`: what handlers ran, and how long it took. */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { findPhp } from '../../gateway/pool/php-cli.ts';
import { callUrl } from '../support/call.ts';
import { type ServingCommand, serve } from '../support/command.ts';
import { openFolder, temporaryFolder } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';
import { until } from '../support/until.ts';

/** As if it were switched on in php.ini, which wins over Xdebug that is not. */
const PCOV = 'pcov';
const WAYS = [
  ['Xdebug', 'fpm'],
  ['Xdebug', 'resident'],
  [PCOV, 'fpm'],
  [PCOV, 'resident'],
] as const;

/** This machine's PHP, with PCOV on. */
const withPcov = (program: string): string => {
  const file = join(temporaryFolder(), basename(program));
  writeFileSync(file, `#!/bin/sh\nexec ${program} -d extension=pcov "$@"\n`);
  chmodSync(file, 0o755);
  chmodSync(dirname(file), 0o711);
  return file;
};

const phpEnv = (way: string): Record<string, string> =>
  way === PCOV
    ? { FPMG_PHP_FPM: withPcov(findPhpFpm(undefined)), FPMG_PHP: withPcov(findPhp(undefined, findPhpFpm(undefined))) }
    : {};

const SIGN = `<?php
return static function (array $input) {
    if ($input['n'] < 0) {
        return 'minus';
    }
    if ($input['n'] === 13) {
        exit;
    }
    return Sign::plus();
};
`;

const CLASS = `<?php
final class Sign
{
    public static function plus(): string
    {
        return 'plus';
    }
    public static function never(): string
    {
        return 'never';
    }
}
`;

/** Calls by line, of one file. */
const linesOf = (report: string, file: string): Record<string, number> => {
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : '';
  const element = new RegExp(`<file name="${file}">(.*?)</file>`, 's').exec(xml)?.[1] ?? '';
  const lines = [...element.matchAll(/<line num="(\d+)" type="stmt" count="(\d+)"\/>/g)];
  return Object.fromEntries(lines.map(([, line, count]) => [line, Number(count)]));
};

const made = (): string =>
  writeProject({
    'functions/sign.php': SIGN,
    'schemas/sign.ts': `import { z } from 'zod';\nexport default { input: z.any(), output: z.any() };`,
    'src/Sign.php': CLASS,
    'app.php': "<?php\nrequire_once __DIR__ . '/src/Sign.php';\n",
    'vendor/lib.php': '<?php\nreturn 1;\n',
  });

const call = async (cli: ServingCommand, n: number): Promise<number> => (await callUrl(cli.url, 'sign', { n })).status;

test.each(WAYS)('%s, %s: how many calls ran each line of the project, in Clover XML', async (way, engine) => {
  const project = made();
  const cli = await serve('dev', project, {
    args: ['--xdebug=coverage'],
    env: { ...phpEnv(way), FPMG_FUNCTIONS__SIGN__ENGINE: engine, FPMG_POOLS__DEFAULT__BOOTSTRAP: 'app.php' },
  });
  const report = join(project, 'coverage/clover.xml');
  const handler = join(project, 'functions/sign.php');
  for (const n of [1, 2, -1]) expect(await call(cli, n)).toBe(200);
  await until('three calls are in', () => linesOf(report, handler)['3'] === 3);
  expect(linesOf(report, handler)).toMatchObject({ 3: 3, 4: 1, 6: 2, 7: 0, 9: 2 });
  expect(linesOf(report, join(project, 'src/Sign.php'))).toMatchObject({ 6: 2, 10: 0 });
  // A call that ends its process counts as well.
  await call(cli, 13);
  await until('it is in, too', () => linesOf(report, handler)['7'] === 1);
  expect(readFileSync(report, 'utf8')).not.toContain('/gateway/php/');

  // Of a changed file the old lines say nothing.
  writeFileSync(handler, SIGN.replace('<?php', '<?php\n\n'));
  await until('it is loaded', () => cli.events().some(({ event }) => event === 'reloaded'));
  expect(await call(cli, 1)).toBe(200);
  await until('only the new one counts', () => linesOf(report, handler)['5'] === 1);
  expect(linesOf(report, handler)).toMatchObject({ 5: 1, 6: 0, 11: 1 });
});

test('a cachegrind file for each call under php-fpm, named by function and trace, and none for checks', async () => {
  const project = made();
  const output = openFolder();
  const cli = await serve('dev', project, {
    args: ['--xdebug=profile', '--xdebug-output', output],
    env: { FPMG_POOLS__DEFAULT__BOOTSTRAP: 'app.php' },
  });
  const folder = join(output, 'default');
  expect(await call(cli, 1)).toBe(200);
  expect(await call(cli, 2)).toBe(200);
  const files = (): string[] => readdirSync(folder).filter((name) => name.startsWith('cachegrind.out.'));
  const summed = (): boolean => files().every((name) => readFileSync(join(folder, name), 'utf8').includes('summary:'));
  await until('both are whole', () => files().length === 2 && summed());
  for (const name of files()) expect(name).toMatch(/^cachegrind\.out\.sign\.[0-9a-f-]{36}\.1$/);
  expect(readFileSync(join(folder, files()[0] ?? ''), 'utf8')).toContain('Sign::plus');
});

test('under the resident engine a cachegrind file for each worker, from its start to its end', async () => {
  const project = made();
  const output = openFolder();
  const cli = await serve('dev', project, {
    args: ['--xdebug=profile', '--xdebug-output', output],
    env: { FPMG_POOLS__DEFAULT__BOOTSTRAP: 'app.php', FPMG_FUNCTIONS__SIGN__ENGINE: 'resident' },
  });
  for (const n of [1, 2, 3]) expect(await call(cli, n)).toBe(200);
  cli.child.kill('SIGTERM');
  await cli.exit;
  const folder = join(output, 'default');
  const profiles = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const);
  const [served] = profiles.filter(([, text]) => text.includes('Sign::plus'));
  expect(served?.[0]).toMatch(/^cachegrind\.out\.worker\.\d+$/);
  // A name is written once; its number stands for it later.
  const number = /^c?fn=\((\d+)\) Sign::plus/m.exec(served?.[1] ?? '')?.[1];
  expect(served?.[1].split('\n').filter((line) => line.startsWith(`cfn=(${number})`))).toHaveLength(3);
  expect(served?.[1]).toContain('summary:');
});
