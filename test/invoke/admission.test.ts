import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SignalCaller } from '../../gateway/caller.ts';
import { Admission } from '../../gateway/invoke/admission.ts';
import { Nesting, type OpenCall } from '../../gateway/invoke/nesting.ts';
import type { Entry } from '../../gateway/invoke/rows.ts';
import type { Slot } from '../../gateway/pool/backend.ts';
import type { Pool } from '../../gateway/pool/pool.ts';

/** Workers without PHP: what admission sees of a pool. */
class Workers
  implements
    Pick<
      Pool,
      'name' | 'available' | 'failure' | 'take' | 'lacks' | 'lack' | 'turnedAway' | 'onFree' | 'onFailed' | 'state'
    >
{
  readonly name = 'test';
  available = true;
  failure: string | undefined;
  onFree = (): void => {};
  onFailed = (): void => {};
  readonly state = 'awake';
  free: number;
  readonly #onFreed: (() => void)[] = [];

  constructor(free: number) {
    this.free = free;
  }

  readonly lacks = () => 'worker' as const;
  /** What it was told last. */
  lacking: readonly [calls: number, workers: number] = [0, 0];
  turned = 0;

  lack(calls: number, _calledBy: string, workers: number): boolean {
    this.lacking = [calls, workers];
    return false;
  }

  turnedAway(): void {
    this.turned += 1;
  }

  take(_placed: unknown, onFreed: () => void): Slot | undefined {
    if (this.free === 0) return undefined;
    this.free -= 1;
    this.#onFreed.push(onFreed);
    return { rest: () => {}, resume: () => {} } as unknown as Slot;
  }

  /** The worker taken first is free again. */
  release(): void {
    this.free += 1;
    this.#onFreed.shift()?.();
    this.onFree();
  }
}

const make = (workers: number, queueMax = 10, queueTargetMs = 0) => {
  const pool = new Workers(workers);
  const nesting = new Nesting();
  return { pool, nesting, admission: new Admission(pool as unknown as Pool, { queueMax, queueTargetMs }, nesting) };
};

type More = Partial<Entry['fn'] & Pick<Entry, 'queueTimeoutMs' | 'remainingMs' | 'callerKey' | 'isPatient'>> & {
  readonly signal?: AbortSignal;
};

const entry = (more: More = {}): Entry => ({
  fn: { name: more.name ?? 'f', inFlightMax: more.inFlightMax, priority: more.priority ?? 'normal' },
  queueTimeoutMs: more.queueTimeoutMs ?? 60_000,
  remainingMs: more.remainingMs ?? 60_000,
  mayShare: false,
  caller: new SignalCaller(more.signal),
  callerKey: more.callerKey ?? '',
  isPatient: more.isPatient ?? false,
  call: new Nesting().begin('id', more.name ?? 'f', undefined),
});

