import { expect, test } from 'vitest';
import { memoryIn } from './cpu.ts';
import type { RunResult } from './result.ts';
import { drawTimelines } from './steps-svg.ts';
import { momentsOf, stepsOf, type Timeline } from './timeline.ts';

const step = (second: number, to: number, reason: string) => ({ at: `2026-11-21T12:00:0${second}.000Z`, to, reason });
const STARTED_AT_MS = Date.parse('2026-11-21T12:00:01.000Z');

test('of the steps that a status tells those of the turn count, in the order of time', () => {
  const steps = [step(0, 3, 'too early'), step(5, 0, 'asleep'), step(2, 4, '7 calls waited')];
  expect(momentsOf(1, steps, STARTED_AT_MS)).toEqual([
    { atMs: 0, workers: 1 },
    { atMs: 1000, workers: 4, reason: '7 calls waited' },
    { atMs: 4000, workers: 0, reason: 'asleep' },
  ]);
});

test('steps are counted up and down, whatever their size', () => {
  const moments = [0, 2, 4, 1, 0].map((workers, at) => ({ atMs: at, workers }));
  expect(stepsOf(moments)).toEqual({ up: 2, down: 2, most: 4 });
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

test('the picture has each kind of reason once, and its letter at each step', () => {
  const moments = [
    { atMs: 0, workers: 0 },
    { atMs: 100, workers: 2, reason: '3 calls & more wait' },
    { atMs: 900, workers: 0, reason: 'nobody called' },
    { atMs: 1100, workers: 2, reason: '17 calls & more wait' },
  ];
  const picture = drawTimelines(runOf([{ name: 'php-fpm', moments, loads: [[100, 500]], endMs: 2000 }]));
  expect(picture.match(/a: n calls &amp; more wait · b: nobody called</g)).toHaveLength(1);
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
