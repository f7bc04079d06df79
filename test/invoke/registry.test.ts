import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configSchema } from '../../gateway/config.ts';
import { loadRegistry, type Registry } from '../../gateway/invoke/registry.ts';
import type { StartupProblem } from '../../gateway/startup.ts';
import { anyContract, functionsProject, handler, writeProject } from '../support/project.ts';

const load = (project: string, config: unknown = { pools: { default: {} } }): Promise<Registry> =>
  loadRegistry({
    project,
    settings: configSchema.parse(config),
    importModule: (url) => import(/* @vite-ignore */ url),
  });

const problemsOf = async (project: string, config?: unknown): Promise<readonly StartupProblem[]> =>
  (await load(project, config)).problems;

test('a project is its contracts by name', async () => {
  const { functions } = await load(functionsProject({ one: 'return 1;', 'two.b': 'return 2;' }));
  expect([...functions.keys()]).toEqual(['one', 'two.b']);
});

test('several functions may share a handler', async () => {
  const project = writeProject({
    'functions/shared.php': handler('return 1;'),
    'schemas/a.ts': anyContract("handler: 'shared.php'"),
    'schemas/b.ts': anyContract("handler: 'shared.php'"),
  });
  expect((await load(project)).functions.size).toBe(2);
});

test('files that start with _ and files in subfolders are no functions', async () => {
  const project = writeProject({
    'schemas/one.ts': anyContract(),
    'functions/one.php': handler('return 1;'),
    'schemas/_shared.ts': 'export const x = 1;',
    'functions/_helpers.php': '<?php',
    'functions/lib/more.php': '<?php',
  });
  expect([...(await load(project)).functions.keys()]).toEqual(['one']);
});

test('unbounded members are warnings, with file and member', async () => {
  const project = writeProject({
    'schemas/one.ts': anyContract().replace('z.any()', 'z.strictObject({ text: z.string() })'),
    'functions/one.php': handler('return 1;'),
  });
  expect((await load(project)).warnings).toMatchObject([
    { file: 'schemas/one.ts', property: 'input.text (string without .max())' },
  ]);
});

describe('everything that is wrong is told at once', () => {
  test('in one project', async () => {
    const project = writeProject({
      'schemas/Bad Name.ts': anyContract(),
      'schemas/broken.ts': 'export default {;',
      'functions/broken.php': handler('return 1;'),
      'schemas/empty.ts': 'export const nothing = 1;',
      'functions/empty.php': handler('return 1;'),
      'schemas/no-handler.ts': anyContract(),
      'functions/no-contract.php': handler('return 1;'),
      'schemas/wrong-pool.ts': anyContract("pool: 'nowhere'"),
      'functions/wrong-pool.php': handler('return 1;'),
      'schemas/throws.ts': "import { z } from 'zod';\n\nthrow new Error('as it loads');",
      'functions/throws.php': handler('return 1;'),
    });
    const problems = await problemsOf(project);
    const of = (file: string): StartupProblem | undefined => problems.find((problem) => problem.file === file);
    expect(of('schemas/Bad Name.ts')?.detail).toMatch(/no function name/);
    expect(of('schemas/broken.ts')).toBeDefined();
    expect(of('schemas/empty.ts')?.detail).toMatch(/no default export/);
    expect(of('schemas/no-handler.ts')).toMatchObject({
      property: 'handler',
      detail: expect.stringMatching(/no functions\/no-handler\.php/),
    });
    expect(of('functions/no-contract.php')?.detail).toMatch(/schemas\/no-contract\.ts/);
    expect(of('schemas/wrong-pool.ts')).toMatchObject({
      property: 'pool',
      detail: expect.stringMatching(/known: default/),
    });
    expect(of('schemas/throws.ts')).toMatchObject({ line: 3, detail: 'as it loads' });
    expect(problems).toHaveLength(7);
  });

  test('a handler that links outside of the functions folder is refused', async () => {
    const project = writeProject({
      'schemas/out.ts': anyContract(),
      'elsewhere.php': handler('return 1;'),
      'functions/lib/x.php': '<?php',
    });
    symlinkSync(join(project, 'elsewhere.php'), join(project, 'functions/out.php'));
    expect(await problemsOf(project)).toMatchObject([
      { property: 'handler', detail: expect.stringMatching(/points outside/) },
    ]);
  });

  test('a CPU limit below the time limit is an inverted ladder', async () => {
    const project = functionsProject({ slow: ['return 1;', 'timeoutMs: 10_000'] });
    const problems = await problemsOf(project, { pools: { default: { ini: { max_execution_time: 5 } } } });
    expect(problems).toMatchObject([
      { property: 'timeoutMs', detail: expect.stringMatching(/max_execution_time ends PHP after 5 s/) },
    ]);
  });

  test('a folder without contracts says where they belong', async () => {
    expect(await problemsOf(writeProject({ 'README.md': '' }))).toMatchObject([
      { file: 'schemas/', detail: expect.stringMatching(/write schemas\/<name>\.ts/) },
    ]);
  });

  test('an override of a function that is not there is told', async () => {
    const project = functionsProject({ one: 'return 1;' });
    const problems = await problemsOf(project, { pools: { default: {} }, functions: { two: { timeoutMs: 1 } } });
    expect(problems).toMatchObject([{ file: 'deploy/gateway.config.ts', property: 'functions.two' }]);
  });
});
