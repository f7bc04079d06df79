/** `dev --xdebug=coverage` and `=profile`: what handlers ran, and how long it took. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { type ServingCommand, serve } from '../support/command.ts';
import { openFolder } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const WAYS = [
  ['Xdebug', {}],
  ['PCOV', { FPMG_POOLS__DEFAULT__INI__EXTENSION: 'pcov' }],
] as const;

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

test.each(WAYS)('%s: how many calls ran each line of the project, in Clover XML', async (_name, env) => {
  const project = made();
  const cli = await serve('dev', project, {
    args: ['--xdebug=coverage'],
    env: { ...env, FPMG_POOLS__DEFAULT__BOOTSTRAP: 'app.php' },
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
