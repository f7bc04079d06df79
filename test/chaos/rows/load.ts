/** More than there is room for. */
import assert from 'node:assert/strict';
import { until } from '../../support/until.ts';
import { attached } from '../attached.ts';
import type { Answer } from '../http.ts';
import { PLAIN, type Row } from './row.ts';

const away = attached({ FPMG_BREAKER__ERROR_RATE: '0' }, []);
const SMALL = { env: { FPMG_POOLS__DEFAULT__QUEUE_MAX: '10' } };

const codesOf = (answers: readonly Answer[]): Readonly<Record<string, number>> => {
  const codes: Record<string, number> = {};
  for (const { code } of answers) codes[code] = (codes[code] ?? 0) + 1;
  return codes;
};

export const loadRows: readonly Row[] = [
  {
    number: 35,
    fault: 'Overload, ten times what there is room for',
    expected: '503 overloaded at once with Retry-After, not run; what was taken is served',
    world: SMALL,
    run: async (world) => {
      const holders = await Promise.all([world.hold(), world.hold()]);
      const calls = Array.from({ length: 120 }, (_, n) =>
        world.call('echo', { n }, { headers: { 'x-request-timeout-ms': '8000' } }),
      );
      const early: Answer[] = [];
      for (const call of calls) void call.then((answer) => early.push(answer));
      await until('what has no room is refused at once', () => early.length >= 110);
      for (const { held } of holders) held.go();
      const answers = await Promise.all(calls);
      const codes = codesOf(answers);
      world.notes.push(JSON.stringify(codes));
      assert.ok((codes.ok ?? 0) <= 10 && (codes.overloaded ?? 0) >= 110, JSON.stringify(codes));
      const refused = answers.find(({ code }) => code === 'overloaded');
      assert.ok(refused !== undefined);
      await world.expect(refused, { status: 503, code: 'overloaded', executed: 'no' });
      assert.match(refused.headers['retry-after'] ?? '', /^\d+$/);
      for (const holder of holders) assert.equal((await holder.answer).status, 200);
    },
  },
  {
    number: 36,
    fault: 'One noisy function',
    expected: '429 concurrency-limit for it alone; others served',
    world: PLAIN,
    run: async (world) => {
      const noisy = await world.hold('held-few');
      const more = await Promise.all(Array.from({ length: 20 }, () => world.call('held-few', world.held().file)));
      for (const answer of more)
        await world.expect(answer, { status: 429, code: 'concurrency-limit', executed: 'no', isTraced: false });
      for (let at = 0; at < 20; at += 1) await world.serves();
      noisy.held.go();
      assert.equal((await noisy.answer).status, 200);
    },
  },
  {
    number: 37,
    fault: 'Every worker ends its connection, with retries on',
    expected: '503 pool-unavailable, not run; PHP is tried at most 1.2 times per call, and the first few',
    world: away.spec,
    run: async (world) => {
      away.proxy.always({ refuse: true });
      away.proxy.resetAll();
      const before = away.proxy.accepted;
      const calls = 100;
      const answers: Answer[] = [];
      const headers = { 'x-request-timeout-ms': '300' };
      for (let n = 0; n < calls; n += 10) {
        const some = Array.from({ length: 10 }, (_, at) => world.call('away-again', { n: n + at }, { headers }));
        answers.push(...(await Promise.all(some)));
      }
      const tried = away.proxy.accepted - before;
      away.proxy.heal();
      const codes = codesOf(answers);
      world.notes.push(`${tried} attempts to connect for ${calls} calls`, JSON.stringify(codes));
      assert.ok(codes.ok === undefined, JSON.stringify(codes));
      assert.ok(tried <= calls * 1.2 + 10, `${tried} attempts for ${calls} calls`);
      await world.recovers(['pool-unavailable', 'worker-crashed', 'queue-timeout'], 'away');
    },
  },
];
