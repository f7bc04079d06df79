/** How long a pool waits before it starts its next master. */
import { expect, test } from 'vitest';
import { restartDelayMs } from '../../gateway/pool/restarts.ts';

test('a master that has served for a second has a successor at once, however many came before it', () => {
  expect(restartDelayMs(1000, 6400)).toBe(100);
});

test('one that ended sooner waits longer each time, for 10 s at most', () => {
  expect([restartDelayMs(999, 200), restartDelayMs(0, 12_800)]).toEqual([200, 10_000]);
});
