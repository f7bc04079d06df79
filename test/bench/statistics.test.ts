import { describe, expect, test } from 'vitest';
import { bestOf, closedSystemMs, median, mostOfHalves, percentile, ratios, rotated } from './statistics.ts';

describe('median', () => {
  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[7], 7],
    [[Number.NaN, 5, 1], 3],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
    expect(median([Number.NaN])).toBeNaN();
  });
});

test('a ratio is taken within a round, and a round without a reference has none', () => {
  expect(ratios([10, 30, 5, 1], [20, 10, 0])).toEqual([0.5, 3, Number.NaN, Number.NaN]);
});

test('the best of several is chosen anew in each round, whoever was measured in it', () => {
  expect(
    bestOf([
      [1, 5, Number.NaN],
      [2, 4],
    ]),
  ).toEqual([2, 5, Number.NaN]);
  expect(
    bestOf(
      [
        [1, 5],
        [2, 4],
      ],
      Math.min,
    ),
  ).toEqual([1, 4]);
  expect(bestOf([])).toEqual([]);
});

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);

  test.each([
    [hundred, 0.5, 50],
    [hundred, 0.99, 99],
    [hundred, 1, 100],
    [[7], 0.99, 7],
    [[3, 1], 0, 1],
  ])('of %j at %d is %d', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });

  test('of nothing is not a number', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

test('what grows has its largest values in the second half', () => {
  expect(mostOfHalves([1, 5, 2, 3])).toEqual([5, 3]);
  expect(mostOfHalves([1, 2, 9])).toEqual([1, 9]);
  expect(mostOfHalves([4])).toEqual([Number.NaN, 4]);
});

test('every peer begins a round in its turn', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
  expect(rotated([], 3)).toEqual([]);
});

test('callers of a closed system wait for N × S / W, and never less than the service time', () => {
  expect(closedSystemMs(10_000, 16, 5.2)).toBeCloseTo(3250);
  expect(closedSystemMs(10, 16, 5.2)).toBe(5.2);
});
