/** The examples of the page on bootstraps are the files of the example project, and its unit test runs. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { block, root } from '../support/doc-blocks.ts';

const page = 'docs/bootstrap.md';

/** Without the line that says which file it is. */
const shown = (file: string): string => block(page, 'php', `// ${file}`).split('\n').slice(1).join('\n').trim();

test.each(['functions/shop-quote.php', 'functions/shop/app.php'])('%s is shown as it is', (file) => {
  expect(readFileSync(join(root, file), 'utf8')).toContain(shown(file));
});

test('the unit test of the page passes', () => {
  const code = block(page, 'php', "require 'gateway/php/autoload.php'");
  const args = ['-d', 'zend.assertions=1', '-d', 'assert.exception=1', '-r', code];
  const { status, stdout, stderr } = spawnSync('php', args, { cwd: root, encoding: 'utf8' });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});
