import { describe, expect, test } from 'vitest';
import { type Code, type Executed, GatewayError } from '../../gateway/errors.ts';
import { FreeRepeats, RetryBudget, retryDelayMs } from '../../gateway/invoke/retry.ts';

const retry = { attempts: 3, baseMs: 100, maxMs: 1000 };

const ask = (
  code: Code,
  executed: Executed,
  more: { idempotent?: boolean; attempt?: number; remainingMs?: number; random?: number },
) =>
  retryDelayMs({
    error: new GatewayError(code, 'x', { executed }),
    fn: { idempotent: more.idempotent ?? false, retry },
    attempt: more.attempt ?? 1,
    remainingMs: more.remainingMs ?? 10_000,
    random: more.random ?? 0.5,
  });

describe('what was not executed is retried for everyone', () => {
  test('the first time at once, because a stale connection says nothing about the pool', () => {
    expect(ask('worker-crashed', 'no', {})).toBe(0);
  });
  test('the second time after a full-jitter delay that doubles', () => {
    expect(ask('worker-crashed', 'no', { attempt: 2, random: 1 })).toBe(200);
    expect(ask('worker-crashed', 'no', { attempt: 2, random: 0.25 })).toBe(50);
  });
  test('never more often than the policy says', () => {
    expect(ask('worker-crashed', 'no', { attempt: 3 })).toBeUndefined();
  });
});

describe('what may have been executed', () => {
  test.each(['unknown', 'yes'] as const)('is not retried when it is %s and the function not idempotent', (executed) => {
    expect(ask('worker-crashed', executed, {})).toBeUndefined();
  });
  test.each(['unknown', 'yes'] as const)(
    'is retried with backoff when it is %s and the function idempotent',
    (executed) => {
      expect(ask('worker-crashed', executed, { idempotent: true, random: 1 })).toBe(100);
    },
  );
});

test.each([
  'validation-failed',
  'function-error',
  'function-timeout',
  'queue-timeout',
  'overloaded',
  'response-too-large',
  'internal-error',
] as const)('%s is an answer and never retried', (code) => {
  expect(ask(code, 'no', { idempotent: true })).toBeUndefined();
});

test('a delay that ends past the deadline is not begun', () => {
  expect(ask('worker-crashed', 'unknown', { idempotent: true, random: 1, remainingMs: 100 })).toBeUndefined();
});

test('the delay never exceeds maxMs', () => {
  const error = new GatewayError('worker-crashed', 'x', { executed: 'no' });
  const fn = { idempotent: false, retry: { attempts: 10, baseMs: 100, maxMs: 300 } };
  expect(retryDelayMs({ error, fn, attempt: 9, remainingMs: 10_000, random: 1 })).toBe(300);
});

describe('the retry budget', () => {
  const retriesOf = (calls: number): number => {
    const budget = new RetryBudget();
    let retries = 0;
    for (let call = 0; call < calls; call += 1) {
      budget.deposit();
      while (budget.withdraw()) retries += 1;
    }
    return retries;
  };
  test('allows a few at first', () => {
    expect(retriesOf(1)).toBe(3);
  });
  test('then a fifth of the calls, however many fail, those at first included', () => {
    expect(retriesOf(15)).toBe(3);
    expect(retriesOf(20)).toBe(4);
    expect(retriesOf(1000)).toBe(200);
  });
  test('is not saved up without bound in good times', () => {
    const budget = new RetryBudget();
    for (let call = 0; call < 10_000; call += 1) budget.deposit();
    let retries = 0;
    while (budget.withdraw()) retries += 1;
    expect(retries).toBe(10);
  });
});

describe('the free repeats of a pool', () => {
  const earn = (repeats: FreeRepeats, answers: number): void => {
    for (let answer = 0; answer < answers; answer += 1) repeats.answered();
  };
  const taken = (repeats: FreeRepeats): number => {
    let count = 0;
    while (repeats.take()) count += 1;
    return count;
  };
  test('are none before it has answered', () => {
    expect(taken(new FreeRepeats(8))).toBe(0);
  });
  test('are earned by answers, as many as it has workers at most: so many connections may have gone stale', () => {
    const repeats = new FreeRepeats(8);
    earn(repeats, 3);
    expect(taken(repeats)).toBe(3);
    earn(repeats, 1000);
    expect(taken(repeats)).toBe(8);
    expect(taken(repeats)).toBe(0);
  });
  test('end the sharing of workers when many had to move and none was answered since', () => {
    const repeats = new FreeRepeats(2);
    expect(repeats.mayShare).toBe(true);
    repeats.moved();
    expect(repeats.mayShare).toBe(true);
    repeats.moved();
    expect(repeats.mayShare).toBe(false);
    repeats.answered();
    expect(repeats.mayShare).toBe(true);
  });
});

test('an error after an attempt that may have run never claims that nothing ran', () => {
  const late = new GatewayError('queue-timeout', 'x', { retryAfterMs: 5 });
  expect(late.executed).toBe('no');
  expect(late.afterAttempt('unknown')).toMatchObject({
    code: 'queue-timeout',
    executed: 'unknown',
    retryAfterMs: 5,
    retryable: false,
  });
  expect(new GatewayError('function-error', 'x').afterAttempt('unknown').executed).toBe('yes');
});
