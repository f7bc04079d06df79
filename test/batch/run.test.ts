/** Whatever items do and however they arrive: each has one result, in the order that was asked for. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Deadline, Deadline as NewDeadline } from '../../gateway/deadline.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { Batch, type BatchItem } from '../../gateway/invoke/batch.ts';
import type { EndedItem, ItemCalls } from '../../gateway/invoke/item-call.ts';
import { Turns } from '../../gateway/invoke/turns.ts';
import { TraceRing } from '../../gateway/trace/ring.ts';
import { isThinned } from '../../gateway/trace/thinning.ts';
import { parentBasedAlwaysOn, Tracer } from '../../gateway/trace/tracer.ts';

interface Plan {
  readonly fn: 'free' | 'capped';
  readonly turns: number;
  readonly outcome: 'good' | 'bad' | 'refused once';
}

const CAP = 2;

/** Calls that take some turns of the event loop. */
const callsOf = (
  plans: readonly Plan[],
): { calls: ItemCalls; inside: { now: number; most: number; capped: number } } => {
  const tracer = new Tracer(new TraceRing(1), parentBasedAlwaysOn, [], false);
  const whole = tracer.begin({ callId: 'c', function: 'batch', caller: undefined, trusted: true });
  const inside = { now: 0, most: 0, capped: 0 };
  let capped = 0;
  const refused = new Set<number>();
  const invoke: ItemCalls['invoker']['invoke'] = async ({ name, input: { value } }) => {
    const plan = plans[value as number];
    if (plan?.outcome === 'refused once' && !refused.has(value as number)) {
      refused.add(value as number);
      throw new GatewayError('overloaded', 'full');
    }
    inside.now += 1;
    if (name === 'capped') capped += 1;
    inside.most = Math.max(inside.most, inside.now);
    inside.capped = Math.max(inside.capped, capped);
    for (let turn = 0; turn < (plan?.turns ?? 0); turn += 1) await new Promise((resolve) => setImmediate(resolve));
    inside.now -= 1;
    if (name === 'capped') capped -= 1;
    if (plan?.outcome === 'bad') throw new GatewayError('function-error', 'bad');
    return { kind: 'json', value, head: undefined };
  };
  const fn = { output: { kind: 'json' }, code: { kind: 'handler' }, methods: ['POST'], contents: ['json'] };
  const invoker = { invoke, function: () => fn as never };
  const begin: ItemCalls['begin'] = ({ index }) =>
    tracer.beginPart({ callId: `${index}`, function: 'f', whole, caller: undefined, thinned: false });
  const keys = { begin: never, finish: never, abandon: never, open: never, sweep: never, close: never };
  return { calls: { invoker, keys, begin, outer: undefined, turns: new Turns() }, inside };
};

/** No item has a key. */
const never = async (): Promise<never> => await Promise.reject(new Error('not to be asked'));

const itemOf = ({ fn }: Plan, index: number): BatchItem => ({
  index,
  id: `${index}`,
  function: fn,
  script: '',
  input: index,
  timeoutMs: undefined,
  idempotencyKey: undefined,
  caller: undefined,
  bytes: 10,
});

const plan = fc.record<Plan>({
  fn: fc.constantFrom('free', 'capped'),
  turns: fc.nat(4),
  outcome: fc.constantFrom('good', 'good', 'good', 'bad', 'refused once'),
});

test('each item ends once, no more run at once than may, and what is stopped has not run', async () => {
  const options = { concurrency: fc.integer({ min: 1, max: 8 }), stopOnError: fc.boolean(), leavesAt: fc.nat(80) };
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { maxLength: 60 }), fc.record(options), async (plans, chosen) => {
      const { concurrency, stopOnError, leavesAt } = chosen;
      const { calls, inside } = callsOf(plans);
      const ended: EndedItem[] = [];
      const deadline: Deadline = new NewDeadline(60_000);
      const functions = new Map([['capped', { inFlightMax: CAP }]]) as never;
      const onEnded = (item: EndedItem): void => void ended.push(item);
      const tooLate = (): GatewayError => new GatewayError('deadline-exceeded', 'late');
      const batch = new Batch({
        concurrency,
        stopOnError,
        deadline,
        tooLate,
        functions,
        calls,
        onEnded,
        mayStart: () => true,
      });
      for (const [index, one] of plans.entries()) {
        if (index === leavesAt) batch.stop(new GatewayError('client-closed', 'left'));
        await batch.room();
        batch.add(itemOf(one, index));
      }
      await batch.ended();
      expect(ended.map(({ item }) => item.index).sort((a, b) => a - b)).toEqual(plans.map((_, index) => index));
      expect(inside.most).toBeLessThanOrEqual(concurrency);
      expect(inside.capped).toBeLessThanOrEqual(CAP);
      const failed = ended.filter(({ status }) => status === 'failed');
      if (batch.stopped === undefined)
        expect(failed.length).toBe(plans.filter(({ outcome }) => outcome === 'bad').length);
      for (const one of ended) if (one.status === 'cancelled') expect(one.error).toBe(batch.stopped);
    }),
    { numRuns: 60 },
  );
});

test('of many items ever fewer are exported, evenly: all of the first 1,000, then 500 each time their number doubles', () => {
  const kept = (from: number, to: number): number => {
    let count = 0;
    for (let index = from; index < to; index += 1) if (!isThinned(index)) count += 1;
    return count;
  };
  expect(kept(0, 1000)).toBe(1000);
  expect(kept(1000, 2000)).toBe(500);
  expect(kept(2000, 4000)).toBe(500);
  expect(kept(0, 100_000)).toBeLessThan(4500);
});
