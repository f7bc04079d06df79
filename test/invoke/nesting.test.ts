/** Calls inside of calls, thousands of made-up ones: nobody waits for ever, and nobody is helped who need not be. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Held, Nesting, type OpenCall } from '../../gateway/invoke/nesting.ts';
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

describe('who is helped', () => {
  const make = () => {
    const nesting = new Nesting();
    const helped: string[] = [];
    const state = { isFull: true };
    const pool = nesting.addPool(() => state.isFull);
    const begin = (id: string, caller: string | undefined, awaited = true): OpenCall =>
      nesting.begin(id, id, caller === undefined ? undefined : { callId: caller, path: ['said'], awaited });
    const told: string[] = [];
    /** It has a worker. */
    const run = (call: OpenCall, isBehind = false): Held => {
      const held: Held = {
        isBehind,
        rest: () => told.push(`${call.id} rests`),
        resume: () => told.push(`${call.id} goes on`),
      };
      nesting.holds(call, pool, held);
      return held;
    };
    /** It waits for one; helped, it gets one. */
    const wait = (call: OpenCall): void => {
      const rescue = (): void => {
        helped.push(call.id);
        nesting.waitsNoMore(call);
        run(call);
      };
      nesting.waits(call, pool, { rescue });
      nesting.relieve();
    };
    return { nesting, pool, state, helped, told, begin, run, wait };
  };

  test('one for whose worker all wait, and nobody while one of them gets on', () => {
    const { helped, begin, run, wait } = make();
    run(begin('a', undefined));
    run(begin('b', undefined));
    wait(begin('in a', 'a'));
    expect(helped).toEqual([]);
    wait(begin('in b', 'b'));
    expect(helped).toEqual(['in b']);
  });

  test('the deepest first', () => {
    const { helped, begin, run, wait, state } = make();
    run(begin('a', undefined));
    run(begin('b', 'a'));
    run(begin('x', undefined));
    wait(begin('in b', 'b'));
    expect(helped).toEqual([]);
    wait(begin('in x', 'x'));
    expect(helped).toEqual(['in b']);
    expect(state.isFull).toBe(true);
  });

  test('not one that will be served: a worker is free, or the pool is down', () => {
    const { helped, begin, run, wait, state } = make();
    run(begin('a', undefined));
    state.isFull = false;
    wait(begin('in a', 'a'));
    expect(helped).toEqual([]);
  });

  test('a call that stands behind a stuck one makes nobody hope', () => {
    const { helped, begin, run, wait } = make();
    run(begin('a', undefined));
    run(begin('behind a', undefined), true);
    wait(begin('in a', 'a'));
    expect(helped).toEqual(['in a']);
  });

  test('the worker of an earlier attempt is about to be free', () => {
    const { helped, begin, run, wait } = make();
    const a = begin('a', undefined);
    run(a);
    run(a);
    wait(begin('in a', 'a'));
    expect(helped).toEqual([]);
  });

  test('what an earlier attempt waited for is nothing to the next one', () => {
    const { told, helped, begin, run, wait } = make();
    const a = begin('a', undefined);
    run(a);
    const left = begin('left behind', 'a');
    run(left);
    run(a);
    run(begin('b', undefined));
    wait(begin('in left', 'left behind'));
    wait(begin('in b', 'b'));
    expect(helped).toEqual([]);
    expect(told).toEqual(['a rests', 'left behind rests', 'b rests']);
  });

  test('a stream goes on only as its reader does', () => {
    const { nesting, helped, begin, run, wait } = make();
    run(begin('reader', undefined));
    const stream = begin('stream', 'reader');
    run(stream);
    nesting.answered(stream, true);
    wait(begin('for an item', 'reader'));
    expect(helped).toEqual(['for an item']);
  });

  test('a stream that nobody here reads is its reader’s matter', () => {
    const { nesting, helped, begin, run, wait } = make();
    const stream = begin('stream', undefined);
    run(stream);
    nesting.answered(stream, true);
    run(begin('a', undefined));
    wait(begin('in a', 'a'));
    expect(helped).toEqual([]);
  });

  test('nobody who was only sent, or whose caller is not known or at its next attempt', () => {
    const { nesting, pool, helped, begin, run, wait } = make();
    const a = begin('a', undefined);
    const held = run(a);
    wait(begin('sent by a', 'a', false));
    wait(begin('of a stranger', 'stranger'));
    nesting.freed(a, pool, held);
    wait(begin('of an attempt that has failed', 'a'));
    expect(helped).toEqual([]);
  });

  test('who waits for a call inside rests until the last of them has ended', () => {
    const { nesting, told, begin, run } = make();
    run(begin('a', undefined));
    const inside = [begin('1', 'a'), begin('2', 'a')];
    for (const call of inside) nesting.answered(call, false);
    nesting.answered(begin('3', 'a'), false);
    expect(told).toEqual(['a rests', 'a goes on', 'a rests', 'a goes on']);
  });

  test('the functions outside are those that run here, whatever the request says', () => {
    const { begin, run } = make();
    run(begin('a', undefined));
    run(begin('b', 'a'));
    expect(begin('c', 'b').outer).toEqual(['a', 'b']);
    expect(begin('d', 'stranger').outer).toEqual(['said']);
  });

  test('all is over when the last call is answered and its worker free', async () => {
    const { nesting, pool, begin, run } = make();
    await nesting.emptied();
    const a = begin('a', undefined);
    const held = run(a);
    let isEmpty = false;
    const emptied = nesting.emptied().then(() => (isEmpty = true));
    nesting.answered(a, false);
    await Promise.resolve();
    expect(isEmpty).toBe(false);
    nesting.freed(a, pool, held);
    await emptied;
  });
});
