/** What the catalogue lacked: the way between the gateway and PHP is slow, breaks or lies. */
import assert from 'node:assert/strict';
import { attached } from '../attached.ts';
import type { Fault } from '../fault-proxy.ts';
import type { World } from '../world.ts';
import type { Row } from './row.ts';

const away = attached({ FPMG_BREAKER__ERROR_RATE: '0' }, []);
/** Behind the worker's first answers, within that of the call. */
const WITHIN = 50_000;

const through = async (world: World, fault: Fault, check: () => Promise<void>): Promise<void> => {
  away.proxy.always(fault);
  away.proxy.resetAll();
  try {
    await check();
  } finally {
    away.proxy.heal();
    away.proxy.resetAll();
  }
  await world.recovers(['pool-unavailable', 'worker-crashed'], 'away');
};

export const networkRows: readonly Row[] = [
  {
    number: 67,
    fault: 'Network to PHP: slow, dripping, cut, reset, half-open, a header changed, a black hole',
    expected: '200 where it is only slow; else 502, 503 or 504: never a wrong answer',
    world: away.spec,
    run: async (world) => {
      const slow: Fault = { toClient: { delayMs: 20, drip: { bytes: 16_384, everyMs: 5 } }, toServer: { delayMs: 20 } };
      await through(world, slow, async () => {
        const answer = await world.call('away-large');
        assert.deepEqual([answer.status, answer.body?.length], [200, 100_000]);
      });
      for (const cut of ['end', 'reset'] as const)
        await through(world, { toClient: { cutAfterBytes: WITHIN, cut } }, async () => {
          const executed = ['yes', 'unknown'];
          await world.expect(await world.call('away-large'), { status: 502, code: 'worker-crashed', executed });
        });
      // The version of the first record. Of a byte within a result nobody can tell: FastCGI has no checksum.
      await through(world, { toClient: { corruptAt: 0 } }, async () => {
        const answer = await world.call('away', { n: 1 }, { headers: { 'x-request-timeout-ms': '1500' } });
        assert.ok([502, 503].includes(answer.status) && answer.executed === 'no', answer.text);
      });
      await through(world, { blackhole: true }, async () => {
        const answer = await world.call('away', { n: 1 }, { headers: { 'x-request-timeout-ms': '3000' } });
        await world.expect(answer, { status: 503, code: 'pool-unavailable', executed: 'no' });
      });
      await through(world, { toClient: { cutAfterBytes: WITHIN, cut: 'half-open' } }, async () => {
        const executed = ['yes', 'unknown'];
        await world.expect(await world.call('away-large'), { status: 504, code: 'function-timeout', executed });
      });
    },
  },
];
