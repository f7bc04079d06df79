/** A worker dies, stops, or is at its end. */
import assert from 'node:assert/strict';
import { isAlive, kill } from '../../support/php-processes.ts';
import { until } from '../../support/until.ts';
import { attached } from '../attached.ts';
import { steadyLoad } from '../load.ts';
import { SHORT_MS } from '../project.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

/** It had begun, where its ping was answered; else nobody knows. Never `no`. */
const CRASH = { status: 502, code: 'worker-crashed', executed: ['yes', 'unknown'] } as const;
const TIMEOUT = { status: 504, code: 'function-timeout', executed: 'unknown', deadlineMs: SHORT_MS } as const;

/** Their master starts others. */
const recycling = attached({}, ['pm.max_requests = 5']);

/** Both engines promise the same. */
const killHeld = async (world: World, name: string): Promise<void> => {
  const { answer, pid, held } = await world.hold(name);
  kill(pid, 'SIGKILL');
  await world.expect(await answer, CRASH);
  assert.equal(held.pids.length, 1, 'it is not run again');
};

export const workerRows: readonly Row[] = [
  {
    number: 4,
    fault: 'Worker kill -9 mid-request',
    expected: '502 worker-crashed, yes or unknown; run again only where idempotent',
    world: PLAIN,
    run: async (world) => {
      await killHeld(world, 'held-resident');
      const again = await world.hold('held-twice');
      kill(again.pid, 'SIGKILL');
      await again.held.started(2);
      again.held.go();
      assert.equal((await again.answer).status, 200, 'an idempotent one is run again');
      await killHeld(world, 'held');
    },
  },
  {
    number: 5,
    fault: 'Worker segfault',
    expected: '502 worker-crashed, yes or unknown; other functions unaffected',
    world: PLAIN,
    run: async (world) => {
      const [answer, other] = await Promise.all([world.call('segfault'), world.call('echo', { n: 5 })]);
      await world.expect(answer, CRASH);
      assert.equal(other.status, 200);
    },
  },
  {
    number: 6,
    fault: 'Worker SIGSTOP',
    expected: '504 function-timeout, unknown; the worker is replaced; others served',
    world: PLAIN,
    run: async (world) => {
      const { answer, pid } = await world.hold('held-shortly');
      kill(pid, 'SIGSTOP');
      await world.serves();
      await world.expect(await answer, TIMEOUT);
      await until('the stopped worker is gone', () => !isAlive(pid));
    },
  },
  {
    number: 7,
    fault: 'All workers SIGSTOP',
    expected: '504 function-timeout; what waits is never run twice, or not at all',
    world: PLAIN,
    run: async (world) => {
      const [one, two] = await Promise.all([world.hold('held-shortly'), world.hold('held-shortly')]);
      for (const { pid } of [one, two]) kill(pid, 'SIGSTOP');
      const ghost = world.held();
      const late = await world.call('held', ghost.file, { headers: { 'x-request-timeout-ms': '300' } });
      assert.equal(late.executed, 'no', late.text);
      await world.expect(await one.answer, TIMEOUT);
      await world.expect(await two.answer, TIMEOUT);
      await world.serves();
      assert.deepEqual(ghost.pids, [], 'nobody waits for it any more: it does not run');
    },
  },
  {
    number: 11,
    fault: 'Workers end after every fifth request (pm.max_requests)',
    expected: '200: no reset is shown',
    world: recycling.spec,
    run: async (world) => {
      const load = steadyLoad(world, { atOnce: 3, function: 'away' });
      await load.reached(150);
      const { codes } = await load.stop();
      assert.deepEqual(Object.keys(codes), ['ok'], JSON.stringify(codes));
    },
  },
  {
    number: 15,
    fault: 'The kernel kills a worker for its memory',
    expected: '502 worker-crashed, yes or unknown; the gateway is not touched',
    world: PLAIN,
    run: async (world) => {
      // What the kernel does then, without a machine that is out of memory.
      await world.expect(await world.call('killed'), CRASH);
    },
  },
];