describe('the queue', () => {
  test('serves in order, each freed worker going to the first who waits', async () => {
    const { pool, admission } = make(1);
    await admission.enter(entry());
    const served: string[] = [];
    const waiting = ['a', 'b', 'c'].map((name) => admission.enter(entry({ name })).then(() => served.push(name)));
    pool.release();
    await waiting[0];
    expect(served).toEqual(['a']);
    pool.release();
    pool.release();
    await Promise.all(waiting);
    expect(served).toEqual(['a', 'b', 'c']);
  });

  test('lets no newcomer pass those who wait, even when a worker is free', async () => {
    const { pool, admission } = make(0);
    const first = admission.enter(entry());
    // Freed without a word, as between the release of a worker and its hand-over.
    pool.free = 1;
    const second = admission.enter(entry());
    await first;
    expect(admission.waiting).toBe(1);
    pool.release();
    await second;
  });

  test('refuses at once when full, naming the limit and the value met', async () => {
    const { admission } = make(0, 1);
    const first = admission.enter(entry({ queueTimeoutMs: 60_000 }));
    first.catch(() => {});
    await expect(admission.enter(entry())).rejects.toMatchObject({
      code: 'overloaded',
      executed: 'no',
      retryable: true,
      message: '1 calls wait for the pool test already; its queueMax is 1.',
    });
  });

  test('tells the pool whom it turns away, so that there may be more workers', async () => {
    const { pool, admission } = make(0, 0);
    await expect(admission.enter(entry())).rejects.toMatchObject({ code: 'overloaded' });
    expect(pool.turned).toBe(1);
    const patient = make(0);
    await expect(patient.admission.enter(entry({ queueTimeoutMs: 1 }))).rejects.toMatchObject({
      code: 'queue-timeout',
    });
    expect(patient.pool.turned).toBe(1);
  });

  test('tells the pool how many workers those who wait would fill', () => {
    const { pool, admission } = make(0, 1000);
    admission.workload('light').concurrency = 3;
    const wait = (name: string): void => void admission.enter(entry({ name }));
    for (let n = 0; n < 9; n += 1) wait('light');
    expect(pool.lacking).toEqual([9, 3]);
    wait('light');
    expect(pool.lacking).toEqual([10, 4]);
    wait('heavy');
    expect(pool.lacking).toEqual([11, 5]);
  });

  test('gives up after queueTimeoutMs', async () => {
    const { admission } = make(0);
    await expect(admission.enter(entry({ queueTimeoutMs: 5 }))).rejects.toMatchObject({
      code: 'queue-timeout',
      executed: 'no',
    });
    expect(admission.waiting).toBe(0);
  });

  test('gives up at once where nobody may wait, and Node has nothing to say to that', async () => {
    const { admission } = make(0);
    const set = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => set.mockRestore());
    await expect(admission.enter(entry({ queueTimeoutMs: 0 }))).rejects.toMatchObject({ code: 'queue-timeout' });
    // A time below 0 makes Node warn.
    expect(set.mock.calls.map(([, ms]) => ms)).toEqual([0]);
  });

  test('gives up at the deadline of the call, if that comes first', async () => {
    const { admission } = make(0);
    await expect(admission.enter(entry({ remainingMs: 5 }))).rejects.toMatchObject({
      code: 'deadline-exceeded',
      executed: 'no',
    });
  });

  test('lets each of many give up at its own time, whoever came first', async () => {
    const { admission } = make(0);
    const ended: string[] = [];
    const wait = async (name: string, queueTimeoutMs: number): Promise<void> => {
      await expect(admission.enter(entry({ name, queueTimeoutMs }))).rejects.toMatchObject({ code: 'queue-timeout' });
      ended.push(name);
    };
    await Promise.all([wait('late', 60), wait('soon', 5), wait('soon', 6), wait('later', 90), wait('middle', 30)]);
    expect(ended).toEqual(['soon', 'soon', 'middle', 'late', 'later']);
    expect(admission.waiting).toBe(0);
  });

  test('times a call that comes after all others have left', async () => {
    const { pool, admission } = make(0);
    const served = admission.enter(entry({ queueTimeoutMs: 10 }));
    pool.release();
    await served;
    await expect(admission.enter(entry({ queueTimeoutMs: 5 }))).rejects.toMatchObject({ code: 'queue-timeout' });
  });

  test('lets a call that is served go on when its caller leaves', async () => {
    const { pool, admission } = make(0);
    const controller = new AbortController();
    const served = admission.enter(entry({ signal: controller.signal }));
    pool.release();
    controller.abort();
    await served;
    expect(admission.waiting).toBe(0);
  });

  test('says that the pool is away when that is why nobody was served', async () => {
    const { pool, admission } = make(0);
    pool.available = false;
    pool.failure = 'php-fpm is broken.';
    await expect(admission.enter(entry({ queueTimeoutMs: 5 }))).rejects.toMatchObject({
      code: 'pool-unavailable',
      executed: 'no',
      privateDetail: 'php-fpm is broken.',
    });
  });

  test('drops a caller who leaves, and nobody takes its place for it', async () => {
    const { pool, admission } = make(1);
    await admission.enter(entry());
    const controller = new AbortController();
    const left = admission.enter(entry({ signal: controller.signal }));
    controller.abort();
    await expect(left).rejects.toMatchObject({ code: 'client-closed', executed: 'no' });
    pool.release();
    expect(pool.free).toBe(1);
  });

  test('drops a caller who had left before it came', async () => {
    const { admission } = make(0);
    await expect(admission.enter(entry({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'client-closed',
    });
  });
});

describe('the cap of a function', () => {
  test('counts its calls until their worker is free, and no others', async () => {
    const { pool, admission } = make(3);
    await admission.enter(entry({ name: 'capped', inFlightMax: 1 }));
    await expect(admission.enter(entry({ name: 'capped', inFlightMax: 1 }))).rejects.toMatchObject({
      code: 'concurrency-limit',
      status: 429,
      executed: 'no',
      message: '1 calls of capped are under way; its inFlightMax is 1.',
    });
    await admission.enter(entry({ name: 'other' }));
    pool.release();
    await admission.enter(entry({ name: 'capped', inFlightMax: 1 }));
  });

  test('counts those who wait, and forgets those who gave up', async () => {
    const { admission } = make(0);
    await expect(admission.enter(entry({ inFlightMax: 1, queueTimeoutMs: 5 }))).rejects.toMatchObject({
      code: 'queue-timeout',
    });
    const again = admission.enter(entry({ inFlightMax: 1, queueTimeoutMs: 5 }));
    await expect(admission.enter(entry({ inFlightMax: 1 }))).rejects.toMatchObject({ code: 'concurrency-limit' });
    await expect(again).rejects.toMatchObject({ code: 'queue-timeout' });
  });
});

describe('closing', () => {
  test('refuses newcomers and still serves those who wait', async () => {
    const { pool, admission } = make(1);
    await admission.enter(entry());
    const waiting = admission.enter(entry());
    admission.close();
    await expect(admission.enter(entry())).rejects.toMatchObject({ code: 'shutting-down', executed: 'no' });
    pool.release();
    await waiting;
    expect(admission.waiting).toBe(0);
  });
});

describe('calls inside of calls', () => {
  const OTHERS = 5;

  /** Callers in a chain, each with a worker; before them others took some, which are released first. */
  const chain = async (callers: number, queueMax = 10) => {
    const { pool, nesting, admission } = make(OTHERS + callers, queueMax);
    for (let n = 0; n < OTHERS; n += 1) await admission.enter(entry());
    const served: string[] = [];
    const begin = (id: string, caller: string | undefined): OpenCall =>
      nesting.begin(id, 'f', caller === undefined ? undefined : { callId: caller, path: ['f'], awaited: true });
    const enter = (id: string, caller: string | undefined): { call: OpenCall; granted: Promise<unknown> } => {
      const call = begin(id, caller);
      const granted = admission.enter({ ...entry(), call }).then(() => served.push(id));
      return { call, granted };
    };
    for (let level = 0; level < callers; level += 1)
      await enter(`caller${level}`, level === 0 ? undefined : `caller${level - 1}`).granted;
    served.length = 0;
    const releaseAll = async (times: number): Promise<readonly string[]> => {
      for (let n = 0; n < times; n += 1) {
        pool.release();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return served;
    };
    return { nesting, admission, enter, releaseAll };
  };

  test('go first, the deepest before all others', async () => {
    const { enter, releaseAll } = await chain(3);
    enter('x', undefined);
    enter('in caller0', 'caller0');
    enter('in caller2', 'caller2');
    enter('in caller1', 'caller1');
    expect(await releaseAll(4)).toEqual(['in caller2', 'in caller1', 'in caller0', 'x']);
  });

  test('of many that one call makes at once one goes first, and the rest wait their turn', async () => {
    const { nesting, enter, releaseAll } = await chain(1);
    const { call: first } = enter('1', 'caller0');
    enter('2', 'caller0');
    enter('x', undefined);
    enter('3', 'caller0');
    expect(await releaseAll(2)).toEqual(['1', '2']);
    nesting.answered(first, false);
    enter('4', 'caller0');
    expect(await releaseAll(3)).toEqual(['1', '2', '4', 'x', '3']);
  });

  test('those that nobody waits for with a worker wait as all others do', async () => {
    const { enter, releaseAll } = await chain(1);
    enter('x', undefined);
    enter('of a call that has ended', 'unknown');
    expect(await releaseAll(2)).toEqual(['x', 'of a call that has ended']);
  });

  test('are not turned away because the queue is full of others, and have the same bound', async () => {
    const { enter, admission } = await chain(1, 1);
    enter('x', undefined);
    await expect(enter('y', undefined).granted).rejects.toMatchObject({ code: 'overloaded' });
    enter('1', 'caller0');
    expect(admission.waiting).toBe(2);
    await expect(enter('2', 'caller0').granted).rejects.toMatchObject({ code: 'overloaded' });
  });
});
