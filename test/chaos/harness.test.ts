/** The harness's own parts: its words, its tables and its figures. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readOptions, readSoakOptions, UsageError } from './options.ts';
import { type Kept, PAGE, readKept, withTables } from './result.ts';
import { LATER, ROWS } from './rows/all.ts';
import { slopePerHour } from './soak/slope.ts';

const numbers = ROWS.map(({ number }) => number);

test('every number of the catalogue is there once, as a row or with what it comes', () => {
  const all = [...numbers, ...LATER.map(({ number }) => number)].sort((a, b) => a - b);
  // The catalogue's 65, and what it lacked.
  expect(all).toEqual(Array.from({ length: 68 }, (_, at) => at + 1));
});

describe('options', () => {
  test('without a word all rows run once', () => {
    expect(readOptions([], numbers)).toMatchObject({ command: 'rows', only: undefined, times: 1 });
  });

  test('a command and its options', () => {
    expect(readOptions(['rows', '--only', '4,6,19', '--times=3'], numbers)).toMatchObject({
      only: [4, 6, 19],
      times: 3,
    });
    expect(readOptions(['fuzz', '--answers', '5000', '--seed', '7'], numbers)).toMatchObject({
      answers: 5000,
      seed: 7,
    });
    expect(readSoakOptions(['--minutes', '30']).minutes).toBe(30);
  });

  test.each([
    [['rocks'], 'is not a command'],
    [['--only', '4,999'], 'it takes numbers of rows'],
    [['--times', '0'], 'it takes a whole number from 1 to 100'],
    [['fuzz', '--times', '2'], '--times goes with rows only'],
    [['--seed'], 'has no value'],
    [['--fast'], 'is not an option'],
  ])('%j is refused, and told why', (words, why) => {
    expect(() => readOptions(words, numbers)).toThrow(UsageError);
    expect(() => readOptions(words, numbers)).toThrow(why);
  });
});

describe('docs/reliability.md', () => {
  test('its tables are those of docs/reliability.json', () => {
    const page = readFileSync(PAGE, 'utf8');
    expect(withTables(page, readKept())).toBe(page);
  });

  test('a result shows its date, commit, seed and N of N; rows that come later are not counted', () => {
    const kept: Kept = {
      rows: {
        ...{ command: 'rows', passed: 1, of: 2, seed: 5, seconds: 3.2, figures: { 'a|b': 1 } },
        ...{ date: '2026-01-01', commit: 'abc' },
        rows: [
          { number: 4, fault: 'Worker', expected: '502', ok: true, outcome: '502 x' },
          { number: 5, fault: 'Other', expected: '502', ok: false, outcome: '200' },
          { number: 40, fault: 'Job', expected: 'jobs' },
        ],
      },
    };
    const page = withTables(readFileSync(PAGE, 'utf8'), kept);
    expect(page).toContain('| `rows` | 2026-01-01 | `abc` | 5 | **1 of 2** | 3 s | a\\|b 1 |');
    expect(page).toContain('| 4 | Worker | 502 | ✓ | 502 x |');
    expect(page).toContain('| 5 | Other | 502 | ✗ | 200 |');
    expect(page).toContain('| 40 | Job | comes with jobs |  |  |');
  });
});

test('a slope is what grows in an hour', () => {
  const points = [0, 1, 2, 3].map((at) => ({ atMs: at * 60_000, value: 10 + at * 0.5 }));
  expect(slopePerHour(points)).toBeCloseTo(30);
  expect(slopePerHour([{ atMs: 1, value: 3 }])).toBe(0);
});
