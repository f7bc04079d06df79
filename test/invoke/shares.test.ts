/** Who goes next among those who wait, and who has to go where there is no more room. */
import { expect, test } from 'vitest';
import { SignalCaller } from '../../gateway/caller.ts';
import type { Priority } from '../../gateway/contract.ts';
import { Nesting } from '../../gateway/invoke/nesting.ts';
import { type CallerKey, type FunctionQueue, rowOf, Waiter } from '../../gateway/invoke/rows.ts';
import { WaitQueue } from '../../gateway/invoke/wait-queue.ts';
import { Workload } from '../../gateway/pool/workload.ts';

interface More {
  readonly caller?: CallerKey;
  readonly priority?: Priority;
}

/** Calls that wait, by the names of their functions. */
const make = () => {
  const queue = new WaitQueue(0);
  const functions = new Map<string, FunctionQueue>();
  let number = 0;
  const functionOf = (name: string): FunctionQueue => {
    const known = functions.get(name);
    if (known !== undefined) return known;
    const made = {
      name,
      workload: new Workload(),
      priority: 'normal' as const,
      inside: 0,
      waiting: 0,
      refused: 0,
      rows: [],
    };
    functions.set(name, made);
    return made;
  };
  const wait = (name: string, times: number, { caller = '', priority = 'normal' }: More = {}): void => {
    for (let n = 0; n < times; n += 1) {
      number += 1;
      const call = new Nesting().begin('id', name, undefined);
      const function_ = functionOf(name);
      function_.priority = priority;
      const entry = {
        fn: { name, inFlightMax: undefined, priority },
        queueTimeoutMs: 1000,
        remainingMs: 1000,
        mayShare: false,
        caller: new SignalCaller(undefined),
        callerKey: caller,
        isPatient: false,
        call,
      };
      const facts = { number, entry, row: rowOf(function_, call), atMs: 0, allowanceMs: 1000 };
      const owner = { giveUp: () => {}, rescue: () => {} };
      queue.add(new Waiter(owner, facts, { resolve: () => {}, reject: () => {} }), 0);
    }
  };
  const next = (): Waiter | undefined => {
    const waiter = queue.shares.next()?.next(false);
    if (waiter === undefined) return undefined;
    queue.served(waiter, 0);
    queue.remove(waiter);
    return waiter;
  };
  /** How many of the next calls are of which function, or caller. */
  const count = (times: number, keyOf: (waiter: Waiter) => CallerKey): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let n = 0; n < times; n += 1) {
      const waiter = next();
      if (waiter === undefined) break;
      const key = String(keyOf(waiter));
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  };
  const measure = (name: string, wallMs: number): void =>
    functionOf(name).workload.record({ pid: 1, peakBytes: 1, wallMs, cpuMs: 0, waits: 1 });
  return { queue, wait, next, count, measure };
};

const nameOf = ({ entry }: Waiter): string => entry.fn.name;
const callerOf = ({ entry }: Waiter): CallerKey => entry.callerKey;

test('high, normal and low share 16 : 4 : 1, so that low is never starved', () => {
  const { wait, count } = make();
  for (const priority of ['low', 'normal', 'high'] as const) wait(priority, 1000, { priority });
  expect(count(210, nameOf)).toEqual({ high: 160, normal: 40, low: 10 });
});

test('a class that was away has saved nothing up', () => {
  const { wait, count } = make();
  wait('normal', 1000);
  count(500, nameOf);
  wait('high', 100, { priority: 'high' });
  const { normal = 0 } = count(50, nameOf);
  expect(normal).toBeGreaterThanOrEqual(9);
});

test('one function with many calls does not hold up the few of others', () => {
  const { wait, count } = make();
  wait('noisy', 1000);
  for (let n = 0; n < 19; n += 1) wait(`quiet${n}`, 2);
  const counts = count(41, nameOf);
  expect(counts.noisy).toBeLessThanOrEqual(3);
});

test('functions share the time of workers, not the number of calls', () => {
  const { wait, count, measure } = make();
  measure('slow', 50);
  measure('quick', 5);
  wait('slow', 100);
  wait('quick', 100);
  expect(count(110, nameOf)).toEqual({ slow: 10, quick: 100 });
});

test('one caller with many calls of a function does not hold up others of the same function', () => {
  const { wait, count } = make();
  wait('f', 1000, { caller: 'noisy' });
  wait('f', 2, { caller: 'a' });
  wait('f', 2, { caller: { batch: true } });
  expect(count(6, callerOf)).toEqual({ noisy: 2, a: 2, '[object Object]': 2 });
});

test('who has most gives up the newest of his calls: of the function with most the caller with most', () => {
  const { queue, wait } = make();
  wait('crowded', 3, { caller: 'a' });
  wait('crowded', 2, { caller: 'b' });
  wait('other', 4, { caller: 'a' });
  expect(queue.mostlyOf).toMatchObject({ number: 3, entry: { callerKey: 'a' }, row: { queue: { name: 'crowded' } } });
  const removed = queue.mostlyOf;
  if (removed !== undefined) queue.remove(removed);
  // Now both of its callers have as many, and the other function, too, is no larger.
  expect(queue.mostlyOf?.row.size).toBe(4);
});

test('a newcomer is told how many go first: for a new caller few, for one with many calls all of them', () => {
  const { queue, wait } = make();
  wait('f', 100, { caller: 'noisy' });
  wait('f', 1, { caller: 'a' });
  wait('g', 1);
  const rowOfF = [...queue.all].find(({ entry }) => entry.fn.name === 'f')?.row;
  expect(queue.shares.ahead(rowOfF, 'normal', 'noisy')).toBe(102);
  expect(queue.shares.ahead(rowOfF, 'normal', 'new')).toBe(5);
  expect(queue.shares.ahead(undefined, 'normal', 'new')).toBe(2);
  expect(queue.shares.ahead(undefined, 'high', 'new')).toBe(1);
});

test('thousands come, go and leave from the middle, and all accounts come out even', () => {
  const { queue, wait, next } = make();
  for (let n = 0; n < 50; n += 1) wait(`f${n % 7}`, 1 + (n % 13), { caller: `c${n % 5}` });
  while (queue.size > 0) {
    const leaver = queue.all[Math.floor(queue.size / 2)];
    if (leaver !== undefined) queue.remove(leaver);
    expect(queue.mostlyOf?.row.size ?? 0).toBe(Math.max(0, ...queue.all.map(({ row }) => row.size)));
    next();
  }
  expect(queue.mostlyOf).toBeUndefined();
  expect(queue.shares.next()).toBeUndefined();
  expect(queue.workers).toBe(0);
});
