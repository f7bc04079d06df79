/** The page on the shared cache: its examples run, its lists and limits are those of the code. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { configSchema, defineConfig } from '../../gateway/config.ts';
import { block, cells, readPage, root, tableRows } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { anyContract, writeProject } from '../support/project.ts';

const run = promisify(execFile);
const page = 'docs/cache.md';

const quote = (): string =>
  writeProject({
    'schemas/quote.ts': anyContract(),
    'functions/quote.php': block(page, 'php', '// functions/quote.php'),
  });

test('the example counts and remembers over calls', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project: quote() });
  const asked = await Promise.all(Array.from({ length: 4 }, () => gateway.invoke('quote', { item: 'milk' })));
  expect(asked.map((one) => (one as { asked: number }).asked).sort()).toEqual([1, 2, 3, 4]);
  expect(asked).toEqual(Array(4).fill({ price: 4.4, asked: expect.any(Number) }));
  // Four counters, one of the four made the price.
  expect(gateway.pools()[0]?.cache).toMatchObject({ entries: 2 });
});

test('and is tested without a gateway as the page shows', async () => {
  const [, ...lines] = block(page, 'php', 'Call::fake').split('\n');
  const code = lines.join('\n').replace('node_modules/fpm-gateway/dist/php', `${root}/gateway/php`);
  const { stdout } = await run('php', ['-r', code], { cwd: quote() });
  expect(`${stdout}\n`).toBe(block(page, 'json', 'price'));
});

test('the settings it shows are taken', () => {
  const example = block(page, 'ts', 'defineConfig').replace('export default', 'return');
  const config = new Function('defineConfig', example)(defineConfig) as object;
  expect(configSchema.parse(config).pools.default).toMatchObject({
    cache: { maxBytes: 67_108_864, entriesMax: 200_000, valueMaxBytes: 2_097_152 },
  });
});

test('its methods are those of the class, with their defaults', () => {
  const code = readFileSync(join(root, 'gateway/php/Cache.php'), 'utf8');
  const methods = [...code.matchAll(/^ {4}public function (\w+\(.*)$/gm)].map(([, signature = '']) => signature);
  const listed = tableRows(page, '| method | |').map((row) => cells(row)[0] ?? '');
  expect(listed.length).toBe(7);
  expect([...listed].sort()).toEqual([...methods].sort());
});

test('its figures of the status are those that there are', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project: quote() });
  const names = Object.keys(gateway.pools()[0]?.cache ?? {});
  expect(names.length).toBeGreaterThan(6);
  const text = readPage(page);
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});
