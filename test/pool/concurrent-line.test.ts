/** What has a place on a concurrent worker, and what becomes of calls that are late there. */
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { ConcurrentLine } from '../../gateway/pool/concurrent-line.ts';
import type { LineCall } from '../../gateway/pool/line.ts';
import type { Worker } from '../../gateway/pool/worker.ts';

const share = (concurrency: number, awaited = false) => ({
  expectedMs: 0,
  cpuShare: 0,
  isSlow: false,
  workerShare: 1 / concurrency,
  awaited,
});

const start = () => {
  let usable = true;
  const pings: ((answer: [string, string][] | undefined) => void)[] = [];
  const connection = {
    get usable() {
      return usable;
    },
    busy: true,
    closed: new Promise(() => {}),
    ping: () => new Promise<[string, string][] | undefined>((resolve) => pings.push(resolve)),
    destroy: vi.fn(() => {
      usable = false;
    }),
  };
  // Of another machine: nothing can be killed.
  const facts = { pid: 1, pidNamespace: 'elsewhere' };
  const worker = { connection, facts, pings: true, life: undefined } as unknown as Worker;
  const line = new ConcurrentLine(worker, { log: silentLog, connectTimeoutMs: 1000 });
  onTestFinished(() => line.destroy());
  return { line, connection, pings };
};

const call = (timeLimitMs: number, givesUpInMs = 600_000): LineCall & { readonly told: boolean[] } => {
  const told: boolean[] = [];
  return {
    attemptId: 'call.1',
    unwanted: false,
    cannotBeEnded: () => {},
    exchange: {} as never,
    timeLimitMs,
    givesUpAtMs: performance.now() + givesUpInMs,
    told,
    get late() {
      return told.length > 0;
    },
    giveUp: (hasBegun) => told.push(hasBegun),
  };
};

describe('places', () => {
  test.each([1, 3, 7, 10, 1000])('are as many as the concurrency of a function, %i', (concurrency) => {
    const { line } = start();
    let taken = 0;
    for (; line.roomFor(share(concurrency)) >= 0; taken += 1) line.join(share(concurrency));
    expect(taken).toBe(concurrency);
  });

  test('of functions with different numbers are shares of one worker', () => {
    const { line } = start();
    for (let n = 0; n < 5; n += 1) line.join(share(10));
    expect(line.roomFor(share(2))).toBeGreaterThanOrEqual(0);
    line.join(share(10));
    expect(line.roomFor(share(2))).toBe(-1);
    expect(line.roomFor(share(10))).toBeGreaterThanOrEqual(0);
  });

  test('calls that others wait for have as many again', () => {
    const { line } = start();
    for (let n = 0; n < 3; n += 1) line.join(share(3));
    expect(line.roomFor(share(3))).toBe(-1);
    for (let n = 0; n < 3; n += 1) line.join(share(3, true));
    expect(line.roomFor(share(3, true))).toBe(-1);
    line.leave(share(3, true));
    expect(line.roomFor(share(3, true))).toBeGreaterThanOrEqual(0);
    expect(line.roomFor(share(3))).toBe(-1);
  });

  test('it is idle when the last has left', () => {
    const { line } = start();
    for (let n = 0; n < 3; n += 1) line.join(share(3));
    expect([1, 2, 3].map(() => line.leave(share(3)))).toEqual([false, false, true]);
  });

  test('there are none on a worker that is to go, nor on one that cannot be reached', () => {
    const { line, connection } = start();
    line.keepOthersAway();
    expect(line.roomFor(share(10))).toBe(-1);
    const other = start();
    other.connection.destroy();
    expect(other.line.roomFor(share(10))).toBe(-1);
    expect(connection.destroy).not.toHaveBeenCalled();
  });

  test('a worker that refuses a call for want of memory gets none until one of its calls has ended', () => {
    const { line } = start();
    const [first, second, refused] = [call(1000), call(1000), call(1000)];
    for (const each of [first, second, refused]) line.begin(each);
    line.end(refused, true);
    expect(line.roomFor(share(10))).toBe(-1);
    line.end(first, false);
    expect(line.roomFor(share(10))).toBeGreaterThanOrEqual(0);
  });

  test('refused with nothing beside it, it is not kept from others', () => {
    const { line } = start();
    const refused = call(1000);
    line.begin(refused);
    line.end(refused, true);
    expect(line.roomFor(share(10))).toBeGreaterThanOrEqual(0);
  });
});

describe('a call that is late', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    return () => vi.useRealTimers();
  });

  test('is told so behind its time limit, or when its caller waits no longer, if it says nothing itself; the others are not', async () => {
    const { line } = start();
    const [soon, impatient, later] = [call(50), call(1000, 20), call(1000)];
    for (const each of [later, soon, impatient]) line.begin(each);
    await vi.advanceTimersByTimeAsync(130);
    expect([soon.told, impatient.told, later.told]).toEqual([[], [true], []]);
    await vi.advanceTimersByTimeAsync(130);
    expect([soon.told, impatient.told, later.told]).toEqual([[true], [true], []]);
  });

  test('has time to end; a worker that answers a ping then is left alone', async () => {
    const { line, pings, connection } = start();
    const late = call(50);
    line.begin(late);
    await vi.advanceTimersByTimeAsync(900);
    expect(pings).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(300);
    expect(pings).toHaveLength(1);
    pings[0]?.([]);
    await vi.advanceTimersByTimeAsync(900);
    line.end(late, false);
    await vi.advanceTimersByTimeAsync(5000);
    expect(connection.destroy).not.toHaveBeenCalled();
    expect(pings).toHaveLength(1);
  });

  test('and does not end, on a worker that does not answer: the worker is blocked, and given up', async () => {
    const { line, connection } = start();
    line.begin(call(50));
    line.begin(call(60_000));
    await vi.advanceTimersByTimeAsync(2500);
    expect(connection.destroy).toHaveBeenCalled();
  });

  test('on a worker that cannot be asked is taken for blocked, too', async () => {
    const { line, pings, connection } = start();
    line.begin(call(50));
    await vi.advanceTimersByTimeAsync(1300);
    pings[0]?.(undefined);
    await vi.advanceTimersByTimeAsync(1300);
    expect(connection.destroy).toHaveBeenCalled();
  });

  test('and goes on though its worker answers: it is asked again and again, and the others go on', async () => {
    const { line, pings, connection } = start();
    line.begin(call(50));
    for (let n = 1; n <= 3; n += 1) {
      await vi.advanceTimersByTimeAsync(1500);
      expect(pings.length).toBeGreaterThanOrEqual(n);
      for (const answer of pings) answer([]);
    }
    expect(connection.destroy).not.toHaveBeenCalled();
  });
});
