/** `fpm-gateway types`: what it writes, removes, refuses and checks. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { API_INFO, openApiDocument } from '../../gateway/http/openapi.ts';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import { type Command, type CommandOptions, runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { anyContract, functionsProject, writeProject } from '../support/project.ts';

const contract = (input: string): string => `
import { z } from 'zod';
import { defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.strictObject(${input}), output: z.int(), handler: 'it.php' });
`;

const project = (contracts: Readonly<Record<string, string>>): string =>
  writeProject({
    'functions/it.php': '<?php return fn ($input) => 1;',
    ...Object.fromEntries(Object.entries(contracts).map(([name, input]) => [`schemas/${name}.ts`, contract(input)])),
  });

const ended = async (
  folder: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<Command & { code: unknown }> => {
  const command = runCommand(['--project', folder, 'types', ...args], options);
  return { ...command, code: await command.exit };
};

const phpFiles = (folder: string, out = 'generated'): string[] => readdirSync(join(folder, out, 'php')).sort();

test('it writes TypeScript, PHP and OpenAPI, and tells how much', async () => {
  const folder = project({ greet: '{ name: z.string().max(9) }' });
  const { code, out } = await ended(folder, []);
  expect(code).toBe(0);
  expect(out().split('\n').slice(0, 4)).toEqual([
    'TYPES       FUNCTIONS  FILES  NEW  CHANGED  REMOVED  WHERE',
    'TypeScript  1          1      1    0        0        generated/functions.d.ts',
    'PHP         1          3      3    0        0        generated/php/',
    'OpenAPI     1          1      1    0        0        generated/openapi.json',
  ]);
  expect(phpFiles(folder)).toEqual(['FunctionsClient.php', 'GreetInput.php', 'autoload.php']);
});

test('the OpenAPI document is the one the gateway serves', async () => {
  const folder = functionsProject({ any: 'return 1;' });
  await ended(folder, ['--only', 'openapi']);
  const { 'x-generated': mark, ...written } = JSON.parse(readFileSync(join(folder, 'generated/openapi.json'), 'utf8'));
  expect(mark).toMatch(/^Made by `fpm-gateway types`/);
  const server = await startTestServer(folder);
  expect(written).toEqual(await (await fetch(`${server.url}/openapi.json`)).json());
  const { registry } = await loadProject({ folder, env: {}, importModule: moduleImporter(0) });
  expect(written).toEqual(openApiDocument(registry.functions.values(), API_INFO));
});

test('files of functions that are gone are removed, those of others stay', async () => {
  const folder = project({ greet: '{}', leave: '{}' });
  await ended(folder, []);
  writeFileSync(join(folder, 'generated/php/Mine.php'), '<?php // mine');
  rmSync(join(folder, 'schemas/leave.ts'));
  const { out } = await ended(folder, ['--json']);
  expect(JSON.parse(out()).files).toContainEqual({ path: 'php/LeaveInput.php', state: 'removed' });
  expect(phpFiles(folder)).toEqual(['FunctionsClient.php', 'GreetInput.php', 'Mine.php', 'autoload.php']);
});

test('a file of somebody else’s is not overwritten, and nothing else is written then', async () => {
  const folder = project({ greet: '{}' });
  await ended(folder, ['--only', 'ts']);
  writeFileSync(join(folder, 'generated/functions.d.ts'), 'export type Mine = 1;');
  const { code, err } = await ended(folder, []);
  expect([code, err()]).toEqual([1, expect.stringContaining('functions.d.ts is not made by fpm-gateway types')]);
  expect(existsSync(join(folder, 'generated/php'))).toBe(false);
  expect(readFileSync(join(folder, 'generated/functions.d.ts'), 'utf8')).toBe('export type Mine = 1;');
});

test.each([
  '{"openapi":"3.1.0","info":{"title":"Mine"}}',
  '{"x-generated":"by other means","openapi":"3.1.0"}',
  '{"openapi":"3.1.0","info":{"x-generated":"Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again."}}',
])('an OpenAPI document of somebody else’s is not overwritten: %s', async (mine) => {
  const folder = project({ greet: '{}' });
  await ended(folder, []);
  expect((await ended(folder, [])).code).toBe(0);
  writeFileSync(join(folder, 'generated/openapi.json'), mine);
  const { code, err } = await ended(folder, []);
  expect([code, err()]).toEqual([1, expect.stringContaining('openapi.json is not made by fpm-gateway types')]);
  expect(readFileSync(join(folder, 'generated/openapi.json'), 'utf8')).toBe(mine);
});

test('it writes the same bytes each time, though a default is made anew for each call', async () => {
  const random = 'z.strictObject({ key: z.string().max(99).default(() => crypto.randomUUID()) })';
  const folder = writeProject({
    'functions/it.php': '<?php return fn ($input) => $input;',
    'schemas/it.ts': anyContract(`input: ${random}, output: ${random}, errors: { gone: ${random} }`),
  });
  await ended(folder, []);
  const { out } = await ended(folder, ['--json']);
  expect(JSON.parse(out())).toMatchObject({ functions: 1, upToDate: true });
});

test('a default by the clock stands in no file', async () => {
  const defaults = {
    day: 'z.string().max(99).default(() => new Date().toISOString().slice(0, 10))',
    year: 'z.int().default(() => new Date().getFullYear())',
    text: 'z.string().max(99).default(() => Date().slice(0, 15))',
    at: 'z.number().default(() => Math.floor(Date.now() / 1e8))',
    running: 'z.number().default(() => Math.floor(performance.now() / 1e8))',
    epoch: 'z.string().max(99).default(() => new Date(0).toISOString())',
  };
  const members = Object.entries(defaults).map(([name, type]) => `${name}: ${type}`);
  const folder = project({ it: `{ ${members.join(', ')} }` });
  const before = [Date, performance.now];
  await ended(folder, []);
  expect([Date, performance.now]).toEqual(before);
  const types = readFileSync(join(folder, 'generated/functions.d.ts'), 'utf8');
  expect(types.match(/@default .*/g)).toEqual(['@default "1970-01-01T00:00:00.000Z" */']);
  for (const name of Object.keys(defaults)) expect(types).toContain(`${name}?:`);
});

