import { describe, expect, test } from 'vitest';
import { type Code, codes, type Executed, GatewayError, isGatewayError } from '../../gateway/errors.ts';
import {
  Breaker,
  type BreakerState,
  enterCircuit,
  leaveCircuit,
  type Verdict,
  verdictOnFunction,
  verdictOnPool,
} from '../../gateway/invoke/breaker.ts';

const SETTINGS = { errorRate: 0.5, callsMin: 4, windowMs: 1000, openMs: 100 };

/** With a clock of its own, and no jitter unless told. */
const breaker = (more: Partial<typeof SETTINGS> & { random?: number } = {}) => {
  const { random = 0.5, ...settings } = more;
  const changes: BreakerState[] = [];
  const whys: string[] = [];
  const made = new Breaker(
    { ...SETTINGS, ...settings },
    {
      subject: 'The function pdf',
      random: () => random,
      onChange: (state, why) => {
        changes.push(state);
        whys.push(why);
      },
    },
  );
  let nowMs = 5_000_000;
  const call = (verdict: Verdict): void =>
    made.leave(
      made.enter(() => nowMs),
      verdict,
      nowMs,
    );
  return {
    made,
    changes,
    whys,
    later: (ms: number) => (nowMs += ms),
    call,
    calls: (times: number, verdict: Verdict) => {
      for (let n = 0; n < times; n += 1) call(verdict);
    },
    enter: () => made.enter(() => nowMs),
    leave: (ticket: number, verdict: Verdict) => made.leave(ticket, verdict, nowMs),
    status: () => made.status(nowMs),
    refusal: (): GatewayError => {
      try {
        made.enter(() => nowMs);
      } catch (error) {
        if (isGatewayError(error)) return error;
      }
      throw new Error('the call was let through');
    },
  };
};

describe('it opens', () => {
  test('when the rate is met with enough calls, and not before', () => {
    const { calls, status, changes } = breaker();
    calls(1, 'answered');
    calls(2, 'failed');
    expect(status()).toMatchObject({ state: 'closed', calls: 3, failures: 2 });
    calls(1, 'failed');
    expect(changes).toEqual(['open']);
    expect(status()).toMatchObject({ state: 'open', calls: 4, failures: 3 });
  });

  test('not while fewer fail than the rate', () => {
    const { calls, status } = breaker();
    for (let n = 0; n < 100; n += 1) {
      calls(2, 'answered');
      calls(1, 'failed');
    }
    expect(status()).toMatchObject({ state: 'closed', failures: 100 });
  });

  test('for failures that lie close together: those outside of the window are forgotten', () => {
    const { calls, later, status } = breaker();
    for (let n = 0; n < 20; n += 1) {
      calls(1, 'failed');
      later(400);
    }
    expect(status()).toMatchObject({ state: 'closed' });
    later(1000);
    expect(status()).toMatchObject({ calls: 0, failures: 0 });
  });

  test('not for calls that were no try', () => {
    const { calls, status } = breaker();
    calls(100, 'neither');
    expect(status()).toMatchObject({ state: 'closed', calls: 0 });
  });

  test('never with errorRate 0', () => {
    const { calls, status } = breaker({ errorRate: 0 });
    calls(100, 'failed');
    expect(status()).toMatchObject({ state: 'off' });
  });
});

describe('while it is open', () => {
  test('calls are told at once why, what was met and what the limit is, and when the next may try', () => {
    const { calls, refusal, later, whys } = breaker();
    calls(4, 'failed');
    later(40);
    const { code, status, executed, message, retryAfterMs } = refusal();
    expect({ code, status, executed }).toEqual({ code: 'circuit-open', status: 503, executed: 'no' });
    expect(message).toBe(
      'The function pdf gets no calls for now: 4 of 4 calls failed within 1000 ms; breaker.errorRate is 0.5.',
    );
    expect(retryAfterMs).toBe(60);
    expect(whys).toEqual(['4 of 4 calls failed within 1000 ms; breaker.errorRate is 0.5: no calls for 100 ms']);
  });

  test.each([
    [0, 80, 80],
    [1, 120, 120],
  ])(
    'its time is a fifth shorter or longer, so that those that failed together do not try together',
    (random, ms, told) => {
      const { calls, refusal, later, enter, status } = breaker({ random });
      calls(4, 'failed');
      expect(refusal().retryAfterMs).toBe(told);
      expect(Date.parse(status().openUntil ?? '')).toBeGreaterThan(Date.now() - 10_000);
      later(ms - 1);
      refusal();
      later(1);
      enter();
    },
  );

  test('calls that had begun before count neither for it nor against it', () => {
    const { enter, leave, calls, changes, status } = breaker();
    const early = enter();
    calls(4, 'failed');
    leave(early, 'answered');
    leave(early, 'failed');
    expect(changes).toEqual(['open']);
    expect(status()).toMatchObject({ calls: 4 });
  });
});

