/** Row 37 of the fault catalogue: a pool that is down is not hit harder because calls are repeated. */
import { expect, test } from 'vitest';
import { amplificationOf, FAILING_WORKERS, type Fault, retryAmplification } from './retries.ts';

test('a pool that is down gets at most 1.2 attempts a call, whether or not a call had begun when it failed', async () => {
  const { calls, attempts, ratio } = await retryAmplification();
  expect(calls).toBe(500);
  expect(ratio).toBeLessThanOrEqual(1.2);
  // They are repeated at all.
  expect(attempts).toBeGreaterThan(550);
});

test.each<Fault>(['before', 'within'])(
  'one that goes down after good times gets the repeats saved up then once besides (%s)',
  async (fault) => {
    const { attempts } = await amplificationOf({ fault, calls: 500, before: 100 });
    expect(attempts).toBeLessThanOrEqual(500 * 1.2 + 10 + FAILING_WORKERS);
  },
);

test('a pool that answers gets one attempt a call', async () => {
  expect(await amplificationOf({ fault: 'none', calls: 50, before: 0 })).toEqual({ calls: 50, attempts: 50, ratio: 1 });
});
