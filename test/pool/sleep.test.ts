/** The states of a pool that sleeps, with processes that start, fail and end when told to. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { GatewayError } from '../../gateway/errors.ts';
import { silentLog } from '../../gateway/log.ts';
import { Gate } from '../../gateway/pool/gate.ts';
import { Sleeper, type SleeperPart } from '../../gateway/pool/sleep.ts';
import type { Worker } from '../../gateway/pool/worker.ts';
import { until } from '../support/until.ts';

class Part implements SleeperPart {
  workers = 1;
  isStarting = false;
  readonly starting = 0;
  readonly failure = undefined;
  isBusy = false;
  readonly idleSinceMs = undefined;
  readonly usedMs = 0;
  readonly started = Promise.withResolvers<Worker>();
  readonly stopped = Promise.withResolvers<void>();
  readonly destroyed = vi.fn();

  resize(workers: number): void {
    this.workers = workers;
  }

  start(): Promise<Worker> {
    this.isStarting = true;
    return this.started.promise;
  }

  close(): Promise<void> {
    return this.stopped.promise;
  }

  destroy(): Promise<void> {
    this.destroyed();
    // It may not even have been started: then nobody hears of it.
    this.started.promise.catch(() => {});
    this.started.reject(new Error('It was ended.'));
    this.stopped.resolve();
    return Promise.resolve();
  }

  wake(): void {
    this.started.resolve({} as Worker);
  }
}

const make = (sleepAfterMs = 3_600_000, starts = new Gate(1)) => {
  const parts: Part[] = [];
  const refusals: GatewayError[] = [];
  const [onAwake, onAsleep] = [vi.fn(), vi.fn()];
  const sleeper = new Sleeper({
    pool: 'test.resident',
    name: 'test',
    starts,
    pace: { size: { minWorkers: 0, maxWorkers: 3 }, idleMs: 30_000, sleepAfterMs, startsAtOnce: 3 },
    make: () => {
      const part = new Part();
      parts.push(part);
      return part;
    },
    log: silentLog,
    onAwake,
    onAsleep,
    onFailed: (refusal) => refusals.push(refusal()),
  });
  onTestFinished(async () => await sleeper.destroy());
  const is = (state: string): Promise<void> => until(state, () => sleeper.state === state);
  const part = (at: number): Part => {
    const found = parts[at];
    if (found === undefined) throw new Error(`There is no part ${at}.`);
    return found;
  };
  return { sleeper, parts, part, refusals, onAwake, onAsleep, is };
};

/** As a gateway leaves it after its start. */
const asleep = async (starts = new Gate(1)) => {
  const made = make(3_600_000, starts);
  const starting = made.sleeper.start();
  made.part(0).wake();
  await starting;
  made.sleeper.settle();
  expect(made.sleeper.state).toBe('falling asleep');
  made.part(0).stopped.resolve();
  await made.is('asleep');
  return made;
};

test('the first of many calls wakes it, once', async () => {
  const { sleeper, parts, part, onAwake, is } = await asleep();
  expect([1, 2, 3].map((waiting) => sleeper.lack(waiting, 'echo', waiting))).toEqual([true, false, false]);
  expect([sleeper.state, parts.length]).toEqual(['waking', 2]);
  part(1).wake();
  await is('awake');
  expect(onAwake).toHaveBeenCalledOnce();
  expect(sleeper.steps.at(-1)).toMatchObject({ from: 0, to: 1, reason: 'woken by a call of echo' });
});

/** As two starts that fail leave it: behind the first, those who wait are worth another. */
const failing = async () => {
  const made = await asleep();
  const { sleeper, parts, part, is } = made;
  sleeper.lack(2, 'echo', 2);
  part(1).started.reject(new Error('once'));
  await until('the other try', () => parts.length === 3);
  part(2).started.reject(new Error('php-fpm ended with status 78'));
  await is('backing off');
  return made;
};

