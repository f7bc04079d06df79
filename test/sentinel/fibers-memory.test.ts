/** Memory of a worker that runs several calls at once: what waits holds some, and that is no leak. */
import { expect, test } from 'vitest';
import { interleave } from '../support/interleaved.ts';
import { named } from '../support/sentinel.ts';

const LEAKS = "final class Kept { public static array $all = []; } \\FpmGateway\\Resets::keep('Shop\\Kept::$all');";

test.each([1, 20])('memory that grows with each call is told, %i at once', async (atOnce) => {
  const { leaks } = await interleave({
    app: LEAKS,
    handler: 'wait(); Kept::$all[] = str_repeat("x", 1000);',
    calls: 5000,
    atOnce,
  });
  expect(named(leaks)).toEqual(['memory memory of echo']);
});

test('a load that rises for thousands of calls is none, though each of those that wait holds memory', async () => {
  const { leaks } = await interleave({
    handler: '$own = str_repeat("x", 20_000); wait(); wait(); unset($own);',
    calls: 8000,
    atOnce: 1,
    oneMoreEach: 20,
  });
  expect(leaks).toEqual([]);
});

test('where several functions take turns, it is told as theirs', async () => {
  const { leaks } = await interleave({
    app: LEAKS,
    handler: 'wait(); Kept::$all[] = str_repeat("x", 1000);',
    others: { other: 'wait();' },
    calls: 8000,
    atOnce: 20,
  });
  expect(named(leaks)).toEqual(['memory memory of several functions']);
});
