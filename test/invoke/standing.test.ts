import { describe, expect, test } from 'vitest';
import { comesTooLate, Standing } from '../../gateway/invoke/standing.ts';
import { WaitEstimate } from '../../gateway/invoke/wait-estimate.ts';

const foreseen = (waitMs: number, callMs = 1) => ({ ahead: 100, running: 1, waitMs, usualMs: waitMs, callMs });

describe('a queue', () => {
  test('stands when it has not been empty for its target, and not before', () => {
    const standing = new Standing(100);
    standing.begin(0);
    expect([standing.isStanding(99), standing.isStanding(100)]).toEqual([false, true]);
    standing.end();
    standing.begin(150);
    expect([standing.isStanding(249), standing.isStanding(250)]).toEqual([false, true]);
  });

  test('refuses newcomers who would wait for longer than the bound, and only while it stands', () => {
    const standing = new Standing(100);
    standing.begin(0);
    expect(standing.refuses(foreseen(5000), 99)).toBe(false);
    expect(standing.refuses(foreseen(100), 200)).toBe(false);
    expect(standing.refuses(foreseen(101), 200)).toBe(true);
  });

  test('lets everyone wait for eight calls of each worker, however long they take', () => {
    const standing = new Standing(100);
    standing.begin(0);
    const callMs = 500;
    expect(standing.refuses(foreseen(8 * callMs, callMs), 1000)).toBe(false);
    expect(standing.refuses(foreseen(8 * callMs + 1, callMs), 1000)).toBe(true);
  });

  test('refuses nobody who has eight calls or less of each worker before it, however slow they are just now', () => {
    const standing = new Standing(100);
    standing.begin(0);
    const inLine = (ahead: number) => ({ ...foreseen(60_000), ahead, running: 4 });
    expect(standing.refuses(inLine(32), 1000)).toBe(false);
    expect(standing.refuses(inLine(33), 1000)).toBe(true);
  });

  test('of a pool that wakes begins to count when the pool serves', () => {
    const standing = new Standing(100);
    standing.begin(0);
    standing.away();
    expect(standing.isStanding(60_000)).toBe(false);
    standing.served(60_000);
    expect([standing.isStanding(60_099), standing.isStanding(60_100)]).toEqual([false, true]);
  });

  test('never stands with a target of 0', () => {
    const standing = new Standing(0);
    standing.begin(0);
    expect(standing.isStanding(60_000)).toBe(false);
  });
});

describe('the estimate', () => {
  const measured = (): WaitEstimate => {
    const estimate = new WaitEstimate();
    estimate.begin(0);
    for (let n = 0; n <= 40; n += 1) estimate.served(n * 5);
    return estimate;
  };

  test('of a pool whose calls were slow comes down though only one call at a time waits', () => {
    const estimate = new WaitEstimate();
    estimate.begin(0);
    for (let n = 0; n <= 8; n += 1) estimate.served(n * 30_000);
    for (let n = 0; n < 50; n += 1) {
      const nowMs = 1_000_000 + n * 100;
      estimate.begin(nowMs);
      estimate.served(nowMs + 5);
    }
    expect(estimate.usualMs(1)).toBeLessThan(100);
  });

  test('follows from how fast those who waited were served', () => {
    expect(measured().waitMs(20, 4, 200)).toBeCloseTo(100);
  });

  test('knows nothing at first, and does not count the time in which nobody waited', () => {
    const estimate = new WaitEstimate();
    estimate.begin(0);
    for (let n = 0; n < 8; n += 1) estimate.served(n * 5);
    expect(estimate.isMeasured).toBe(false);
    estimate.begin(1_000_000);
    estimate.served(1_000_001);
    estimate.served(1_000_006);
    expect(estimate.isMeasured).toBe(true);
    expect(estimate.usualMs(1)).toBeCloseTo(5);
  });

  test('grows while workers hang, though none of their calls has ended', () => {
    const estimate = measured();
    // 20 ms a call on 4 workers is usual.
    expect(estimate.waitMs(10, 4, 220)).toBeCloseTo(50);
    expect(estimate.waitMs(10, 4, 2200)).toBeCloseTo(5000);
  });

  test('is doubted twice before it is taken for certain', () => {
    expect(comesTooLate(foreseen(2000), 1000)).toBe(false);
    expect(comesTooLate(foreseen(2001), 1000)).toBe(true);
  });
});
