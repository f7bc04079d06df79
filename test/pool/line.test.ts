/** The rules of a line, without PHP: who may stand behind whom, whose time is up when, which worker is ended and which spared. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Progress } from '../../gateway/fastcgi/index.ts';
import { silentLog } from '../../gateway/log.ts';
import { Line, type LineCall } from '../../gateway/pool/line.ts';
import type { Worker } from '../../gateway/pool/worker.ts';
import { LINE_MAX_CALLS, LINE_MAX_MS } from '../../gateway/pool/workload.ts';
import { isAlive } from '../support/php-processes.ts';
import { until } from '../support/until.ts';

const CONNECT_TIMEOUT_MS = 2000;
const NEVER = Number.POSITIVE_INFINITY;

/** One that never answers by itself. `process`: what stands for php-fpm's worker; without one nothing can be ended. */
const makeLine = ({ pings = true, process }: { pings?: boolean; process?: ChildProcess } = {}) => {
  const connection = { usable: true, busy: true, closed: new Promise(() => {}), destroy: () => {} };
  const namespace = `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${readlinkSync('/proc/self/ns/pid')}`;
  const facts = { pid: process?.pid ?? 0, pidNamespace: process === undefined ? 'elsewhere' : namespace };
  const worker = { connection, facts, pings } as unknown as Worker;
  return { line: new Line(worker, { log: silentLog, connectTimeoutMs: CONNECT_TIMEOUT_MS }), connection };
};

class Call implements LineCall {
  readonly progress = { ping: 'unanswered' } as Progress;
  readonly exchange = { requestId: 1, progress: this.progress, done: Promise.resolve() };
  readonly timeLimitMs: number;
  readonly givesUpAtMs: number;
  readonly attemptId = 'call.1';
  late = false;
  unwanted = false;
  /** Whether it had begun, for each time it was told. */
  readonly gaveUp: boolean[] = [];

  constructor({ timeLimitMs = NEVER, givesUpAtMs = NEVER }: { timeLimitMs?: number; givesUpAtMs?: number } = {}) {
    this.timeLimitMs = timeLimitMs;
    this.givesUpAtMs = givesUpAtMs;
  }

  hasBegun(): this {
    this.progress.ping = 'answered';
    return this;
  }

  couldNotBeEnded = 0;

  cannotBeEnded(): void {
    this.couldNotBeEnded += 1;
  }

  giveUp(hasBegun: boolean): void {
    this.late = true;
    this.gaveUp.push(hasBegun);
  }
}

const share = (expectedMs: number) => ({ expectedMs, cpuShare: 0, isSlow: false });

const put = (line: Line, call: Call, expectedMs = 0.1): Call => {
  line.join(share(expectedMs), true);
  line.begin(call);
  return call;
};

const take = (line: Line, call: Call, expectedMs = 0.1): void => {
  line.end(call);
  line.leave(share(expectedMs));
};

const hasRoom = (line: Line): boolean => line.hasRoom(performance.now(), LINE_MAX_MS);

describe('who may stand behind', () => {
  test.each([
    [0.1, LINE_MAX_CALLS],
    [1, 1 + LINE_MAX_MS],
    [2, 1 + LINE_MAX_MS / 2],
    [LINE_MAX_MS + 1, 1],
  ])('of calls that take %f ms in the mean, %i are on a line', (expectedMs, most) => {
    const { line } = makeLine();
    let count = 0;
    do {
      line.join(share(expectedMs), true);
      count += 1;
    } while (hasRoom(line));
    expect(count).toBe(most);
  });

  test('each that leaves makes room for another', () => {
    const { line } = makeLine();
    for (let n = 0; n < LINE_MAX_CALLS; n += 1) line.join(share(0.1), true);
    expect(hasRoom(line)).toBe(false);
    expect(line.leave(share(0.1))).toBe(false);
    expect(hasRoom(line)).toBe(true);
  });

  test('nobody behind a first that may not share, nor on an idle line', () => {
    const { line } = makeLine();
    expect(hasRoom(line)).toBe(false);
    line.join(share(0.1), false);
    expect(hasRoom(line)).toBe(false);
    expect(line.leave(share(0.1))).toBe(true);
    line.join(share(0.1), true);
    expect(hasRoom(line)).toBe(true);
    expect(line.leave(share(0.1))).toBe(true);
    expect(hasRoom(line)).toBe(false);
  });

  test('nobody on a worker that answers no pings, or whose connection has ended', () => {
    const without = makeLine({ pings: false }).line;
    without.join(share(0.1), true);
    expect(hasRoom(without)).toBe(false);
    const { line, connection } = makeLine();
    line.join(share(0.1), true);
    connection.usable = false;
    expect(hasRoom(line)).toBe(false);
  });

  test('nobody once the worker is known to work on behind an answer', () => {
    const { line } = makeLine();
    line.join(share(0.1), true);
    line.keepOthersAway();
    expect(hasRoom(line)).toBe(false);
    line.leave(share(0.1));
    line.join(share(0.1), true);
    expect(hasRoom(line)).toBe(true);
  });

  test('the first takes what it wants of the CPU for all of them, until the line is idle', () => {
    const { line } = makeLine();
    line.join({ expectedMs: 1, cpuShare: 0.5, isSlow: false }, true);
    line.join({ expectedMs: 1, cpuShare: 0.25, isSlow: false }, true);
    line.leave({ expectedMs: 1 });
    expect([line.taken.cpuShare, line.places]).toEqual([0.5, 1]);
    line.leave({ expectedMs: 1 });
    line.join({ expectedMs: 1, cpuShare: 0.25, isSlow: false }, true);
    expect(line.taken.cpuShare).toBe(0.25);
  });
});