describe('--check', () => {
  test('passes where the files are what would be written', async () => {
    const folder = project({ greet: '{}' });
    await ended(folder, []);
    const { code, out } = await ended(folder, ['--check']);
    expect([code, out()]).toEqual([0, '✓ generated is what the contracts say\n']);
  });

  test('fails with a list where they are not, and changes nothing', async () => {
    const folder = project({ greet: '{}' });
    await ended(folder, []);
    writeFileSync(join(folder, 'schemas/greet.ts'), contract('{ name: z.enum(["a", "b"]) }'));
    const { code, out } = await ended(folder, ['--check']);
    expect(code).toBe(1);
    expect(out().split('\n')).toEqual([
      '✗ generated is not what the contracts say: run fpm-gateway types',
      '~ generated/functions.d.ts (changed)',
      '~ generated/php/GreetInput.php (changed)',
      '+ generated/php/GreetInputName.php (new)',
      '~ generated/php/FunctionsClient.php (changed)',
      '~ generated/openapi.json (changed)',
      '',
    ]);
    expect(phpFiles(folder)).not.toContain('GreetInputName.php');
    const told = JSON.parse((await ended(folder, ['--check', '--json'])).out());
    expect(told).toMatchObject({ upToDate: false });
  });
});

test('--out, --only and --php-namespace', async () => {
  const folder = project({ greet: '{}' });
  await ended(folder, ['--out', 'src/api', '--only', 'php', '--php-namespace', '\\Acme\\Api']);
  expect(readdirSync(join(folder, 'src/api'))).toEqual(['php']);
  expect(readFileSync(join(folder, 'src/api/php/GreetInput.php'), 'utf8')).toContain('namespace Acme\\Api;');
  const { code, err } = await ended(folder, ['--php-namespace', 'Acme Api']);
  expect([code, err()]).toEqual([1, expect.stringMatching(/--php-namespace[\s\S]*"Acme Api" is no PHP namespace/)]);
});

describe('names that would be one are refused, all at once', () => {
  test('functions', async () => {
    const folder = project({ 'a-b': '{}', 'a.b': '{}' });
    const { code, err } = await ended(folder, ['--only', 'php']);
    expect(code).toBe(1);
    expect(err()).toMatch(/schemas\/a\.b[\s\S]*type ABInput has the same name as one of schemas\/a-b/);
    expect(err()).toMatch(/a\.b and a-b would both be the method aB\(\)/);
  });

  test('a function whose types are named as those of another, in letters of another case', async () => {
    const folder = project({ 'ab-c': '{}', abc: '{}' });
    const { err } = await ended(folder, ['--only', 'php']);
    expect(err()).toMatch(/AbcInput has the same name/);
  });
});

test('a nested type moves aside for one that a function is named for', async () => {
  const both = writeProject({
    'functions/it.php': '<?php',
    'schemas/greet.ts': contract('{ inputName: z.strictObject({ input: z.strictObject({}) }) }'),
    'schemas/greet-input-input-name.ts': contract('{}'),
  });
  expect((await ended(both, ['--only', 'php'])).code).toBe(0);
  expect(phpFiles(both)).toEqual([
    'FunctionsClient.php',
    'GreetInput.php',
    'GreetInputInputName.php',
    'GreetInputInputNameInput.php',
    'GreetInputInputNameInput_2.php',
    'autoload.php',
  ]);
});

test('a project with mistakes gets them told, as at start', async () => {
  const folder = writeProject({ 'schemas/a.ts': anyContract(), 'schemas/B.ts': anyContract() });
  const { code, err } = await ended(folder, []);
  expect(code).toBe(1);
  expect(err()).toContain('There is no functions/a.php');
  expect(err()).toContain('"B" is no function name');
  expect(existsSync(join(folder, 'generated'))).toBe(false);
});
