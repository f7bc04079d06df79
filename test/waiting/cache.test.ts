/** The shared cache in a concurrent worker: a call that waits for it holds up nobody, and answers are never another call's. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openCache } from '../cache/caller.ts';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const { path, cache, listener } = await openCache({}, 100, file);
const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;
const made = (key: string, make: string, leaseMs = 60_000): string =>
  `$call->cache->remember(${key}, 60_000, static function () use ($call, $input) { ${make} }, ${leaseMs})`;

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    remembers: handler(
      `return ${made('$input["key"]', 'file_put_contents($input["file"], "x", FILE_APPEND); $call->sleep(50); return "made";')};`,
    ),
    fails: handler(
      `return ${made('"fails"', '$call->sleep(20); if ($input["n"] === 0) { throw new RuntimeException("not this time"); } return "by $input[n]";')};`,
    ),
    nested: handler(
      `return ${made('"outer"', `return ${made('"outer"', 'return "inner";')} . $call->cache->get("other", "none");`)};`,
    ),
    gets: handler(
      'for ($n = 0; $n < 20; ++$n) { $call->cache->set("k$input[n] $n", "$input[n] $n"); $call->sleep(0); if ($call->cache->get("k$input[n] $n") !== "$input[n] $n") { return "mixed up"; } } return array_values($call->cache->many(["k$input[n] 1", "k$input[n] 2"]));',
    ),
    cross: handler(
      `return ${made('$input["first"]', `$call->sleep(20); return ${made('$input["second"]', 'return 1;', 500)};`, 500)};`,
    ),
    ends: handler(`${made('"ends"', 'FpmGateway\\Wait::sleep(30_000);')};`),
    takes: handler(`return ${made('"ends"', 'return "mine";')};`),
    large: handler('$call->cache->set("large", str_repeat("x", 900_000)); return strlen($call->cache->get("large"));'),
    plain: handler('return $call->cache->get("plain", "none");'),
  },
  env: { FPMG_CACHE: `unix:${path}` },
  bootstrap: 'return FpmGateway\\Cache::ofEnvironment();',
  concurrent: { callMemoryBytes: 262_144 },
});

test('of a hundred calls one makes the value, and the others get it', async () => {
  const file = `${path}.made`;
  const ids = Array.from({ length: 100 }, () => worker.sendCall('remembers', { key: 'herd', file }));
  const answers = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(new Set(answers.map(({ output }) => output))).toEqual(new Set(['made']));
  expect(readFileSync(file, 'utf8')).toBe('x');
});

test('where it cannot be made the next in line makes it', async () => {
  const ids = [0, 1, 2].map((n) => worker.sendCall('fails', { n }));
  const [first, second, third] = await Promise.all(ids.map((id) => worker.answer(id)));
  expect(first?.meta).toMatchObject({ exception: { message: 'not this time' } });
  expect([second?.output, third?.output]).toEqual(['by 1', 'by 1']);
});

test('a call does not wait for itself', async () => {
  expect((await worker.call('nested')).output).toBe('innernone');
});

test('forty calls ask at once, and each gets its own answers', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => worker.sendCall('gets', { n }));
  for (const [n, id] of ids.entries()) expect((await worker.answer(id)).output).toEqual([`${n} 1`, `${n} 2`]);
});

test('two that wait for each other’s values go on after their leases', async () => {
  const ids = [
    worker.sendCall('cross', { first: 'a', second: 'b' }),
    worker.sendCall('cross', { first: 'b', second: 'a' }),
  ];
  for (const id of ids) expect((await worker.answer(id)).output).toBe(1);
});

test('a call that ends while it makes a value leaves it to the next', async () => {
  const ends = worker.sendCall('ends', {});
  await until('it has begun', () => worker.begun().includes(ends));
  await until('it has the lease', () => cache.leases.size > 0);
  const takes = worker.sendCall('takes', {});
  worker.abort(ends);
  expect((await worker.answer(takes)).output).toBe('mine');
});

test('a value that does not fit into the socket at once is written and read whole', async () => {
  expect((await worker.call('large')).output).toBe(900_000);
});

test('a cache that is gone is as if nothing was there', async () => {
  listener.destroy();
  expect((await worker.call('plain')).output).toBe('none');
});
