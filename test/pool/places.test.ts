/** Whether a call may occupy one more worker. */
import { describe, expect, test } from 'vitest';
import { Cores } from '../../gateway/pool/cores.ts';
import { lacks } from '../../gateway/pool/places.ts';

const COMPUTES = { cpuShare: 1, isSlow: false };
const WAITS = { cpuShare: 0, isSlow: false };
const SLOW = { cpuShare: 0, isSlow: true };
const SLOW_COMPUTES = { cpuShare: 1, isSlow: true };

/** Two cores, so three places, of which so much is taken. */
const cores = (taken = 0, isSlow = false): Cores => {
  const made = new Cores(2);
  made.take({ cpuShare: taken, isSlow });
  return made;
};

const ask = (workload: typeof COMPUTES, more: Partial<Parameters<typeof lacks>[0]> = {}) =>
  lacks({
    workload,
    awaited: false,
    workers: 4,
    freeWorkers: 2,
    slowWorkers: 0,
    cores: cores(),
    quickCallsAround: false,
    ...more,
  });

test('a free worker is all that most calls need', () => {
  expect([COMPUTES, WAITS, SLOW, SLOW_COMPUTES].map((workload) => ask(workload))).toEqual(Array(4).fill('nothing'));
});

test.each([0, -1])('with %i free workers nobody goes', (freeWorkers) => {
  expect([COMPUTES, WAITS, SLOW].map((workload) => ask(workload, { freeWorkers }))).toEqual(Array(3).fill('worker'));
});

describe('cores', () => {
  test.each([
    [COMPUTES, 2, 'nothing'],
    [COMPUTES, 2.1, 'cores'],
    [COMPUTES, 3, 'cores'],
    [{ ...COMPUTES, cpuShare: 0.5 }, 2.5, 'nothing'],
    [{ ...COMPUTES, cpuShare: 0.5 }, 2.6, 'cores'],
    [WAITS, 3, 'nothing'],
    [WAITS, 30, 'nothing'],
  ] as const)('%o beside calls that want %f of three', (workload, taken, lacking) => {
    expect(ask(workload, { cores: cores(taken) })).toBe(lacking);
  });

  test('those of workers elsewhere are not ours to share out', () => {
    expect(ask(COMPUTES, { cores: undefined })).toBe('nothing');
  });
});

describe('while quick calls are around', () => {
  const around = { quickCallsAround: true };

  test('slow calls get all workers but one, whichever is free; others get any', () => {
    const most = { ...around, freeWorkers: 1, slowWorkers: 3 };
    expect([SLOW, SLOW_COMPUTES, COMPUTES, WAITS].map((workload) => ask(workload, most))).toEqual([
      'kept',
      'kept',
      'nothing',
      'nothing',
    ]);
    expect(ask(SLOW, { ...most, cores: undefined })).toBe('kept');
    expect(ask(SLOW, { ...around, slowWorkers: 2 })).toBe('nothing');
    expect(ask(SLOW, { freeWorkers: 1, slowWorkers: 3 })).toBe('nothing');
  });

  test('a slow call waits for a worker as any other while slow calls have few: quick ones do not pass it', () => {
    expect(ask(SLOW, { ...around, freeWorkers: 1, slowWorkers: 0 })).toBe('nothing');
    expect(ask(SLOW, { ...around, freeWorkers: 0, slowWorkers: 0 })).toBe('worker');
  });

  test('the only worker of a pool is kept from nobody', () => {
    expect(ask(SLOW, { ...around, workers: 1, freeWorkers: 1 })).toBe('nothing');
  });

  test('slow calls that compute leave one place to the others, whatever those take', () => {
    expect(ask(SLOW_COMPUTES, { ...around, cores: cores(1, true) })).toBe('nothing');
    expect(ask(SLOW_COMPUTES, { ...around, cores: cores(1.1, true) })).toBe('kept');
    expect(ask(SLOW_COMPUTES, { ...around, cores: cores(2.1) })).toBe('cores');
    expect(ask(SLOW_COMPUTES, { cores: cores(1.1, true) })).toBe('nothing');
  });

  test('on a machine with one core a slow call that computes still goes, alone', () => {
    expect(ask(SLOW_COMPUTES, { ...around, cores: new Cores(1) })).toBe('nothing');
  });
});
