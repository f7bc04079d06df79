/** What admission does where more comes than its workers can do; time is what we say. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SignalCaller } from '../../gateway/caller.ts';
import { GatewayError, isGatewayError } from '../../gateway/errors.ts';
import { Admission } from '../../gateway/invoke/admission.ts';
import type { GatewayFunction } from '../../gateway/invoke/function.ts';
import { Nesting } from '../../gateway/invoke/nesting.ts';
import type { Entry } from '../../gateway/invoke/rows.ts';
import type { Slot } from '../../gateway/pool/backend.ts';
import type { Pool } from '../../gateway/pool/pool.ts';

const WORKERS = 4;
const CALL_MS = 20;

let nowMs = 0;
beforeEach(() => {
  nowMs = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => vi.restoreAllMocks());

/** Workers whose calls take as long as we say. */
class Workers {
  readonly name = 'test';
  readonly workerKind = 'fpm';
  state = 'awake';
  available = true;
  mayGrow = false;
  callMs = CALL_MS;
  onFree = (): void => {};
  onFailed = (): void => {};
  readonly #running: { readonly endsMs: number; readonly onFreed: () => void }[] = [];

  lacks(): 'nothing' | 'worker' {
    return this.#running.length < WORKERS ? 'nothing' : 'worker';
  }

  lack(): boolean {
    return false;
  }

  turnedAway(): void {}

  take(_placed: unknown, onFreed: () => void): Slot | undefined {
    if (this.lacks() === 'worker') return undefined;
    this.#running.push({ endsMs: nowMs + this.callMs, onFreed });
    return { rest: () => {}, resume: () => {} } as unknown as Slot;
  }

  /** What has ended by now. */
  turn(): void {
    for (let n = 0; n < WORKERS; n += 1) {
      const ended = this.#running.findIndex(({ endsMs }) => endsMs <= nowMs);
      if (ended === -1) return;
      this.#running.splice(ended, 1)[0]?.onFreed();
      this.onFree();
    }
  }
}

interface Ended {
  readonly caller: string;
  readonly cameMs: number;
  readonly afterMs: number;
  readonly error: GatewayError | undefined;
}

