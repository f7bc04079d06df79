/** When a new release is taken for a bad one. */
import { expect, test } from 'vitest';
import { failsNow } from '../../gateway/trial.ts';

const settings = { watchMs: 10_000, errorRate: 0.5, callsMin: 5 };
const fine = { calls: 1000, failed: 2 };

test.each([
  ['every call failed, none did before', { calls: 5, failed: 5 }, fine, true],
  ['half of its calls failed', { calls: 10, failed: 5 }, fine, true],
  ['it is new, and fails', { calls: 5, failed: 5 }, { calls: 0, failed: 0 }, true],
  ['too few failed to tell', { calls: 4, failed: 4 }, fine, false],
  ['less than half failed', { calls: 11, failed: 5 }, fine, false],
  ['as many failed before', { calls: 5, failed: 5 }, { calls: 10, failed: 9 }, false],
  ['a quarter failed before', { calls: 5, failed: 5 }, { calls: 100, failed: 25 }, false],
])('%s: %o after %o → %s', (_what, now, before, fails) => {
  expect(failsNow(now, before, settings)).toBe(fails);
});
