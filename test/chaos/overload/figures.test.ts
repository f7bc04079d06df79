import { expect, test } from 'vitest';
import type { Called } from './callers.ts';
import { recoveryMs, wastedOf } from './figures.ts';
import { scheduleOf } from './schedule.ts';

const called = (more: Partial<Called>): Called => ({
  id: 'a',
  function: 'f',
  atMs: 0,
  latencyMs: 1,
  lateMs: 0,
  status: 200,
  code: 'ok',
  sentAtMs: 0,
  ...more,
});

test('a schedule is the same for the same seed, and comes to its rate', () => {
  const streams = [{ functions: ['f', 'g'], perSecond: 100, fromMs: 0, toMs: 10_000, leavers: 0.1 }];
  const schedule = scheduleOf(streams, 7);
  expect(scheduleOf(streams, 7)).toEqual(schedule);
  expect(schedule.length).toBeGreaterThan(900);
  expect(schedule.length).toBeLessThan(1100);
});

test('a call is begun late when PHP began it more than 10 ms after its caller was seen to leave, or its time was over', () => {
  const ids = ['left-before', 'left-just-before', 'left-after', 'too-late', 'never-begun'];
  const starts = new Map([
    ['left-before', 111],
    ['left-just-before', 110],
    ['left-after', 90],
    ['too-late', 2011],
  ]);
  const seen = new Map([
    ['left:left-before', 100],
    ['left:left-just-before', 100],
    ['left:left-after', 100],
    ['left:never-begun', 100],
    ['came:too-late', 0],
  ]);
  const calls = ids.map((id) => called({ id }));
  expect(wastedOf(calls, { starts, seen }, 2000)).toEqual({
    started: 4,
    afterLeaving: 1,
    afterDeadline: 1,
    latestMs: 11,
  });
});

test('it is normal again after the last call that failed or was slow', () => {
  const calls = [
    called({ atMs: 100, status: 503 }),
    called({ atMs: 1100, latencyMs: 500 }),
    called({ atMs: 1200 }),
    called({ atMs: 1300, status: 503, latencyMs: 2 }),
    called({ atMs: 1400 }),
  ];
  expect(recoveryMs(calls, 1000, 50)).toBe(600);
});
