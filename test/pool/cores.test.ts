/** How much of the machine's CPU running calls want. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cores } from '../../gateway/pool/cores.ts';

const quick = (cpuShare: number) => ({ cpuShare, isSlow: false });

test('calls that compute fit on the cores and one more', () => {
  const cores = new Cores(2);
  let running = 0;
  for (; cores.fits(1); running += 1) cores.take(quick(1));
  expect(running).toBe(3);
  cores.give(quick(1));
  expect([cores.fits(1), cores.fits(1.01)]).toEqual([true, false]);
});

test('a tenth of a core, thirty times, comes out even', () => {
  const cores = new Cores(2);
  let running = 0;
  for (; cores.fits(0.1); running += 1) cores.take(quick(0.1));
  expect(running).toBe(30);
});

test('calls that only wait always fit', () => {
  const cores = new Cores(1);
  cores.take(quick(1));
  cores.take(quick(1));
  cores.take(quick(1));
  expect([cores.fits(0), cores.fits(0.001)]).toEqual([true, false]);
});

test('all pools hear of what is given back, but not of nothing', () => {
  const cores = new Cores(1);
  const heard: string[] = [];
  cores.onFreed(() => heard.push('a'));
  cores.onFreed(() => heard.push('b'));
  cores.take(quick(0.5));
  cores.give(quick(0));
  expect(heard).toEqual([]);
  cores.give(quick(0.5));
  expect(heard).toHaveLength(2);
  expect(new Set(heard)).toEqual(new Set(['a', 'b']));
});

test('pools hear in turn who comes first: none takes every share before the others', () => {
  const cores = new Cores(1);
  let heard: string[] = [];
  for (const name of ['a', 'b', 'c']) cores.onFreed(() => heard.push(name));
  const first = Array.from({ length: 6 }, () => {
    heard = [];
    cores.take(quick(1));
    cores.give(quick(1));
    return heard[0];
  });
  expect([...new Set(first)].sort()).toEqual(['a', 'b', 'c']);
  expect(first.slice(0, 3)).toEqual(first.slice(3));
});

test('whatever is taken is given back without a trace, in any order', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(share, fc.nat()), { maxLength: 2000 }), (steps) => {
      const cores = new Cores(2);
      const taken: number[] = [];
      for (const [wanted, at] of steps) {
        if (cores.fits(wanted)) {
          cores.take(quick(wanted));
          taken.push(wanted);
        } else cores.give(quick(taken.splice(at % taken.length, 1)[0] ?? 0));
        expect(cores.wanted).toBeLessThanOrEqual(cores.places + 1e-6);
      }
      for (const wanted of taken) cores.give(quick(wanted));
      // A full load of three must fit again.
      expect(cores.wanted).toBeLessThan(1e-9);
      for (let n = 0; n < cores.places; n += 1) {
        expect(cores.fits(1)).toBe(true);
        cores.take(quick(1));
      }
    }),
    { seed: 20_261_121, numRuns: 200 },
  );
});