describe('time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  test('nothing is put behind a first that takes far longer than short calls do, and again behind the next', () => {
    const { line } = makeLine();
    const first = put(line, new Call());
    put(line, new Call());
    vi.advanceTimersByTime(5 * LINE_MAX_MS - 1);
    expect(hasRoom(line)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(hasRoom(line)).toBe(false);
    take(line, first);
    expect(hasRoom(line)).toBe(true);
  });

  test('a first that runs past its limit is told that PHP had it; those behind have all of theirs from their turn on', () => {
    const { line } = makeLine();
    const first = put(line, new Call({ timeLimitMs: 500 }).hasBegun());
    const second = put(line, new Call({ timeLimitMs: 500 }));
    vi.advanceTimersByTime(499);
    expect(first.gaveUp).toEqual([]);
    vi.advanceTimersByTime(2);
    expect([first.gaveUp, second.gaveUp]).toEqual([[true], []]);
    take(line, first);
    second.hasBegun();
    vi.advanceTimersByTime(499);
    expect(second.gaveUp).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(second.gaveUp).toEqual([true]);
  });

  test('the limit of the second strikes in time, however far that of the first lies', () => {
    const { line } = makeLine();
    const first = put(line, new Call({ timeLimitMs: 60_000 }).hasBegun());
    const second = put(line, new Call({ timeLimitMs: 500 }));
    // The timer stands at the limit of the first now.
    vi.advanceTimersByTime(30_000);
    take(line, first);
    second.hasBegun();
    vi.advanceTimersByTime(501);
    expect(second.gaveUp).toEqual([true]);
  });

  test('a second that never begins is found out in time, however far the limit of the first lies', () => {
    const { line } = makeLine();
    const stop = vi.spyOn(silentLog, 'warn');
    onTestFinished(() => stop.mockRestore());
    const first = put(line, new Call({ timeLimitMs: 60_000 }).hasBegun());
    put(line, new Call({ timeLimitMs: 60_000 }));
    vi.advanceTimersByTime(30_000);
    take(line, first);
    vi.advanceTimersByTime(CONNECT_TIMEOUT_MS - 1);
    expect(stop).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(stop).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('it did not begin its call'));
  });

  test('a deadline that passes behind others: told that it stood there, once, and nobody else is', () => {
    const { line } = makeLine();
    const first = put(line, new Call().hasBegun());
    const second = put(line, new Call({ givesUpAtMs: performance.now() + 500 }));
    const third = put(line, new Call());
    vi.advanceTimersByTime(60_000);
    expect([first, second, third].map(({ gaveUp }) => gaveUp)).toEqual([[], [false], []]);
    expect(line.places).toBe(3);
  });

  test('one whose caller left while it stood behind has its whole time when its turn comes', () => {
    const { line } = makeLine();
    const stop = vi.spyOn(silentLog, 'warn');
    onTestFinished(() => stop.mockRestore());
    const first = put(line, new Call().hasBegun());
    const left = put(line, new Call({ givesUpAtMs: performance.now() + 500, timeLimitMs: 5000 }));
    const other = put(line, new Call({ givesUpAtMs: performance.now() + 2000 }));
    vi.advanceTimersByTime(1000);
    take(line, first);
    left.hasBegun();
    // The deadline of another strikes meanwhile.
    vi.advanceTimersByTime(1500);
    expect([left.gaveUp, other.gaveUp]).toEqual([[false], [false]]);
    expect(stop).not.toHaveBeenCalled();
    vi.advanceTimersByTime(5000);
    expect(stop).toHaveBeenCalledOnce();
    expect(left.gaveUp).toEqual([false]);
  });

  test('what nobody waits for any more may run for as long as short calls do, counted from its turn, and is then ended', () => {
    const { line } = makeLine();
    const stop = vi.spyOn(silentLog, 'warn');
    onTestFinished(() => stop.mockRestore());
    const first = put(line, new Call().hasBegun());
    const unwanted = put(line, new Call({ timeLimitMs: 60_000 }));
    Object.assign(unwanted, { late: true, unwanted: true });
    line.unwanted();
    // However long it stands behind another one, which is not hit.
    vi.advanceTimersByTime(30_000);
    expect(stop).not.toHaveBeenCalled();
    take(line, first);
    unwanted.hasBegun();
    vi.advanceTimersByTime(5 * LINE_MAX_MS - 1);
    expect(stop).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(stop).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('nobody waits for its call'));
    expect(unwanted.couldNotBeEnded).toBe(1);
  });

  test('one that never begins on a worker that cannot be ended is told when its time is up, once', () => {
    const { line } = makeLine();
    const call = put(line, new Call({ timeLimitMs: 5000, givesUpAtMs: performance.now() + 5000 }));
    vi.advanceTimersByTime(4900);
    expect(call.gaveUp).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(call.gaveUp).toEqual([true]);
    vi.advanceTimersByTime(60_000);
    expect(call.gaveUp).toEqual([true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is put behind a call whose worker is being ended', () => {
    const { line } = makeLine();
    put(line, new Call({ timeLimitMs: 5 }).hasBegun());
    vi.advanceTimersByTime(7);
    expect(hasRoom(line)).toBe(false);
  });
});

