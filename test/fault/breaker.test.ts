/** The circuit breakers on the walk of a call: what opens them, who is told, and that they close by themselves. */
import { expect, test } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { withFailingPool } from '../chaos/retries.ts';
import { until } from '../support/until.ts';

const NO_RETRIES = { retry: { attempts: 1, baseMs: 0, maxMs: 0 } };

const code = async (gateway: Gateway): Promise<string> => {
  try {
    await gateway.invoke('any', null);
    return 'ok';
  } catch (error) {
    return isGatewayError(error) ? error.code : String(error);
  }
};

const codes = async (gateway: Gateway, calls: number): Promise<string[]> => {
  const all: string[] = [];
  for (let n = 0; n < calls; n += 1) all.push(await code(gateway));
  return all;
};

const breakers = (gateway: Gateway): (string | undefined)[] => {
  const [pool] = gateway.pools();
  return [pool?.breaker?.state, pool?.functions[0]?.breaker?.state];
};

test('a pool whose workers end before they begin gets no further calls, and they go on by themselves when it is back', async () => {
  const config = { breaker: { callsMin: 5, openMs: 60_000 }, defaults: NO_RETRIES };
  await withFailingPool(config, async (gateway, workers) => {
    workers.fault = 'before';
    expect(await codes(gateway, 8)).toEqual([
      ...Array.from({ length: 5 }, () => 'worker-crashed'),
      ...Array.from({ length: 3 }, () => 'circuit-open'),
    ]);
    expect(workers.attempts).toBe(5);
    expect(breakers(gateway)).toEqual(['open', 'closed']);
    await expect(gateway.invoke('any', null)).rejects.toMatchObject({
      status: 503,
      executed: 'no',
      retryable: true,
      message:
        'The pool default gets no calls for now: 5 of 5 calls failed within 10000 ms; breaker.errorRate is 0.5 (by default).',
    });
  });
  await withFailingPool({ breaker: { callsMin: 5, openMs: 10 }, defaults: NO_RETRIES }, async (gateway, workers) => {
    workers.fault = 'before';
    await codes(gateway, 5);
    expect(breakers(gateway)).toEqual(['open', 'closed']);
    workers.fault = 'none';
    await until('a call goes through', async () => (await code(gateway)) === 'ok');
    expect(await codes(gateway, 2)).toEqual(['ok', 'ok']);
    expect(breakers(gateway)).toEqual(['closed', 'closed']);
  });
});

test('a function whose workers end in the middle of its calls has its own: the pool stays open to others', async () => {
  const config = { breaker: { callsMin: 5, openMs: 60_000 }, defaults: NO_RETRIES };
  await withFailingPool(config, async (gateway, workers) => {
    workers.fault = 'within';
    expect((await codes(gateway, 6)).at(-1)).toBe('circuit-open');
    expect(breakers(gateway)).toEqual(['closed', 'open']);
    expect(gateway.pools()[0]?.functions[0]?.breaker).toMatchObject({ failures: 5, calls: 5 });
  });
});

test('calls that are under way when it opens are told what happened to them, and are not repeated on and on', async () => {
  const retry = { attempts: 10, baseMs: 0, maxMs: 0 };
  await withFailingPool({ breaker: { callsMin: 1, openMs: 60_000 }, defaults: { retry } }, async (gateway, workers) => {
    workers.fault = 'within';
    const both = await Promise.all([code(gateway), code(gateway)]);
    // Ten attempts each, if nothing ended that; three repeats are lent to both.
    expect(both).toEqual(['worker-crashed', 'worker-crashed']);
    expect(workers.attempts).toBeLessThanOrEqual(2 + 3);
    expect(await code(gateway)).toBe('circuit-open');
  });
});