const make = (limits = { queueMax: 1000, queueTargetMs: 100 }) => {
  const pool = new Workers();
  const admission = new Admission(pool as unknown as Pool, limits, new Nesting());
  const ended: Ended[] = [];
  const call = (caller = '', more: Partial<Entry> = {}): void => {
    const cameMs = nowMs;
    const end = (error?: unknown): void => {
      ended.push({ caller, cameMs, afterMs: nowMs - cameMs, error: isGatewayError(error) ? error : undefined });
    };
    const entry: Entry = {
      fn: { name: 'f', inFlightMax: undefined, priority: 'normal' },
      queueTimeoutMs: 5000,
      remainingMs: 5000,
      mayShare: false,
      caller: new SignalCaller(undefined),
      callerKey: caller,
      isPatient: false,
      call: new Nesting().begin('id', 'f', undefined),
      ...more,
    };
    admission.enter(entry).then(() => end(), end);
  };
  /** Calls that come evenly, for so long. */
  const run = async (ms: number, perMs: number, come: () => void = call): Promise<void> => {
    let due = 0;
    for (let passed = 0; passed < ms; passed += 1) {
      nowMs += 1;
      pool.turn();
      for (due += perMs; due >= 1; due -= 1) come();
      await Promise.resolve();
    }
    // Promises of what happened last.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { pool, admission, ended, call, run };
};

/** Calls per ms that the workers can do. */
const CAPACITY = WORKERS / CALL_MS;
const served = (ended: readonly Ended[]): Ended[] => ended.filter(({ error }) => error === undefined);
const refused = (ended: readonly Ended[]): Ended[] => ended.filter(({ error }) => error !== undefined);

describe.each([2, 5, 10])('at %s times what the workers can do', (times) => {
  test('they do as much as they can, for calls that came lately, and the rest is told at once', async () => {
    const { ended, run } = make();
    await run(3000, times * CAPACITY);
    ended.length = 0;
    await run(3000, times * CAPACITY);
    const good = served(ended);
    expect(good.length).toBeGreaterThanOrEqual(0.98 * 3000 * CAPACITY);
    expect(Math.max(...good.map(({ afterMs }) => afterMs))).toBeLessThanOrEqual(2 * 100);
    expect(new Set(refused(ended).map(({ error }) => error?.code))).toEqual(new Set(['overloaded']));
    expect(refused(ended).filter(({ afterMs }) => afterMs > 1)).toEqual([]);
  });

  test('it is over as soon as the load is', async () => {
    const { ended, run, admission } = make();
    await run(2000, times * CAPACITY);
    await run(1000, 0);
    expect(admission.waiting).toBe(0);
    ended.length = 0;
    await run(1000, 0.5 * CAPACITY);
    expect(refused(ended)).toEqual([]);
    expect(Math.max(...ended.map(({ afterMs }) => afterMs))).toBeLessThanOrEqual(1);
  });
});

test('whom a standing queue would not let in is told so before it is entered, and counted once', async () => {
  const { admission, run } = make();
  const fn = { name: 'f', priority: 'normal' } as GatewayFunction;
  expect(admission.refusesNow(fn, '')).toBeUndefined();
  await run(2000, 5 * CAPACITY);
  const before = admission.status[0]?.refused ?? 0;
  expect(admission.refusesNow(fn, '')).toMatchObject({ code: 'overloaded', reason: 'standing-queue', executed: 'no' });
  expect(admission.status[0]?.refused).toBe(before + 1);
  // Another caller has its own turn.
  expect(admission.refusesNow(fn, 'somebody else')).toBeUndefined();
  await run(1000, 0);
  expect(admission.refusesNow(fn, '')).toBeUndefined();
});

test('where workers hang, nobody is told to come back later than when those who wait have given up', async () => {
  const { pool, ended, run, call } = make();
  await run(1000, 2 * CAPACITY);
  await run(1000, 0);
  pool.callMs = 60_000;
  for (let n = 0; n < 500; n += 1) call(`burst ${n}`);
  ended.length = 0;
  await run(3000, 0.1);
  const told = refused(ended).map(({ error }) => error?.retryAfterMs ?? Number.NaN);
  expect(told.length).toBeGreaterThan(100);
  expect(Math.max(...told)).toBeLessThanOrEqual(5000);
});

describe('nobody is refused', () => {
  test('of a burst that the queue has room for, however long its last call waits', async () => {
    const { ended, call, run } = make();
    await run(1000, 1.1 * CAPACITY);
    await run(1000, 0);
    ended.length = 0;
    for (let n = 0; n < 200; n += 1) call();
    await run(3000, 0);
    expect(refused(ended)).toEqual([]);
  });

  test('who holds itself back', async () => {
    const { ended, run, call } = make();
    await run(1000, 3 * CAPACITY);
    ended.length = 0;
    call('batch', { isPatient: true });
    await run(2000, 3 * CAPACITY);
    expect(ended.filter(({ caller }) => caller === 'batch')).toMatchObject([{ error: undefined }]);
  });

  test('while the pool wakes, or more workers come', async () => {
    for (const change of [{ state: 'waking' }, { available: false }, { mayGrow: true }]) {
      const { ended, run, pool } = make();
      await run(100, 2 * CAPACITY);
      Object.assign(pool, change);
      await run(1000, 2 * CAPACITY);
      expect(refused(ended), JSON.stringify(change)).toEqual([]);
    }
  });

  test('who comes now and then, while another fills the queue', async () => {
    const { ended, run, call } = make();
    let count = 0;
    await run(3000, 10 * CAPACITY, () => {
      count += 1;
      call(count % 200 === 0 ? 'quiet' : 'noisy');
    });
    const quiet = ended.filter(({ caller }) => caller === 'quiet');
    expect(quiet.length).toBeGreaterThan(20);
    expect(refused(quiet)).toEqual([]);
    expect(Math.max(...quiet.map(({ afterMs }) => afterMs))).toBeLessThanOrEqual(3 * CALL_MS);
  });

  test('with a target of 0, until it has waited for its time', async () => {
    const { ended, run } = make({ queueMax: 1000, queueTargetMs: 0 });
    await run(2000, 2 * CAPACITY);
    expect(refused(ended)).toEqual([]);
  });
});

test('where workers hang, newcomers are refused before any of their calls has ended, and the old make room', async () => {
  const { ended, run, pool } = make();
  await run(1000, 2 * CAPACITY);
  pool.callMs = 10_000;
  await run(200, 2 * CAPACITY);
  ended.length = 0;
  await run(1000, 2 * CAPACITY);
  const reasons = refused(ended).map(({ error }) => error?.reason);
  expect(reasons).toContain('standing-queue');
  expect(reasons).toContain('waited-too-long');
  // Nobody waits for the five seconds of its contract.
  expect(ended.filter(({ error }) => error?.code === 'queue-timeout')).toEqual([]);
});

test('where the queue is full, whoever fills it gives up a call for the newcomer', async () => {
  const { ended, call, admission } = make({ queueMax: 10, queueTargetMs: 0 });
  for (let n = 0; n < WORKERS + 10; n += 1) call('noisy');
  call('quiet');
  await new Promise((resolve) => setImmediate(resolve));
  expect(refused(ended)).toMatchObject([{ caller: 'noisy', error: { code: 'overloaded', executed: 'no' } }]);
  expect(admission.waiting).toBe(10);
});

test('a refusal says when the queue will have drained', async () => {
  const { ended, run } = make();
  await run(2000, 5 * CAPACITY);
  const last = refused(ended).at(-1)?.error;
  expect(last?.message).toMatch(/^\d+ calls for the pool test would go first, about \d+ ms; its queue stands/);
  expect(last?.retryAfterMs).toBeGreaterThanOrEqual(80);
  expect(last?.retryAfterMs).toBeLessThanOrEqual(200);
});

test('a call that would wait twice its time is told at once', async () => {
  const { ended, run, call } = make();
  await run(1000, 1.1 * CAPACITY);
  await run(1000, 0);
  for (let n = 0; n < 100; n += 1) call();
  await new Promise((resolve) => setImmediate(resolve));
  ended.length = 0;
  call('', { queueTimeoutMs: 50 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toMatchObject([{ afterMs: 0, error: { code: 'overloaded' } }]);
  expect(ended[0]?.error).toBeInstanceOf(GatewayError);
});
