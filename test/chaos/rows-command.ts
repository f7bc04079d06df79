/** `npm run chaos -- rows`: a line for each row, and how many of them held. */
import type { Command } from './commands.ts';
import type { KeptRow } from './result.ts';
import { LATER, ROWS } from './rows/all.ts';
import { type RowResult, runRows } from './run-rows.ts';

const line = ({ ok, number, fault, outcome, seconds }: RowResult): string =>
  `${ok ? '✓' : '✗'} ${String(number).padStart(2)} ${fault} · ${outcome} · ${seconds.toFixed(1)} s`;

/** Behind several runs a row has held only if it did in each. */
const together = (runs: readonly (readonly RowResult[])[]): RowResult[] =>
  (runs.at(-1) ?? []).map((last) => runs.flat().find(({ number, ok }) => number === last.number && !ok) ?? last);

export const rowsCommand: Command = async ({ options, lifetime, say, show }) => {
  const { only, times } = options;
  const rows = ROWS.filter(({ number }) => only?.includes(number) ?? true);
  const startedMs = performance.now();
  const runs: (readonly RowResult[])[] = [];
  for (let time = 1; time <= times; time += 1) {
    let done = 0;
    const told = (result: RowResult): void => {
      done += 1;
      say(line(result));
      show(`${done} of ${rows.length} rows${times > 1 ? `, run ${time} of ${times}` : ''}`);
    };
    show(`0 of ${rows.length} rows`);
    const results = await runRows(rows, told, lifetime);
    runs.push(results);
    if (times > 1) say(`${results.filter(({ ok }) => ok).length} of ${results.length} in run ${time}`);
  }
  const results = together(runs);
  const kept: KeptRow[] = [
    ...results.map(({ number, fault, expected, ok, outcome }) => ({ number, fault, expected, ok, outcome })),
    ...LATER.map(({ number, fault, comesWith }) => ({ number, fault, expected: comesWith })),
  ];
  return {
    command: 'rows',
    passed: results.filter(({ ok }) => ok).length,
    of: results.length,
    // What rows do is not left to chance.
    seed: undefined,
    seconds: (performance.now() - startedMs) / 1000,
    figures: { 'runs in a row': times },
    rows: kept.sort((a, b) => a.number - b.number),
  };
};
