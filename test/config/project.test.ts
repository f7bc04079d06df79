import { expect, test } from 'vitest';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import { StartupError, type StartupProblem } from '../../gateway/startup.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';

const problemsOf = async (files: Readonly<Record<string, string>>): Promise<readonly StartupProblem[]> => {
  const folder = writeProject(files);
  try {
    return (await loadProject({ folder, env: {}, importModule: moduleImporter(0) })).registry.problems;
  } catch (error) {
    if (error instanceof StartupError) return error.problems;
    throw error;
  }
};

test('mistakes of the config do not hide those of the contracts', async () => {
  const problems = await problemsOf({
    'deploy/gateway.config.ts': 'export default { http: { port: -1 }, pools: { mine: {} } };',
    'schemas/bad.ts': anyContract('timeout: 5'),
    'functions/bad.php': handler('return 1;'),
    // Whether this pool is there cannot be said while the config is wrong.
    'schemas/good.ts': anyContract("pool: 'mine'"),
    'functions/good.php': handler('return 1;'),
  });
  expect(problems).toMatchObject([
    { file: 'deploy/gateway.config.ts', property: 'http.port' },
    { file: 'schemas/bad.ts', detail: expect.stringContaining('timeout') },
  ]);
});

test('a config that does not load is one problem among the others', async () => {
  const problems = await problemsOf({
    'deploy/gateway.config.ts': "\nthrow new Error('as it loads');",
    'schemas/alone.ts': anyContract(),
  });
  expect(problems).toMatchObject([
    { file: 'deploy/gateway.config.ts', line: 2, detail: 'as it loads' },
    { file: 'schemas/alone.ts', property: 'handler' },
  ]);
});

test('a project without a config is served with the defaults', async () => {
  expect(await problemsOf({ 'schemas/one.ts': anyContract(), 'functions/one.php': handler('return 1;') })).toEqual([]);
});
