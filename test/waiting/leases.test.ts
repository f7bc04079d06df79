/** Values of the cache that many calls of one worker make at once, by calls that use the cache themselves. */
import { expect, test } from 'vitest';
import { openCache } from '../cache/caller.ts';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';
import { answers } from './answers.ts';
import { handler } from './handlers.ts';

const file = wholeFile();
const { path, cache, listener } = await openCache({}, 300, file);
const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    makes: handler('return $call->cache->remember("made $input[n]", 60_000, static fn () => $call->invoke("inner"));'),
    gets: handler('return $call->cache->get("plain", "none");'),
    remembers: handler('return $call->cache->remember("plain", 60_000, static fn () => "made");'),
    counts: handler(
      'return count($call->cache->many(array_map(static fn (int $n) => "made $n", range(0, $input["of"] - 1))));',
    ),
  },
  env: { FPMG_CACHE: `unix:${path}`, FPMG_GATEWAY: 'unix:/nowhere.sock' },
  bootstrap: 'return FpmGateway\\Cache::ofEnvironment();',
  concurrent: { callMemoryBytes: 65_536 },
});
/** More than may hold a lease at once. */
const MANY = 250;
const LEASES = 240;

test('values that wait for other calls of the worker keep no call from the cache', async () => {
  const ids = Array.from({ length: MANY }, (_, n) => worker.sendCall('makes', { n }));
  const inner = await Promise.all(ids.map(() => worker.nested()));
  expect(cache.leases.size).toBe(LEASES);
  expect((await worker.call('gets')).output).toBe('none');
  // As those beyond the bound: made, and not stored.
  expect((await worker.call('remembers')).output).toBe('made');
  expect((await worker.call('gets')).output).toBe('none');
  for (const call of inner) answers(worker)(call, 'value');
  for (const id of ids) expect((await worker.answer(id)).output).toBe('value');
  expect((await worker.call('counts', { of: MANY })).output).toBe(LEASES);
  expect((await worker.call('remembers')).output).toBe('made');
  expect((await worker.call('gets')).output).toBe('made');
  await until('connections too many are closed', () => listener.connections <= 32);
});