describe('one that does not wake', () => {
  test('is tried once more for those who wait, who are told nothing of the first failure', async () => {
    const { sleeper, parts, part, refusals, onAwake, is } = await asleep();
    sleeper.lack(2, 'echo', 2);
    part(1).started.reject(new Error('it was killed'));
    await is('backing off');
    expect(part(1).destroyed).toHaveBeenCalled();
    expect(sleeper.lastFailure).toBe('it was killed');
    expect(sleeper.lack(3, 'echo', 3)).toBe(false);
    await until('the other try', () => parts.length === 3);
    part(2).wake();
    await is('awake');
    expect([refusals.length, onAwake.mock.calls.length, sleeper.lastFailure]).toEqual([0, 1, undefined]);
  });

  test('sleeps again when nobody has called by the end of its rest, and that is told', async () => {
    const { sleeper, part, onAsleep, is } = await asleep();
    sleeper.lack(1, 'echo', 1);
    sleeper.lack(0, '', 0);
    onAsleep.mockClear();
    part(1).started.reject(new Error('once'));
    await is('asleep');
    expect(onAsleep).toHaveBeenCalledOnce();
  });

  test('is not, where nobody waits any more', async () => {
    const { sleeper, parts, part, is } = await asleep();
    sleeper.lack(1, 'echo', 1);
    sleeper.lack(0, '', 0);
    part(1).started.reject(new Error('no'));
    await is('backing off');
    await is('asleep');
    expect(parts).toHaveLength(2);
  });

  test('tells those who wait, and why for operators', async () => {
    const { sleeper, part, refusals } = await failing();
    expect(refusals).toMatchObject([
      {
        code: 'pool-unavailable',
        executed: 'no',
        message: 'The pool test slept, and did not wake.',
        privateDetail: 'php-fpm ended with status 78',
        retryAfterMs: 200,
      },
    ]);
    expect(part(2).destroyed).toHaveBeenCalled();
    expect(sleeper.lastFailure).toBe('php-fpm ended with status 78');
    expect(sleeper.steps.at(-1)).toMatchObject({ to: 0, reason: 'did not wake: php-fpm ended with status 78' });
  });

  test('tells those who come while it rests at once, and wakes for the first who comes then', async () => {
    const { sleeper, parts, part, refusals, is } = await failing();
    expect([1, 2].map((waiting) => sleeper.lack(waiting, 'echo', waiting))).toEqual([false, false]);
    expect([sleeper.state, parts.length, refusals.length]).toEqual(['backing off', 3, 3]);
    expect(refusals[2]).toMatchObject({ privateDetail: 'php-fpm ended with status 78' });
    expect(refusals[2]?.retryAfterMs).toBeGreaterThan(0);
    sleeper.lack(0, '', 0);
    await is('asleep');
    expect(sleeper.lack(1, 'echo', 1)).toBe(true);
    part(3).wake();
    await is('awake');
  });

  test('and is told so at start, when nobody waits', async () => {
    const { sleeper, part } = make();
    const starting = sleeper.start();
    part(0).started.reject(new Error('no such file'));
    await expect(starting).rejects.toThrow('no such file');
    expect(part(0).destroyed).toHaveBeenCalled();
    expect(sleeper.state).toBe('closed');
  });
});

describe('pools that wake at once', () => {
  const two = async () => {
    const starts = new Gate(1);
    const [first, second] = [await asleep(starts), await asleep(starts)];
    for (const { sleeper } of [first, second]) sleeper.lack(1, 'echo', 1);
    await until('the first starts', () => first.part(1).isStarting);
    expect([second.sleeper.state, second.part(1).isStarting]).toEqual(['waking', false]);
    return { first, second };
  };

  test.each(['wakes', 'fails'])('start in turn: one %s, the next begins', async (how) => {
    const { first, second } = await two();
    if (how === 'wakes') first.part(1).wake();
    else first.part(1).started.reject(new Error('no'));
    await until('the second starts', () => second.part(1).isStarting);
    second.part(1).wake();
    await second.is('awake');
  });

  test('one that hangs lets the next in', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const starts = new Gate(1);
    const leave = await starts.enter();
    const { sleeper, part } = make(3_600_000, starts);
    sleeper.lack(1, 'echo', 1);
    leave();
    await vi.advanceTimersByTimeAsync(2000);
    expect([part(0).isStarting, sleeper.state]).toEqual([true, 'waking']);
    expect(await starts.enter()).toBeTypeOf('function');
  });

  test('one that is ended before its turn never starts', async () => {
    const { first, second } = await two();
    await second.sleeper.destroy();
    first.part(1).wake();
    await first.is('awake');
    expect(second.part(1).isStarting).toBe(false);
  });
});

