/** Callers leave, read slowly, or have no time. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { isAlive } from '../../support/php-processes.ts';
import { until } from '../../support/until.ts';
import { send } from '../http.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

const running = async (world: World, name: string): Promise<number> =>
  (await world.pools()).flatMap((pool) => pool.functions).find((fn) => fn.name === name)?.running ?? 0;
const waiting = async (world: World): Promise<number> =>
  (await world.pools()).flatMap((pool) => pool.functions).reduce((sum, fn) => sum + fn.waiting, 0);

const SLOW_READERS = { env: { FPMG_HTTP__IDLE_WRITE_TIMEOUT_MS: '700' } };

export const callerRows: readonly Row[] = [
  {
    number: 20,
    fault: 'Caller reads its stream slowly, or not at all',
    expected: 'a reader that stops is cut off and PHP stopped; the worker is free',
    world: SLOW_READERS,
    run: async (world) => {
      const asked = request(`${world.gateway.url}/functions/flood`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      });
      asked.on('error', () => {});
      let unread: IncomingMessage | undefined;
      asked.once('response', (response) => {
        response.pause();
        response.once('error', () => {});
        unread = response;
      });
      asked.end('1');
      await until('PHP runs', async () => (await running(world, 'flood')) === 1);
      await world.serves();
      await until('PHP is stopped', async () => (await running(world, 'flood')) === 0);
      // What the kernel holds is read, and then the end that its gateway made.
      unread?.resume();
      await until('its connection is gone', () => unread?.destroyed === true);
      assert.equal(unread?.complete, false, 'it is cut off, not ended');
    },
  },
  {
    number: 33,
    fault: 'Caller leaves while its call waits',
    expected: '499 client-closed in the trace; PHP never runs it',
    world: PLAIN,
    run: async (world) => {
      const holders = await Promise.all([world.hold(), world.hold()]);
      const ghost = world.held();
      const leaving = new AbortController();
      const traceId = randomBytes(16).toString('hex');
      const headers = { traceparent: `00-${traceId}-${'1'.repeat(16)}-01` };
      const answer = world.call('held', ghost.file, { signal: leaving.signal, headers });
      await until('it waits', async () => (await waiting(world)) === 1);
      leaving.abort();
      await answer;
      await until('it waits no more', async () => (await waiting(world)) === 0);
      await world.assertTraced({ traceId }, 'client-closed');
      for (const { held } of holders) held.go();
      for (const holder of holders) assert.equal((await holder.answer).status, 200);
      await world.serves();
      assert.deepEqual(ghost.pids, []);
    },
  },
  {
    number: 34,
    fault: 'Caller leaves while its call runs',
    expected: 'it finishes, its slot taken until then; with onDisconnect: cancel its worker is ended',
    world: PLAIN,
    run: async (world) => {
      const stays = await world.hold('held');
      stays.leave();
      await stays.answer;
      assert.equal(await running(world, 'held'), 1, 'it is counted until it is done');
      stays.held.go();
      await until('it is done', async () => (await running(world, 'held')) === 0);
      assert.ok(isAlive(stays.pid), 'its worker serves on');
      const goes = await world.hold('held-cancel');
      goes.leave();
      await goes.answer;
      await until('the worker of a call that nobody wants is ended', () => !isAlive(goes.pid));
    },
  },
  {
    number: 38,
    fault: 'Deadline passed, or tiny',
    expected: '504 deadline-exceeded, not run',
    world: PLAIN,
    run: async (world) => {
      const holders = await Promise.all([world.hold(), world.hold()]);
      const ghost = world.held();
      const answer = await world.call('held', ghost.file, { headers: { 'x-request-timeout-ms': '1' } });
      assert.equal(answer.executed, 'no', answer.text);
      await world.expect(answer, { status: 504, code: 'deadline-exceeded', executed: 'no' });
      for (const { held } of holders) held.go();
      for (const holder of holders) assert.equal((await holder.answer).status, 200);
      assert.deepEqual(ghost.pids, []);
    },
  },
  {
    number: 39,
    fault: 'Functions that call each other without end',
    expected: '508 call-depth-exceeded; no deadlock',
    // The workers that keep such calls from a deadlock are there from the first of them on.
    world: { env: { FPMG_POOLS__DEFAULT__WORKERS: '4' }, warm: (world) => world.call('again') },
    run: async (world) => {
      const answer = await world.call('again');
      world.last = answer;
      await world.assertTraced(answer, 'call-depth-exceeded');
      assert.ok(answer.status >= 500, answer.text);
    },
  },
  {
    number: 63,
    fault: 'Batch of 1,000, 5 % of them fail',
    expected: '200, each item with its own result, in order where asked',
    world: PLAIN,
    run: async (world) => {
      const items = Array.from({ length: 1000 }, (_, n) => ({
        id: String(n),
        function: n % 20 === 0 ? 'exits' : 'echo',
        input: { n },
      }));
      const answer = await send(`${world.gateway.url}/batch?order=input`, null, {
        headers: { 'content-type': 'application/x-ndjson' },
        raw: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
      });
      assert.equal(answer.status, 200, answer.text.slice(0, 300));
      const lines = answer.text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      const results = lines.filter(({ id }) => id !== null);
      assert.equal(results.length, 1000);
      for (const [n, line] of results.entries()) {
        assert.equal(line.id, String(n));
        if (n % 20 === 0) assert.equal(line.error?.code, 'function-no-result');
        else assert.deepEqual(line.output, { n });
      }
    },
  },
];
