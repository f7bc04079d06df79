/** The table of the page on Fibers: what a handler does, what its caller gets, what becomes of its worker and of others. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { block, cells, root, tableRows } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

const page = 'docs/fibers.md';
const rows = tableRows(page, '| in PHP | answer | worker | the others |').map(cells);
const FIBERS = "engine: 'resident', concurrency: 100";
/** One second where the row is about it: others have all the time that a busy machine needs. */
const contractOf = (answer = ''): string => (answer.startsWith('504') ? `${FIBERS}, timeoutMs: 1000` : FIBERS);
/** Begins before what the row does, and ends behind it. */
const BESIDE =
  '$GLOBALS["isOver"] = false; for ($left = 1000; $left > 0 && !$GLOBALS["isOver"]; --$left) { $call->sleep(20); } return 1;';
const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  const functions = Object.fromEntries(
    rows.map(([body = '', answer], at) => [`f${at}`, [body, contractOf(answer)] as const]),
  );
  const others = {
    nap: ['$call->sleep($input["ms"]); return 1;', FIBERS],
    beside: [BESIDE, FIBERS],
    over: ['$GLOBALS["isOver"] = true; return 1;', FIBERS],
    pid: ['return getmypid();', FIBERS],
  } as const;
  const project = functionsProject({ ...functions, ...others }, file);
  gateway = await startGateway({ pools: { default: { resident: { concurrentWorkers: 1 } } } }, { project }, file);
});

const pidOf = async (): Promise<unknown> => await (await post(gateway, 'pid', {})).json();
const codeOf = async (response: Response): Promise<string | undefined> =>
  ((await response.json()) as { code?: string }).code;

test('the handler it shows is that of the example project', () => {
  const path = 'functions/quote-baskets.php';
  const shown = block(page, 'php', `// ${path}`).replace(` // ${path}`, '');
  expect(readFileSync(join(root, path), 'utf8')).toBe(shown);
});

test.each(rows.map((row, at) => [...row, at] as const))('%s: %s, the worker %s, others %s', async (...row) => {
  const [, answer = '', worker, others] = row as readonly string[];
  const before = await pidOf();
  const beside = post(gateway, 'beside', {});
  const response = await post(gateway, `f${row.at(-1)}`, {});
  const [, status, code] = /^(\d+)(?: `([a-z-]+)`)?$/.exec(answer) ?? [];
  expect([response.status, await codeOf(response)]).toEqual([Number(status), code]);
  await post(gateway, 'over', {});
  expect((await codeOf(await beside)) ?? 'go on').toBe(others);
  const after = await pidOf();
  expect(after, 'the next call').toEqual(expect.any(Number));
  expect(after === before ? 'stays' : 'replaced').toBe(worker);
});
