/** The page on waiting: its examples run, and what it says of bad input is said. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { block, cells, root, tableRows } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { anyContract, writeProject } from '../support/project.ts';
import { startWorker } from '../support/resident-process.ts';
import { startPeer } from '../waiting/peer.ts';

const file = wholeFile();
const run = promisify(execFile);
const page = 'docs/waiting.md';
const FUNCTIONS = ['quotes', 'asks', 'ping-redis', 'stock'] as const;

const peer = await startPeer(file);
const rows = tableRows(page, '| in PHP | is told |').map(cells);
const code = (cell = ''): string => cell.replaceAll(/^`|`$/g, '');
const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    ...Object.fromEntries(
      rows.map(([body], at) => [
        `row${at}`,
        `return static function (array $input, Call $call) { try { ${code(body)} } catch (Throwable $e) { return $e->getMessage(); } };`,
      ]),
    ),
    alive: 'return static fn () => "alive";',
  },
  concurrent: { callMemoryBytes: 262_144 },
});

test.each(rows.map(([body, said], at) => [body, said, at] as const))('%s is told', async (_, said, at) => {
  expect((await worker.call(`row${at}`)).output).toContain(code(said));
  expect((await worker.call('alive')).output).toBe('alive');
});

const project = (): string =>
  writeProject({
    ...Object.fromEntries(
      FUNCTIONS.flatMap((name) => [
        [`schemas/${name}.ts`, anyContract()],
        [`functions/${name}.php`, block(page, 'php', `// functions/${name}.php`)],
      ]),
    ),
    'schemas/price.ts': anyContract(),
    'functions/price.php': '<?php return static fn (): float => 2.5;',
  });

test('its examples run', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project: project() });
  const rates = `http://${peer.address}/json`;
  expect(await gateway.invoke('quotes', { rates })).toEqual({ tea: 2.5, rate: { EUR: 1.1 } });
  expect(await gateway.invoke('asks', { url: rates })).toMatchObject({ status: 200, body: '{"EUR":1.1}' });
  expect(await gateway.invoke('asks', { url: 'http://127.0.0.1:1/' })).toMatchObject({ late: false });
  expect(await gateway.invoke('ping-redis', { address: `tcp://${peer.address}` })).toBe('+PONG');
  const dsn = `sqlite:${join(openFolder(), 'stock.sqlite')}`;
  expect(await gateway.invoke('stock', { dsn, item: 'tea', pieces: 5 })).toEqual({ items: 1 });
  await expect(gateway.invoke('stock', { dsn, item: 'milk', pieces: -5 })).rejects.toThrow();
  expect(await gateway.invoke('stock', { dsn, item: 'tea', pieces: 6 })).toEqual({ items: 1 });
});

test('and are tested without a gateway as the page shows', async () => {
  const [, ...lines] = block(page, 'php', 'Call::fake(').split('\n');
  const php = lines.join('\n').replace('node_modules/fpm-gateway/dist/php', `${root}/gateway/php`);
  const { stdout } = await run('php', ['-r', php], { cwd: project() });
  expect(`${stdout}\n`).toBe(block(page, 'json', 'rate'));
});
