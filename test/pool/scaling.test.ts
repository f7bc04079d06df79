/** The rules by which the number of workers follows load. */
import { expect, test } from 'vitest';
import { decide, GROW_AFTER_MS, type Load, type Pace } from '../../gateway/pool/scaling.ts';

const REST: Load = {
  workers: 2,
  starting: 0,
  fails: false,
  waiting: 0,
  wanted: 0,
  turnedAway: false,
  waitedMs: 0,
  isBusy: false,
  spareMs: 0,
  sinceStepMs: 60_000,
  unusedMs: 0,
};
const PACE: Pace = {
  size: { minWorkers: 0, maxWorkers: 8 },
  idleMs: 30_000,
  sleepAfterMs: 60_000,
  startsAtOnce: 3,
};

const verdict = (load: Partial<Load>, size: Partial<Pace['size']> = {}): unknown =>
  decide({ ...REST, wanted: load.waiting ?? 0, ...load }, { ...PACE, size: { ...PACE.size, ...size } });
const resize = (workers: number, reason: string) => ({ kind: 'resize', workers, reason });
const stay = (againMs: number) => ({ kind: 'stay', againMs });

test.each<[string, Partial<Load>, unknown]>([
  ['a call that waits for a moment gets a worker that is there', { waiting: 1 }, stay(GROW_AFTER_MS)],
  ['one that has waited gets another', { waiting: 1, waitedMs: GROW_AFTER_MS }, resize(3, '1 call waited')],
  ['one that cannot wait leaves a worker for the next', { turnedAway: true }, resize(3, 'a call was turned away')],
  ['unless one is being started', { turnedAway: true, starting: 1 }, stay(GROW_AFTER_MS)],
  ['several get several', { waiting: 2, waitedMs: 9 }, resize(4, '2 calls waited')],
  ['many get as many as can be started at once', { waiting: 500, waitedMs: 9 }, resize(5, '500 calls waited')],
  ['many that fit in one get one', { waiting: 9, wanted: 1, waitedMs: 9 }, resize(3, '9 calls waited')],
  ['those being started count', { waiting: 5, waitedMs: 9, starting: 2 }, resize(3, '5 calls waited')],
  ['and are waited for', { waiting: 5, waitedMs: 9, starting: 3 }, stay(GROW_AFTER_MS)],
  ['who waits for one that is being started needs no other', { waiting: 2, waitedMs: 9, starting: 2 }, stay(5)],
  ['there are no more than maxWorkers', { waiting: 9, waitedMs: 9, workers: 7 }, resize(8, '9 calls waited')],
  ['at maxWorkers all wait', { waiting: 9, waitedMs: 9, workers: 8 }, stay(30_000)],
  ['while none can be started there is nothing to do', { waiting: 9, waitedMs: 9, fails: true }, stay(100)],
  ['a worker that idles stays for a time', { isBusy: true, spareMs: 29_000 }, stay(1000)],
  ['then it goes', { isBusy: true, spareMs: 30_400 }, resize(1, 'idle for 30 s')],
  ['one by one', { isBusy: true, spareMs: 90_000, sinceStepMs: 400 }, stay(600)],
  ['the last one stays until the pool sleeps', { workers: 1, spareMs: 30_000, unusedMs: 30_000 }, stay(30_000)],
  ['a busy pool has no idle worker', { isBusy: true }, stay(30_000)],
  [
    'without a call for long it sleeps',
    { workers: 1, unusedMs: 60_000 },
    { kind: 'sleep', reason: 'asleep: no call for 60 s' },
  ],
  ['not before', { workers: 1, unusedMs: 59_000 }, stay(1000)],
  ['nor while a call runs', { workers: 1, unusedMs: 61_000, isBusy: true }, stay(60_000)],
  ['nor while one waits', { workers: 1, unusedMs: 61_000, waiting: 1 }, stay(GROW_AFTER_MS)],
])('%s', (_what, load, expected) => {
  expect(verdict(load)).toEqual(expected);
});

test('minWorkers stay, and need not be looked at', () => {
  expect(verdict({ spareMs: 90_000, unusedMs: 90_000 }, { minWorkers: 2 })).toEqual(stay(Number.POSITIVE_INFINITY));
  expect(verdict({ spareMs: 90_000, workers: 3 }, { minWorkers: 2 })).toEqual(resize(2, 'idle for 90 s'));
});
