/** A few rows of `npm run chaos`, so that the harness does not rot: the quick ones, on one gateway. */
import { expect, test } from 'vitest';
import { thisTest } from '../support/lifetime.ts';
import { ROWS } from './rows/all.ts';
import { runRows } from './run-rows.ts';

const QUICK = [4, 5, 9, 13, 14, 23, 24, 27, 31, 33];

test('ten rows of the catalogue hold', async () => {
  const rows = ROWS.filter(({ number }) => QUICK.includes(number));
  const results = await runRows(rows, () => {}, thisTest);
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  expect(results).toHaveLength(QUICK.length);
}, 120_000);