describe('when its time is over', () => {
  const halfOpen = () => {
    const made = breaker();
    made.calls(4, 'failed');
    made.later(100);
    return made;
  };

  test('one call at a time tries', () => {
    const { enter, leave, refusal, status } = halfOpen();
    const first = enter();
    expect(status()).toMatchObject({ state: 'half-open', openUntil: undefined });
    expect(refusal()).toMatchObject({ code: 'circuit-open' });
    leave(first, 'answered');
    enter();
    refusal();
  });

  test('three answers in a row close it, and what was counted before is forgotten', () => {
    const { call, calls, changes, status } = halfOpen();
    calls(2, 'answered');
    expect(changes).toEqual(['open', 'half-open']);
    call('answered');
    expect(changes).toEqual(['open', 'half-open', 'closed']);
    expect(status()).toMatchObject({ state: 'closed', calls: 0, failures: 0 });
  });

  test('a failure opens it again, each time for twice as long, up to ten times', () => {
    const { call, later, refusal, changes } = halfOpen();
    for (const openMs of [200, 400, 800, 1000, 1000]) {
      call('failed');
      later(openMs - 1);
      refusal();
      later(1);
    }
    expect(changes.at(-1)).toBe('open');
  });

  test('once it has closed, it begins with the shortest time again', () => {
    const { call, calls, later, refusal, changes } = halfOpen();
    call('failed');
    later(200);
    calls(3, 'answered');
    calls(4, 'failed');
    later(99);
    refusal();
    later(1);
    call('answered');
    expect(changes.at(-1)).toBe('half-open');
  });

  test('a call that was no try after all makes room for the next', () => {
    const { enter, leave, changes } = halfOpen();
    leave(enter(), 'neither');
    leave(enter(), 'neither');
    expect(changes).toEqual(['open', 'half-open']);
  });

  test('the end of a call is heard once: a late one does not stand for the call that tries now', () => {
    const { enter, leave, refusal, changes } = halfOpen();
    const first = enter();
    leave(first, 'neither');
    enter();
    leave(first, 'failed');
    refusal();
    expect(changes).toEqual(['open', 'half-open']);
  });
});

describe('what counts', () => {
  const error = (code: Code, executed: Executed) => new GatewayError(code, 'x', { executed });

  test.each<[Code, Executed, Verdict, Verdict]>([
    ['function-timeout', 'unknown', 'failed', 'answered'],
    // It may have died of the call: a function that crashes must not close its pool to others.
    ['worker-crashed', 'unknown', 'failed', 'answered'],
    ['worker-crashed', 'no', 'neither', 'failed'],
    ['pool-unavailable', 'no', 'neither', 'failed'],
    ['pool-unavailable', 'unknown', 'neither', 'failed'],
    ['function-error', 'yes', 'answered', 'answered'],
    ['function-out-of-memory', 'yes', 'answered', 'answered'],
    ['invalid-function-output', 'yes', 'answered', 'answered'],
    ['client-closed', 'unknown', 'neither', 'answered'],
    ['cancelled', 'unknown', 'neither', 'answered'],
  ])('%s, executed: %s, is %s for the function and %s for its pool', (code, executed, ofFunction, ofPool) => {
    expect([verdictOnFunction(error(code, executed)), verdictOnPool(error(code, executed))]).toEqual([
      ofFunction,
      ofPool,
    ]);
  });

  test('nothing that did not run counts for the function, and for the pool only that it could not be reached', () => {
    const counted = (Object.keys(codes) as Code[]).flatMap((code) => {
      const verdicts = [verdictOnFunction(error(code, 'no')), verdictOnPool(error(code, 'no'))];
      return verdicts.every((verdict) => verdict === 'neither') || code === 'function-timeout' ? [] : [code];
    });
    expect(counted).toEqual(['pool-unavailable', 'worker-crashed']);
  });
});

test('a call that its function refuses leaves the pool free to let another try', () => {
  const parts = { subject: 'x', random: () => 0.5, onChange: () => {} };
  const settings = { ...SETTINGS, openMs: 0 };
  const circuit = { fn: new Breaker({ ...settings, openMs: 60_000 }, parts), pool: new Breaker(settings, parts) };
  const pass = { fnTicket: 0, poolTicket: 0 };
  const crash = new GatewayError('worker-crashed', 'x', { executed: 'unknown' });
  const down = new GatewayError('pool-unavailable', 'x');
  for (const error of [crash, crash, crash, crash]) {
    enterCircuit(circuit, pass);
    leaveCircuit(circuit, pass, error, true);
  }
  for (let n = 0; n < 4; n += 1) {
    const ticket = circuit.pool.enter(() => 0);
    circuit.pool.leave(ticket, verdictOnPool(down), performance.now());
  }
  expect([circuit.fn.status(0).state, circuit.pool.status(0).state]).toEqual(['open', 'open']);
  expect(() => enterCircuit(circuit, pass)).toThrow('x gets no calls');
  // It has nobody who tries: the next may.
  circuit.pool.leave(
    circuit.pool.enter(() => performance.now()),
    'answered',
    0,
  );
  expect(circuit.pool.status(0).state).toBe('half-open');
});
