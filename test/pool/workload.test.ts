/** What is measured of a function's calls, and what follows from it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LINE_MAX_CALLS, LINE_MAX_MS, SLOW_MS, Workload } from '../../gateway/pool/workload.ts';

const QUICK = { wallMs: 0.2, cpuMs: 0.1, waits: 1 };

/** Measured so many times. */
const workload = (usage: { wallMs: number; cpuMs?: number; waits?: number }, times = 20): Workload => {
  const made = new Workload();
  for (let n = 0; n < times; n += 1) made.record({ pid: 1, peakBytes: 0, cpuMs: 0, waits: 1, ...usage });
  return made;
};

describe('short', () => {
  test.each([0, 1, 2])('not after %i calls: they say little', (times) => {
    const { isShort, cpuShare, status } = workload({ ...QUICK, waits: 0 }, times);
    expect([isShort, cpuShare, status.depth]).toEqual([false, 0, 1]);
  });

  test.each([
    [0, LINE_MAX_CALLS],
    [0.1, LINE_MAX_CALLS],
    [1, 5],
    [LINE_MAX_MS / 2, 3],
    [LINE_MAX_MS / 2 + 0.01, 1],
    [100, 1],
  ])('%f ms: %i on one worker', (wallMs, depth) => {
    const made = workload({ wallMs });
    expect([made.isShort, made.status.depth]).toEqual([depth > 1, depth]);
  });

  test('one long call among short ones ends it, and dozens of short ones bring it back', () => {
    const made = workload(QUICK);
    const record = (wallMs: number): void => made.record({ ...QUICK, wallMs, pid: 1, peakBytes: 0 });
    record(1000);
    expect(made.isShort).toBe(false);
    for (let n = 0; n < 24; n += 1) record(QUICK.wallMs);
    expect(made.isShort).toBe(false);
    for (let n = 0; n < 200; n += 1) record(QUICK.wallMs);
    expect(made.isShort).toBe(true);
  });

  test('never again once it was seen to work on behind its answer', () => {
    const made = workload(QUICK);
    made.recordWorkingOn();
    expect([made.isShort, made.status.depth]).toEqual([false, 1]);
    for (let n = 0; n < 1000; n += 1) made.record({ ...QUICK, pid: 1, peakBytes: 0 });
    expect(made.isShort).toBe(false);
  });

  test('slow is far longer than not short', () => {
    expect(workload({ wallMs: SLOW_MS }).isSlow).toBe(false);
    expect(workload({ wallMs: SLOW_MS + 1 }, 1).isSlow).toBe(true);
    expect(new Workload().isSlow).toBe(false);
  });
});

describe('of a core', () => {
  test.each([
    ['one that never waits computes, however little CPU it got beside others', { wallMs: 10, cpuMs: 3, waits: 0 }, 1],
    ['one that waits takes what it used', { wallMs: 10, cpuMs: 3, waits: 5 }, 0.3],
    ['never more than one', { wallMs: 1, cpuMs: 3, waits: 5 }, 1],
    ['nothing was measured', { wallMs: 0, cpuMs: 0, waits: 5 }, 0],
  ])('%s', (_name, usage, share) => {
    expect(workload(usage).cpuShare).toBeCloseTo(share, 9);
  });
});

test('whatever is measured, what follows is within its bounds', () => {
  const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
  const usage = fc.record({ wallMs: ms, cpuMs: ms, waits: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(usage, { maxLength: 50 }), (usages) => {
      const made = new Workload();
      for (const each of usages) made.record({ ...each, pid: 1, peakBytes: 0 });
      const { depth, cpuShare } = made.status;
      expect(depth).toBeGreaterThanOrEqual(1);
      expect(depth).toBeLessThanOrEqual(LINE_MAX_CALLS);
      expect(depth > 1).toBe(made.isShort);
      expect(cpuShare).toBeGreaterThanOrEqual(0);
      expect(cpuShare).toBeLessThanOrEqual(1);
      // Those before the last wait for all of them no longer than that, in the mean.
      if (made.isShort) expect((depth - 1) * made.wallMs).toBeLessThanOrEqual(LINE_MAX_MS);
    }),
    { seed: 20_261_121 },
  );
});
