/** The examples of the pages on the PHP client print what the pages say. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { block, readPage, root } from '../support/doc-blocks.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { handler, writeProject } from '../support/project.ts';

const run = promisify(execFile);
const page = 'docs/php-client.md';
const migration = 'docs/migrating-fast-cgi-client.md';

type Example = readonly [section: string, code: string, output: string];

/** PHP with what it prints below it. */
const examplesOf = (name: string): Example[] =>
  readPage(name)
    .split(/^#+ /m)
    .flatMap((section) => {
      const pairs = section.matchAll(/^```php\n((?:(?!^```)[\s\S])*)^```\n\n```text\n([\s\S]*?)^```/gm);
      return [...pairs].map(([, code = '', output = '']): Example => [section.split('\n')[0] ?? '', code, output]);
    });

const projects = wholeFile();

const callsGateway = ([, code]: Example): boolean => code.includes('Client::connect');

const php = async (code: string, cwd: string): Promise<string> =>
  (await run('php', ['-r', `require '${root}/gateway/php/autoload.php'; ${code}`], { cwd })).stdout;

describe.each([
  [page, (): string => root],
  [
    migration,
    (): string =>
      writeProject(
        {
          'schemas/worker.ts': block(migration, 'ts', '// schemas/worker.ts'),
          'functions/worker.php': block(migration, 'php', '// functions/worker.php'),
        },
        projects,
      ),
  ],
])('%s', (name, project) => {
  const file = wholeFile();
  let server: Server;

  beforeAll(async () => {
    server = await startTestServer(project(), {}, file);
  });

  test.each(examplesOf(name).filter(callsGateway))('%s', async (_, code, output) => {
    expect(await php(code.replace('http://127.0.0.1:8080', server.url), root)).toBe(output);
  });
});

const quote = (): string =>
  writeProject({
    'schemas/quote.ts': block(page, 'ts', '// schemas/quote.ts'),
    'functions/quote.php': block(page, 'php', '// functions/quote.php'),
    'schemas/price.ts': `
      import { z } from 'zod';
      import { defineFunction } from 'fpm-gateway/contract';
      export default defineFunction({ input: z.any(), output: z.any(), errors: { 'sold-out': z.null() } });`,
    'functions/price.php': handler(
      "return $input['item'] === 'cake' ? throw new Failure('sold-out') : ['cents' => 100];",
    ),
  });

test('the handler calls others as the page shows', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 3 } } }, { project: quote() });
  expect(await gateway.invoke('quote', { items: ['tea', 'cake', 'milk'] })).toEqual({ cents: 200, soldOut: ['cake'] });
});

test('and is tested without a gateway as the page shows', async () => {
  const [, code = '', output = ''] = examplesOf(page).find(([, text]) => text.includes('Call::fake')) ?? [];
  expect(await php(code, quote())).toBe(output);
});

test('the page lists every option of connect(), with its default', () => {
  const client = readFileSync(join(root, 'gateway/php/Client/Client.php'), 'utf8');
  const text = readPage(page);
  const [, parameters = ''] = /public static function connect\(([\s\S]*?)\): self/.exec(client) ?? [];
  const names = [...parameters.matchAll(/\$(\w+)/g)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(7);
  expect(names.filter((name) => !text.includes(`\n| \`${name}\` |`))).toEqual([]);
  const defaults = [...client.matchAll(/private const (?:TIMEOUT_MS|CONNECT_TIMEOUT_MS|CONCURRENCY) = ([\d_]+)/g)];
  expect(defaults).toHaveLength(3);
  for (const [, value = ''] of defaults) expect(text).toContain(`| ${value.replaceAll('_', ',')} |`);
});
