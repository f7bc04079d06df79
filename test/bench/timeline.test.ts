import { expect, test } from 'vitest';
import { memoryIn } from './cpu.ts';
import type { RunResult } from './result.ts';
import { drawTimelines } from './steps-svg.ts';
import { changesOf, stepsOf, type Timeline } from './timeline.ts';

const samples = [0, 0, 2, 4, 4, 1, 0].map((workers, at) => ({ atMs: at * 100, workers }));

test('of many samples only those stay in which the number of workers changed', () => {
  expect(changesOf(samples).map(({ atMs, workers }) => [atMs, workers])).toEqual([
    [0, 0],
    [200, 2],
    [300, 4],
    [500, 1],
    [600, 0],
  ]);
  expect(changesOf([])).toEqual([]);
});

test('steps are counted up and down, whatever their size', () => {
  expect(stepsOf(changesOf(samples))).toEqual({ up: 2, down: 2, most: 4 });
  expect(stepsOf([])).toEqual({ up: 0, down: 0, most: 0 });
});

const runOf = (timelines: readonly Timeline[]): RunResult => ({
  date: '2026-11-21T12:00:00.000Z',
  seconds: 1,
  machine: { CPU: 'A <fast> one', cores: 2 },
  versions: {},
  settings: {},
  sections: [{ name: 'load-steps', tables: [], goals: [], facts: {}, timelines }],
});

test('the picture has each reason once, and its letter at each step', () => {
  const moments = [
    { atMs: 0, workers: 0 },
    { atMs: 100, workers: 2, reason: '3 calls & more wait' },
    { atMs: 900, workers: 0, reason: 'nobody called' },
    { atMs: 1100, workers: 2, reason: '3 calls & more wait' },
  ];
  const picture = drawTimelines(runOf([{ name: 'php-fpm', moments, loads: [[100, 500]], endMs: 2000 }]));
  expect(picture.match(/a: 3 calls &amp; more wait</g)).toHaveLength(1);
  expect(picture.match(/>a<\/text>/g)).toHaveLength(2);
  expect(picture.match(/>b<\/text>/g)).toHaveLength(1);
  expect(picture).toContain('A &lt;fast&gt; one');
});

test('a run without the section has nothing to draw', () => {
  expect(() => drawTimelines(runOf([]))).toThrow('nothing to draw: the picture shows the section load-steps');
});

test('memory is read from a smaps_rollup, as MB', () => {
  const rollup = '55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss:    20480 kB\nPss:    5120 kB\nPss_Dirty:  1024 kB\n';
  expect(memoryIn(rollup)).toEqual({ rssMb: 20, pssMb: 5 });
});
