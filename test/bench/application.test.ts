import { expect, test } from 'vitest';
import { modulesFor } from './application/calibrate.ts';
import { moduleName } from './application/generate.ts';

test('so many modules take so long: what each takes, and what all take together, follow from two sizes', () => {
  const small = { modules: 10, cpuMs: 12 };
  const large = { modules: 60, cpuMs: 62 };
  expect([5, 12, 50, 140].map((wantedMs) => modulesFor(wantedMs, small, large))).toEqual([3, 10, 48, 138]);
  expect(modulesFor(0.1, small, large)).toBe(1);
  expect(() => modulesFor(5, small, { modules: 60, cpuMs: 11 })).toThrow('60 modules took 11 ms of CPU');
});

test('no two modules have one name, and none that PHP or SQL takes for its own', () => {
  const names = Array.from({ length: 500 }, (_, at) => moduleName(at).toLowerCase());
  expect(new Set(names).size).toBe(500);
  for (const reserved of ['return', 'order', 'group', 'list', 'class', 'index', 'case'])
    expect(names).not.toContain(reserved);
});