test('a call that comes while it ends does not wait for that: new processes start beside', async () => {
  const { sleeper, parts, part, onAsleep, is } = await asleep();
  sleeper.lack(1, 'echo', 1);
  part(1).wake();
  await is('awake');
  sleeper.lack(0, '', 0);
  sleeper.settle();
  expect(sleeper.state).toBe('falling asleep');
  expect([1, 2].map((waiting) => sleeper.lack(waiting, 'pdf', waiting))).toEqual([true, false]);
  expect([sleeper.state, parts.length]).toEqual(['waking', 3]);
  part(2).wake();
  await is('awake');
  expect(sleeper.steps.at(-1)).toMatchObject({ reason: 'woken by a call of pdf' });
  sleeper.lack(0, '', 0);
  sleeper.settle();
  part(2).stopped.resolve();
  await part(2).stopped.promise;
  expect([sleeper.state, onAsleep.mock.calls.length]).toEqual(['falling asleep', 1]);
  part(1).stopped.resolve();
  await is('asleep');
  expect(onAsleep).toHaveBeenCalledTimes(2);
});

test('nobody has called for long: it sleeps, unless a call runs', async () => {
  const { sleeper, part, is } = make(5);
  const starting = sleeper.start();
  part(0).wake();
  await starting;
  sleeper.settle();
  part(0).stopped.resolve();
  await is('asleep');
  sleeper.lack(1, 'echo', 1);
  part(1).isBusy = true;
  part(1).wake();
  await is('awake');
  sleeper.lack(0, '', 0);
  part(1).isBusy = false;
  await is('falling asleep');
  expect(sleeper.steps.at(-1)).toMatchObject({ to: 0, reason: 'asleep: no call for 5 ms' });
});

describe.each(['close', 'destroy'] as const)('%s', (how) => {
  const end = (sleeper: Sleeper<Part>): Promise<void> => (how === 'close' ? sleeper.close(1000) : sleeper.destroy());

  test('of one that sleeps', async () => {
    const { sleeper, parts } = await asleep();
    await end(sleeper);
    expect(sleeper.lack(1, 'echo', 1)).toBe(false);
    expect([sleeper.state, parts.length]).toEqual(['closed', 1]);
    await expect(sleeper.start()).rejects.toMatchObject({ code: 'shutting-down' });
  });

  test('of one that wakes: what is starting ends, and nobody is told that it failed', async () => {
    const { sleeper, part, refusals } = await asleep();
    sleeper.lack(1, 'echo', 1);
    await end(sleeper);
    expect([part(1).destroyed.mock.calls.length > 0, sleeper.state, refusals]).toEqual([true, 'closed', []]);
  });

  test('of one that falls asleep, with a call waiting', async () => {
    const { sleeper, parts, part, is } = await asleep();
    sleeper.lack(1, 'echo', 1);
    part(1).wake();
    await is('awake');
    sleeper.settle();
    sleeper.lack(1, 'echo', 1);
    await end(sleeper);
    expect([sleeper.state, parts.length]).toEqual(['closed', 3]);
    expect([1, 2].map((at) => part(at).destroyed.mock.calls.length > 0)).toEqual([true, true]);
  });

  test('of one that waits before its next try', async () => {
    const { sleeper, parts, part, is } = await asleep();
    sleeper.lack(1, 'echo', 1);
    part(1).started.reject(new Error('no'));
    await is('backing off');
    await end(sleeper);
    expect([sleeper.state, parts.length]).toEqual(['closed', 2]);
  });
});