/** Here the clock runs: signals are real. Limits that have passed already strike at once. */
describe('the worker of a late call', () => {
  const sleeper = (): ChildProcess => {
    const child = spawn('sleep', ['600']);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };

  const stateOf = (child: ChildProcess): string =>
    /\) (\w)/.exec(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))?.[1] ?? '';

  const ended = async (child: ChildProcess): Promise<void> =>
    await until('the worker has ended', () => !isAlive(child.pid ?? 0));

  /** Calls this while the worker is held for it. */
  const onHold = (child: ChildProcess, then: () => void): void => {
    const { kill } = process;
    const spy = vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      const done = kill.call(process, pid, signal);
      if (pid === child.pid && signal === 'SIGSTOP') then();
      return done;
    });
    onTestFinished(() => spy.mockRestore());
  };

  test('ends when nobody stands behind it', async () => {
    const child = sleeper();
    const { line } = makeLine({ process: child });
    const call = put(line, new Call({ timeLimitMs: 0 }).hasBegun());
    await ended(child);
    expect(call.gaveUp).toEqual([true]);
  });

  test('ends with others behind it, if it is still unanswered', async () => {
    const child = sleeper();
    const { line } = makeLine({ process: child });
    let held = 0;
    onHold(child, () => {
      held += 1;
    });
    const first = put(line, new Call({ timeLimitMs: 0 }).hasBegun());
    const second = put(line, new Call());
    await ended(child);
    expect([first.gaveUp, second.gaveUp, held]).toEqual([[true], [], 1]);
  });

  test('is spared and goes on when the answer came before the signal: those behind stay with it', async () => {
    const child = sleeper();
    const { line } = makeLine({ process: child });
    const spared = Promise.withResolvers<void>();
    const first = put(line, new Call({ timeLimitMs: 0 }).hasBegun());
    const second = put(line, new Call());
    // As if read while the worker was held.
    onHold(child, () =>
      setImmediate(() => {
        line.end(first);
        setImmediate(() => setImmediate(spared.resolve));
      }),
    );
    await spared.promise;
    await until('the worker goes on', () => stateOf(child) === 'S');
    expect([first.gaveUp, second.gaveUp]).toEqual([[true], []]);
    expect(isAlive(child.pid ?? 0)).toBe(true);
    expect(hasRoom(line)).toBe(true);
  });

  test('is spared when a call that was slow to begin has begun before the signal', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const child = sleeper();
    const { line } = makeLine({ process: child });
    const spared = Promise.withResolvers<void>();
    const call = put(line, new Call());
    onHold(child, () =>
      setImmediate(() => {
        call.hasBegun();
        setImmediate(() => setImmediate(spared.resolve));
      }),
    );
    vi.advanceTimersByTime(CONNECT_TIMEOUT_MS + 1);
    await spared.promise;
    vi.useRealTimers();
    await until('the worker goes on', () => stateOf(child) === 'S');
    expect(isAlive(child.pid ?? 0)).toBe(true);
    expect(call.gaveUp).toEqual([]);
  });

  test('ends when its call has not begun, even if somebody has stopped it', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const child = sleeper();
    const { line } = makeLine({ process: child });
    child.kill('SIGSTOP');
    const held = Promise.withResolvers<void>();
    onHold(child, held.resolve);
    const call = put(line, new Call());
    vi.advanceTimersByTime(CONNECT_TIMEOUT_MS + 1);
    await held.promise;
    vi.useRealTimers();
    await ended(child);
    expect(call.gaveUp).toEqual([]);
  });
});
