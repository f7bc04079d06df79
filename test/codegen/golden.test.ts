/** What is generated for every feature of contracts, and for the functions of this repository, file by file. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../support/command.ts';
import { root } from '../support/doc-blocks.ts';
import { docTypes, parsedType } from '../support/php-doc-type.ts';

const GOLDEN = join(import.meta.dirname, 'golden');
const CASES = [
  ['features', join(GOLDEN, 'features')],
  ['examples', root],
] as const;

const phpFiles = (name: string): string[] => {
  const folder = join(GOLDEN, name, 'generated', 'php');
  return readdirSync(folder).map((file) => join(folder, file));
};

describe.each(CASES)('%s', (name, project) => {
  /** `UPDATE_DOCS=1` writes them anew. OpenAPI has tests of its own. */
  test.each(['ts', 'php'])('the golden files are what is generated: %s', async (only) => {
    const out = join(GOLDEN, name, 'generated');
    const check = process.env.UPDATE_DOCS === '1' ? [] : ['--check'];
    const command = runCommand(['--project', project, 'types', '--out', out, '--only', only, ...check]);
    const code = await command.exit;
    expect(command.out() + command.err()).toContain('✓');
    expect(code).toBe(0);
  });

  test('PHP compiles every file, and every default is a constant', () => {
    const args = ['-d', 'opcache.enable_cli=0', '-r', LOAD_ALL, '--', ...phpFiles(name)];
    const { status, stdout, stderr } = spawnSync('php', args, { encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });

  test('types in comments are of the grammar, and name classes there are', () => {
    const types = phpFiles(name).flatMap((file) =>
      docTypes(readFileSync(file, 'utf8')).map((type) => [file, type] as const),
    );
    const classes = new Set(phpFiles(name).map((file) => /(\w+)\.php$/.exec(file)?.[1] ?? ''));
    expect(types.length).toBeGreaterThan(20);
    for (const [file, type] of types) {
      const names = parsedType(type);
      expect({ file, type, unknown: names.filter((each) => !classes.has(each)) }).toEqual({ file, type, unknown: [] });
    }
  });
});

/** Links every class: what only fails then, such as a default that is no constant, fails here. */
const LOAD_ALL = `
  error_reporting(E_ALL);
  require dirname($argv[1]) . '/autoload.php';
  foreach (array_slice($argv, 1) as $file) {
    $name = basename($file, '.php');
    if ($name === 'autoload') { continue; }
    $class = new ReflectionClass('App\\\\Functions\\\\' . $name);
    foreach ($class->getConstructor()?->getParameters() ?? [] as $parameter) {
      if ($parameter->isDefaultValueAvailable()) { $parameter->getDefaultValue(); }
    }
  }
`;
