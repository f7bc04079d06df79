/** What a pool that is awake is told of its load, and when it looks. */
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { ScalingSteps } from '../../gateway/pool/scaling-steps.ts';
import { type Scalable, ScalingWatch } from '../../gateway/pool/scaling-watch.ts';

class Part implements Scalable {
  workers = 1;
  starting = 0;
  failure: unknown;
  isBusy = false;
  idleSinceMs: number | undefined;
  usedMs = 0;

  resize(workers: number): void {
    this.workers = workers;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
});

const make = (maxWorkers: number) => {
  const part = new Part();
  const steps = new ScalingSteps('test', silentLog);
  const slept: number[] = [];
  const startedMs = performance.now();
  const onUnused = (): void => {
    slept.push(performance.now() - startedMs);
  };
  const pace = { size: { minWorkers: 0, maxWorkers }, idleMs: 20_000, sleepAfterMs: 500, startsAtOnce: 3 };
  const watch = new ScalingWatch({ part, pace, steps, onUnused });
  onTestFinished(() => watch.stop());
  return { part, steps, slept, watch };
};

test('calls that have waited at the maximum do not keep it awake', () => {
  const { part, slept, watch } = make(1);
  part.isBusy = true;
  watch.lack(1, 1);
  vi.advanceTimersByTime(100);
  watch.lack(0, 0);
  part.isBusy = false;
  part.usedMs = performance.now();
  vi.advanceTimersByTime(1000);
  expect(slept[0]).toBeGreaterThanOrEqual(600);
  expect(slept[0]).toBeLessThan(1001);
});

test('it sleeps after its last call, whatever became of its workers since', () => {
  const { part, slept } = make(3);
  part.usedMs = performance.now();
  for (let n = 0; n < 6; n += 1) {
    // Another in its place.
    part.idleSinceMs = performance.now();
    vi.advanceTimersByTime(100);
  }
  expect(slept[0]).toBe(500);
});

test('calls that are turned away get more workers, one after another, and no more than may be', () => {
  const { part, steps, watch } = make(3);
  part.isBusy = true;
  for (let ms = 0; ms < 100; ms += 1) {
    vi.advanceTimersByTime(1);
    // As admission does: it waits for a moment, and is refused.
    watch.lack(1, 1);
    watch.lack(0, 0);
    watch.turnedAway();
  }
  expect(steps.last.map(({ from, to, reason }) => [from, to, reason])).toEqual([
    [1, 2, 'a call was turned away'],
    [2, 3, 'a call was turned away'],
  ]);
});
