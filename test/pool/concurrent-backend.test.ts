/** What of concurrent workers is free for calls in reserve: those that all others would wait for. */
import { expect, test } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { ConcurrentBackend, ConcurrentReserve } from '../../gateway/pool/concurrent-backend.ts';
import type { ConcurrentLine } from '../../gateway/pool/concurrent-line.ts';
import type { WarmSupply } from '../../gateway/pool/warm-supply.ts';

const reserveOf = (lines: readonly { readonly usable: boolean; readonly places: number }[]): ConcurrentReserve => {
  const supply = { up: lines.length > 0, lines } as unknown as WarmSupply<ConcurrentLine>;
  const options = { address: 'concurrent:test', connectTimeoutMs: 1000, log: silentLog, onFree: () => {} };
  return new ConcurrentReserve(new ConcurrentBackend(options, supply), 4);
};

test.each([
  ['there is no worker', [], 0],
  ['the only worker takes no more calls, while those it has run on', [{ usable: false, places: 3 }], 0],
  [
    'one of two takes calls',
    [
      { usable: false, places: 3 },
      { usable: true, places: 3 },
    ],
    4,
  ],
])('where %s', (_, lines, free) => {
  const reserve = reserveOf(lines);
  expect([reserve.free, reserve.isFull, reserve.lacks()]).toEqual([
    free,
    free === 0,
    free === 0 ? 'worker' : 'nothing',
  ]);
});
