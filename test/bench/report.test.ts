import { describe, expect, test } from 'vitest';
import { align, isReached, plain, renderRun } from './report.ts';
import { type Goal, parseRun, type RunResult } from './result.ts';
import { drawRun } from './svg.ts';

const goal = (relation: Goal['relation'], limit: number, values: readonly number[]): Goal => ({
  figure: 'calls/s to best nginx',
  relation,
  limit,
  values,
});

const run: RunResult = {
  date: '2026-11-21T12:00:00.000Z',
  seconds: 91.4,
  machine: { CPU: 'A <fast> one', cores: 2 },
  versions: { nginx: '1.22.1' },
  settings: { rounds: 3, workers: 4 },
  sections: [
    {
      name: 'http',
      tables: [
        {
          name: 'echo',
          title: 'an empty function',
          rowHeader: 'peer',
          columns: [
            { key: 'perSecond', header: 'calls/s', digits: 0 },
            { key: 'toBestNginx', header: '× best nginx', digits: 2 },
          ],
          rows: [
            { name: 'fpm-gateway', values: { perSecond: [30_000, 10_000, 20_000], toBestNginx: [1.5, 1.25, 1.3] } },
            { name: 'nginx', values: { perSecond: [20_000, 8000, 15_000], toBestNginx: [1, 1, 1] } },
            { name: 'Caddy', values: {}, failure: 'spawn /usr/bin/caddy ENOENT' },
          ],
        },
      ],
      goals: [goal('≥', 1.3, [1.5, 1.25, 1.3])],
      facts: { 'hashes in 5 ms': 8000 },
    },
  ],
};

test('names are aligned to the left, numbers to the right', () => {
  expect(
    align([
      ['peer', 'calls/s'],
      ['a long name', '7'],
      ['b', '12,345'],
    ]),
  ).toEqual(['peer         calls/s', 'a long name        7', 'b             12,345']);
});

describe('the report', () => {
  const lines = renderRun(run, plain).split('\n');

  test('shows the median of each row', () => {
    expect(lines).toContain('peer         calls/s  × best nginx');
    expect(lines).toContain('fpm-gateway   20,000          1.30');
    expect(lines).toContain('nginx         15,000          1.00');
  });

  test('says why a peer was not measured', () => {
    expect(lines).toContain('Caddy: not measured: spawn /usr/bin/caddy ENOENT');
  });

  test('tells for each goal its range and whether it was met', () => {
    expect(lines).toContain('calls/s to best nginx  ≥ 1.30    1.30  [1.25–1.50]  reached');
  });
});

describe('a goal', () => {
  test.each([
    ['≥', 1.3, [1.29], false],
    ['≥', 1.3, [1.3], true],
    ['≤', 1, [1.2, 0.9, 0.8], true],
    ['≤', 1, [1.01], false],
    ['≥', 1, [], false],
  ] as const)('%s %d with %j: %s', (relation, limit, values, expected) => {
    expect(isReached(goal(relation, limit, values))).toBe(expected);
  });
});

test('a run survives its JSON file, rounds without a value included', () => {
  const [section] = run.sections;
  const withGap = { ...run, sections: [{ ...section, goals: [goal('≥', 1, [Number.NaN, 2])] }] };
  expect(parseRun(JSON.stringify(withGap))).toEqual(withGap);
});

describe('the picture', () => {
  const svg = drawRun(run);

  test('shows who was measured, and nobody else', () => {
    expect(svg).toContain('>fpm-gateway</text>');
    expect(svg).toContain('>1.30 ×</text>');
    expect(svg).not.toContain('Caddy');
  });

  test('escapes what a machine calls itself', () => {
    expect(svg).toContain('A &lt;fast&gt; one');
    expect(svg).not.toContain('<fast>');
  });

  test('has its own ground and needs no font of the network', () => {
    expect(svg).toContain('fill="#ffffff"');
    expect(svg).not.toMatch(/url\(|@import|href/);
  });

  test('is not drawn of nothing', () => {
    expect(() => drawRun({ ...run, sections: [] })).toThrow('nothing to draw');
  });
});
