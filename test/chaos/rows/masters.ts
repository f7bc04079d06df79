/** php-fpm's master goes away, stops, or is told to reload by others. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { isAlive, kill, workersOf } from '../../support/php-processes.ts';
import { until } from '../../support/until.ts';
import { type Attached, attached } from '../attached.ts';
import { steadyLoad } from '../load.ts';
import { PLAIN, type Row } from './row.ts';

const away: Attached = attached({}, []);

export const masterRows: readonly Row[] = [
  {
    number: 1,
    fault: 'FPM socket missing',
    expected: '503 pool-unavailable, not run; served when it is back',
    world: away.spec,
    run: async (world) => {
      await rename(away.path, `${away.path}.away`);
      away.proxy.resetAll();
      try {
        const answer = await world.call('away', { n: 1 }, { headers: { 'x-request-timeout-ms': '1500' } });
        await world.expect(answer, { status: 503, code: 'pool-unavailable', executed: 'no' });
        assert.match(answer.headers['retry-after'] ?? '', /^\d+$/);
        await world.serves();
      } finally {
        await rename(`${away.path}.away`, away.path);
      }
      await world.recovers(['pool-unavailable', 'circuit-open'], 'away');
    },
  },
  {
    number: 2,
    fault: 'FPM refuses: master killed, stale socket file',
    expected: '503 pool-unavailable or served late; a new master within 2 s',
    world: PLAIN,
    run: async (world) => {
      const master = await world.masterPid();
      process.kill(-master, 'SIGKILL');
      const startedMs = performance.now();
      await world.recovers(['pool-unavailable', 'worker-crashed']);
      world.notes.push(`back after ${Math.round(performance.now() - startedMs)} ms`);
      assert.notEqual(await world.masterPid(), master);
    },
  },
  {
    number: 3,
    fault: 'Backlog full',
    expected: 'cannot be: calls wait here, then 503 queue-timeout; nothing lies in the backlog',
    world: PLAIN,
    run: async (world) => {
      const holders = await Promise.all([world.hold(), world.hold()]);
      const waiting = Array.from({ length: 20 }, () =>
        world.call('echo', { n: 1 }, { headers: { 'x-request-timeout-ms': '600' } }),
      );
      for (const answer of await Promise.all(waiting)) {
        assert.equal(answer.executed, 'no', answer.text);
        assert.ok(['queue-timeout', 'deadline-exceeded', 'overloaded'].includes(answer.code), answer.text);
      }
      for (const { held } of holders) held.go();
      for (const { answer } of holders) assert.equal((await answer).status, 200);
    },
  },
  {
    number: 8,
    fault: 'Master SIGSTOP, its workers killed',
    expected: '502 worker-crashed for what ran; a new master within seconds',
    world: {},
    run: async (world) => {
      const master = await world.masterPid();
      const { answer } = await world.hold();
      kill(master, 'SIGSTOP');
      for (const pid of workersOf(master)) kill(pid, 'SIGKILL');
      await world.expect(await answer, { status: 502, code: 'worker-crashed', executed: ['yes', 'unknown'] });
      const startedMs = performance.now();
      await world.recovers(['pool-unavailable', 'worker-crashed', 'queue-timeout', 'circuit-open']);
      world.notes.push(`back after ${Math.round(performance.now() - startedMs)} ms`);
      await until('the stopped master is gone', () => !isAlive(master));
    },
  },
  {
    number: 9,
    fault: 'Master kill -9 under load',
    expected: 'what runs is answered; the rest waits; a new master within 2 s; no orphan serves',
    world: PLAIN,
    run: async (world) => {
      const master = await world.masterPid();
      const orphans = workersOf(master);
      const load = steadyLoad(world, { atOnce: 4 });
      await load.reached(20);
      kill(master, 'SIGKILL');
      await until('there is another master', async () => {
        const found = (await world.pools()).find(({ name }) => name === 'default')?.masterPid;
        return found !== undefined && found !== master;
      });
      await load.reached(load.count + 20);
      const { codes } = await load.stop();
      assert.deepEqual(
        Object.keys(codes).filter((code) => !['ok', 'worker-crashed', 'pool-unavailable'].includes(code)),
        [],
      );
      await until('no orphan is left', () => orphans.every((pid) => !isAlive(pid)));
    },
  },
  {
    number: 10,
    fault: 'Somebody sends SIGUSR2 to our master, under load',
    expected: '200, or 502 worker-crashed for what ran; served on',
    world: PLAIN,
    run: async (world) => {
      const load = steadyLoad(world, { atOnce: 4 });
      for (let time = 1; time <= 3; time += 1) {
        await load.reached(time * 20);
        kill(await world.masterPid(), 'SIGUSR2');
      }
      await load.reached(100);
      const { codes } = await load.stop();
      world.notes.push(JSON.stringify(codes));
      assert.deepEqual(
        Object.keys(codes).filter((code) => !['ok', 'worker-crashed', 'pool-unavailable'].includes(code)),
        [],
      );
    },
  },
];
