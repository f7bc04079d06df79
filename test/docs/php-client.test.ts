/** The examples of the page on the PHP client print what the page says, against this repository's own functions. */
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
const examples = [...readPage(page).matchAll(/^```php\n((?:(?!^```)[\s\S])*)^```\n\n```text\n([\s\S]*?)^```/gm)].map(
  ([, code = '', output = '']) => [/^#+ (.*)$/m.exec(code)?.[1] ?? titleOf(code), code, output] as const,
);

function titleOf(code: string): string {
  const before = readPage(page).split(code)[0] ?? '';
  return [...before.matchAll(/^#+ (.*)$/gm)].at(-1)?.[1] ?? '';
}

const php = async (code: string, cwd: string): Promise<string> =>
  (await run('php', ['-r', `require '${root}/gateway/php/autoload.php'; ${code}`], { cwd })).stdout;

describe('each example prints what stands below it', () => {
  const file = wholeFile();
  let server: Server;

  beforeAll(async () => {
    server = await startTestServer(root, {}, file);
  });

  test.each(examples.filter(([, code]) => code.includes('Client::connect')))('%s', async (_, code, output) => {
    expect(await php(code.replace('http://127.0.0.1:8080', server.url), root)).toBe(output);
  });
});

const price = "return $input['item'] === 'cake' ? throw new Failure('sold-out') : ['cents' => 100];";
const quote = (): string =>
  writeProject({
    'schemas/quote.ts': block(page, 'ts', '// schemas/quote.ts'),
    'functions/quote.php': block(page, 'php', '// functions/quote.php'),
    'schemas/price.ts': `
      import { z } from 'zod';
      import { defineFunction } from 'fpm-gateway/contract';
      export default defineFunction({ input: z.any(), output: z.any(), errors: { 'sold-out': z.null() } });`,
    'functions/price.php': handler(price),
  });

test('the handler calls others as the page shows', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 3 } } }, { project: quote() });
  expect(await gateway.invoke('quote', { items: ['tea', 'cake', 'milk'] })).toEqual({ cents: 200, soldOut: ['cake'] });
});

test('and is tested without a gateway as the page shows', async () => {
  const [, code = '', output = ''] = examples.find(([, text]) => text.includes('Call::fake')) ?? [];
  expect(await php(code, quote())).toBe(output);
});

test('the page lists every option of connect() with its default, and every code of the client’s own', () => {
  const client = readFileSync(join(root, 'gateway/php/Client/Client.php'), 'utf8');
  const text = readPage(page);
  const [, parameters = ''] = /public static function connect\(([\s\S]*?)\): self/.exec(client) ?? [];
  const names = [...parameters.matchAll(/\$(\w+)/g)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(7);
  expect(names.filter((name) => !text.includes(`\n| \`${name}\` |`))).toEqual([]);
  for (const [name, shown] of [
    ['TIMEOUT_MS', '60,000'],
    ['CONNECT_TIMEOUT_MS', '5,000'],
    ['CONCURRENCY', '32'],
  ] as const) {
    const [, value = ''] = new RegExp(`const ${name} = ([\\d_]+)`).exec(client) ?? [];
    expect(value.replaceAll('_', ',')).toBe(shown);
    expect(text).toContain(`| ${shown} |`);
  }
});
