/** The table of the page on the resident engine: what a handler does, what its caller gets, what becomes of its worker. */
import { beforeAll, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { cells, tableRows } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

const rows = tableRows('docs/resident.md', '| in PHP | answer | worker |').map(cells);
const RESIDENT = "engine: 'resident', timeoutMs: 1000";
const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  const functions = Object.fromEntries(rows.map(([body = ''], at) => [`f${at}`, [body, RESIDENT] as const]));
  const project = functionsProject({ ...functions, pid: ['return getmypid();', RESIDENT] }, file);
  gateway = await startGateway({ pools: { default: { workers: 1, resident: { workers: 1 } } } }, { project }, file);
});

const pidOf = async (): Promise<unknown> => await (await post(gateway, 'pid', {})).json();

test.each(rows.map((row, at) => [...row, at] as const))('%s: %s, the worker is %s', async (...row) => {
  const [, answer = '', worker] = row as readonly string[];
  const before = await pidOf();
  const response = await post(gateway, `f${row.at(-1)}`, {});
  const body = (await response.json()) as { code?: string };
  const [, status, code] = /^(\d+)(?: `([a-z-]+)`)?$/.exec(answer) ?? [];
  expect([response.status, body.code]).toEqual([Number(status), code]);
  const after = await pidOf();
  expect(after, 'the next call').toEqual(expect.any(Number));
  expect(after === before ? 'stays' : 'replaced').toBe(worker);
});
