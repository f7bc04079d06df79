/** Calls inside of calls, thousands of made-up ones: nobody waits for ever, and nobody is helped who need not be. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cores } from '../../gateway/pool/cores.ts';
import { type CallPlan, type FunctionPlan, NestedCalls, type PoolPlan } from '../support/nested-calls.ts';

const DEPTH = 4;
const NAMES = ['f', 'g', 'h', 'i'];

const planOf = (depth: number): fc.Arbitrary<CallPlan> =>
  fc.record({
    fn: fc.constantFrom(...NAMES),
    steps:
      depth === 1
        ? fc.constant([])
        : fc.array(fc.array(planOf(depth - 1), { minLength: 1, maxLength: 3 }), { maxLength: 2 }),
  });

const functions = fc.record(
  Object.fromEntries(
    NAMES.map((name) => [
      name,
      fc.record<FunctionPlan>({
        pool: fc.constantFrom('left', 'right'),
        workload: fc.constantFrom(
          { wallMs: 10, cpuMs: 0 },
          { wallMs: 10, cpuMs: 10 },
          { wallMs: 200, cpuMs: 0 },
          { wallMs: 200, cpuMs: 200 },
        ),
      }),
    ]),
  ),
);

const poolsOf = (reserve: number | undefined): fc.Arbitrary<Record<string, PoolPlan>> => {
  const pool = fc.record({ workers: fc.integer({ min: 1, max: 3 }), reserve: fc.constant(reserve) });
  return fc.record({ left: pool, right: pool });
};

const roots = fc.array(planOf(DEPTH), { minLength: 1, maxLength: 6 });
const turns = fc.infiniteStream(fc.nat(1000));

/** Until nothing works any more: who has not ended by then waits for ever. */
const runAll = async (calls: NestedCalls, plans: readonly CallPlan[], order: Iterator<number>): Promise<number> => {
  let ended = 0;
  for (const plan of plans) void calls.run(plan).then(() => (ended += 1));
  while (await calls.turn(Number(order.next().value)));
  return ended;
};

const settings = { numRuns: 400 };

test('on pools with workers in reserve every call is served, and everything is given back', async () => {
  await fc.assert(
    fc.asyncProperty(
      poolsOf(DEPTH - 1),
      functions,
      roots,
      turns,
      fc.boolean(),
      async (pools, fns, plans, order, counted) => {
        const cores = counted ? new Cores(1) : undefined;
        const calls = new NestedCalls(pools, fns, cores);
        expect(await runAll(calls, plans, order)).toBe(plans.length);
        expect(calls.refused).toEqual([]);
        expect([...calls.pools.values()].map(({ taken }) => taken)).toEqual([0, 0]);
        expect(cores?.wanted ?? 0).toBeCloseTo(0);
        await calls.nesting.emptied();
      },
    ),
    settings,
  );
});

test('without a reserve every call ends too, some with rpc-saturated', async () => {
  let saturated = 0;
  await fc.assert(
    fc.asyncProperty(poolsOf(undefined), functions, roots, turns, async (pools, fns, plans, order) => {
      const calls = new NestedCalls(pools, fns, undefined);
      expect(await runAll(calls, plans, order)).toBe(plans.length);
      expect(calls.refused.filter((code) => code !== 'rpc-saturated')).toEqual([]);
      saturated += calls.refused.length;
    }),
    settings,
  );
  expect(saturated).toBeGreaterThan(100);
});

test('only those are helped who would wait for ever', async () => {
  const helped: boolean[] = [];
  await fc.assert(
    fc.asyncProperty(poolsOf(DEPTH - 1), functions, roots, turns, async (pools, fns, plans, order) => {
      const calls = new NestedCalls(pools, fns, undefined);
      for (const [name, pool] of calls.pools) {
        const give = pool.takeReserve.bind(pool);
        pool.takeReserve = (...asked) => {
          helped.push(calls.isDead(name));
          return give(...asked);
        };
      }
      await runAll(calls, plans, order);
    }),
    settings,
  );
  expect(helped.filter((wasDead) => !wasDead)).toEqual([]);
  expect(helped.length).toBeGreaterThan(100);
});
