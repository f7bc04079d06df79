/** `fpm-gateway explain`: for a project that does not run. */
import { expect, test } from 'vitest';
import { runCommand } from '../support/command.ts';
import { functionsProject } from '../support/project.ts';

const ended = async (folder: string, args: readonly string[]) => {
  const command = runCommand(['--project', folder, 'explain', ...args]);
  const code = await command.exit;
  return { code, out: command.out(), err: command.err() };
};

const project = (): string => functionsProject({ greet: ['return 1;', '\n  timeoutMs: 2000,\n'], wait: 'return 2;' });

test('each limit comes with its value and its place, the contract with the line', async () => {
  const { code, out } = await ended(project(), ['greet']);
  expect(code).toBe(0);
  expect(out).toMatch(/^ {2}greet {2}schemas\/greet\.ts · pool default · fpm\n\n {2}8 s at most for a call/);
  expect(out).toMatch(/timeoutMs +2 s .*timeoutMs in schemas\/greet\.ts:5\n/);
});

test('as JSON it can be read by programs', async () => {
  const { out } = await ended(project(), ['greet', '--json']);
  const { budgetMs, limits } = JSON.parse(out);
  expect(budgetMs).toBe(8000);
  expect(limits).toContainEqual({
    stage: 'runs',
    name: 'timeoutMs',
    value: 2000,
    unit: 'ms',
    source: { kind: 'contract', file: 'schemas/greet.ts', property: 'timeoutMs', line: 5 },
    meaning: 'for PHP, each attempt',
    code: 'function-timeout',
  });
});

test('a name that is none is refused with those it may mean', async () => {
  const folder = project();
  const typo = await ended(folder, ['gret']);
  expect([typo.code, typo.err]).toEqual([1, '✗ There is no function named "gret". Did you mean greet?\n']);
  const other = await ended(folder, ['something-else']);
  expect([other.code, other.err]).toEqual([1, expect.stringContaining('There are: greet, wait.')]);
});
