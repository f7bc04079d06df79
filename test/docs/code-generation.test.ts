/** The example of the page on code generation, from its contract to its callers. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { block, blocks, readPage, root } from '../support/doc-blocks.ts';
import { wholeFile } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';

const page = 'docs/code-generation.md';
const run = promisify(execFile);
const file = wholeFile();

const command = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, ['--conditions=fpm-gateway-source', join(root, 'gateway/cli/main.ts'), ...args])).stdout;

let project: string;
let told: string;

beforeAll(async () => {
  const files = {
    'schemas/quote.ts': block(page, 'ts', '// schemas/quote.ts'),
    'functions/quote.php': block(page, 'php', '// functions/quote.php'),
    'deploy/gateway.config.ts': block(page, 'ts', '// deploy/gateway.config.ts'),
  };
  project = writeProject(files, file);
  told = await command('--project', project, 'types');
});

test('it tells what it wrote as shown', () => {
  expect(told.split('\n').slice(0, 4).join('\n')).toBe(block(page, 'text', 'TYPES').trimEnd());
});

test('the handler takes and returns the classes', async () => {
  const input = /call quote '([^']+)'/.exec(readPage(page))?.[1] ?? '';
  const result = await command('--project', project, 'call', 'quote', input, '--local');
  expect(JSON.parse(result)).toEqual(JSON.parse(block(page, 'json', 'price')));
});

test.runIf(existsSync(join(root, 'gateway/php/Client/Client.php')))('a caller in PHP uses the client as shown', () => {
  const caller = blocks(page, 'php').find((text) => text.includes('new FunctionsClient')) ?? '';
  const answers = (answer: string): string => `
    require '${root}/gateway/php/autoload.php';
    require '${project}/generated/php/autoload.php';
    $client = FpmGateway\\Client\\Client::fake(['quote' => ${answer}]);\n`;
  const [, uses = '', code = ''] = /^((?:use .*\n)+)([\s\S]*)$/.exec(caller) ?? [];
  const say = (answer: string): string => {
    const path = join(project, 'caller.php');
    writeFileSync(path, `<?php\n${uses}${answers(answer)}${code}`);
    const { stdout, stderr } = spawnSync('php', [path], { encoding: 'utf8' });
    return stdout + stderr;
  };
  expect(say("['price' => ['cents' => 200, 'currency' => 'EUR'], 'arrives' => '2026-12-28']")).toBe('200 EUR\n');
});

test.runIf(existsSync(join(root, 'gateway/client/index.ts')))('a caller in TypeScript compiles as shown', () => {
  const caller = join(project, 'caller.ts');
  writeFileSync(caller, block(page, 'ts', 'createClient'));
  const options = ['--noEmit', '--ignoreConfig', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck'];
  const modules = ['--module', 'nodenext', '--moduleResolution', 'nodenext', '--target', 'es2024'];
  const source = ['--customConditions', 'fpm-gateway-source', '--allowImportingTsExtensions', '--erasableSyntaxOnly'];
  const args = [...options, ...modules, ...source, '--lib', 'es2024,esnext.disposable,dom', '--types', 'node', caller];
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), args, { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
});
