/** Slots and workers under load, timeouts, kills and stops: real php-fpm, nothing waits in its backlog. */
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, connectionsTo, isAlive, kill, masterOf, workersOf } from '../support/php-processes.ts';
import { type Functions, functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const starter =
  (start: typeof startGateway) =>
  async (workers: number, functions: Functions, more = {}): Promise<Gateway> =>
    await start({ pools: { default: { workers } }, ...more }, { project: functionsProject(functions) });

const allFree = async (gateway: Gateway): Promise<void> =>
  await until('all slots are free', () => backendOf(gateway).taken === 0);

const PID = 'return getmypid();';

eachEngine(({ startGateway, pings, endsWhenAsked }) => {
  const start = starter(startGateway);

  test('with one worker, ten calls at once are served in the order they came', async () => {
    const gateway = await start(1, { note: 'file_put_contents($input[0], $input[1], FILE_APPEND); return $input[1];' });
    const folder = openFolder();
    const calls = Array.from({ length: 10 }, (_, n) => gateway.invoke('note', [`${folder}/order`, String(n)]));
    expect(await Promise.all(calls)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(`${folder}/order`, 'utf8')).toBe('0123456789');
  });

  test('a call past its time limit is answered and its worker stopped; another worker’s call goes on', async () => {
    const gateway = await start(2, { stuck: [WAIT, 'timeoutMs: 300'], wait: WAIT, pid: PID });
    const folder = openFolder();
    const other = new Held(folder, 'other');
    const stuck = new Held(folder, 'stuck');
    const good = gateway.invoke('wait', other.file);
    const otherPid = await other.started();
    const late = await post(gateway, 'stuck', stuck.file);
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({ code: 'function-timeout', executed: 'unknown', retryable: false });
    const [stuckPid = 0] = stuck.pids;
    await until('the stuck worker is gone', () => !isAlive(stuckPid));
    expect(isAlive(otherPid)).toBe(true);
    await until('its slot is free', () => backendOf(gateway).taken === 1);
    expect(backendOf(gateway).late).toBe(0);
    other.go();
    expect(await good).toBe(1);
    expect(await gateway.invoke('pid', null)).not.toBe(stuckPid);
  });

  test('the slot of a timed-out call stays taken while its worker lives', async () => {
    const gateway = await start(1, { stuck: [WAIT, 'timeoutMs: 500'], pid: PID });
    const stuck = new Held(openFolder(), 'stuck');
    const late = expect(gateway.invoke('stuck', stuck.file)).rejects.toMatchObject({ code: 'function-timeout' });
    const pid = await stuck.started();
    // A stopped process does not take the SIGTERM: the worker is busy until the SIGKILL a second later.
    kill(pid, 'SIGSTOP');
    await late;
    if (endsWhenAsked) {
      expect(backendOf(gateway)).toMatchObject({ taken: 1, late: 1 });
      expect(isAlive(pid)).toBe(true);
    }
    const next = await gateway.invoke('pid', null);
    if (endsWhenAsked) expect(isAlive(pid)).toBe(false);
    await until('it is gone', () => !isAlive(pid));
    expect(next).not.toBe(pid);
  });

  test('a timed-out worker is free although a program it started holds its connection', async () => {
    const gateway = await start(1, { stuck: ["exec('sleep 20'); return 1;", 'timeoutMs: 500'], pid: PID });
    await expect(gateway.invoke('stuck', null)).rejects.toMatchObject({ code: 'function-timeout' });
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  });

  test('a worker killed in a call: the idempotent function succeeds on its second attempt', async () => {
    const gateway = await start(2, { wait: [WAIT, 'idempotent: true'] });
    const held = new Held(openFolder(), 'a');
    const call = gateway.invoke('wait', held.file);
    kill(await held.started(1), 'SIGKILL');
    await held.started(2);
    held.go();
    expect(await call).toBe(2);
  });

  test('a worker killed in a call: another function is not repeated and the caller learns that it ran', async () => {
    const gateway = await start(2, { wait: WAIT });
    const held = new Held(openFolder(), 'a');
    const call = post(gateway, 'wait', held.file);
    kill(await held.started(), 'SIGKILL');
    const response = await call;
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      code: 'worker-crashed',
      executed: pings ? 'yes' : 'unknown',
      retryable: false,
    });
    expect(held.pids).toHaveLength(1);
    await allFree(gateway);
  });

  test('workers killed while idle are not noticed by the next calls', async () => {
    const gateway = await start(2, { pid: PID });
    // More than three in a row would meet the retry budget.
    for (let round = 0; round < 3; round += 1) {
      const pid = (await gateway.invoke('pid', null)) as number;
      kill(pid, 'SIGKILL');
      // At once, before the gateway can have seen the end of the connection.
      expect(await gateway.invoke('pid', null)).not.toBe(pid);
    }
  });

  test('a worker stopped while idle costs its next call a wait, and without a ping that call; the worker its life', async () => {
    const gateway = await start(1, { pid: [PID, pings ? '' : 'timeoutMs: 1000'] });
    const pid = (await gateway.invoke('pid', null)) as number;
    kill(pid, 'SIGSTOP');
    const call = gateway.invoke('pid', null);
    // Nothing but the unanswered ping tells that this worker will not begin.
    if (pings) expect(await call).not.toBe(pid);
    else await expect(call).rejects.toMatchObject({ code: 'function-timeout', executed: 'unknown' });
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
  });

  test('a caller who leaves while its call waits takes it out of the queue', async () => {
    const gateway = await start(1, { wait: WAIT });
    const folder = openFolder();
    const first = new Held(folder, 'first');
    const second = new Held(folder, 'second');
    const running = gateway.invoke('wait', first.file);
    await first.started();
    const leaving = new AbortController();
    const waiting = gateway.invoke('wait', second.file, { signal: leaving.signal });
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'client-closed', executed: 'no' });
    first.go();
    await running;
    await allFree(gateway);
    expect(second.pids).toEqual([]);
  });

  test('workers that crash over and over leave the pool whole', async () => {
    const gateway = await start(2, { crash: 'posix_kill(getmypid(), 9);', pid: PID });
    const crashes = Array.from({ length: 10 }, () => gateway.invoke('crash', null).catch((error) => error.code));
    expect(new Set(await Promise.all(crashes))).toEqual(new Set(['worker-crashed']));
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
    await until('both workers are back', () => workersOf(masterOf(gateway)).length === 2);
    expect(backendOf(gateway)).toMatchObject({ taken: 0, late: 0, up: true });
  });
});

/** Resident workers have one connection each, and no `fastcgi_finish_request()`. */
describe('php-fpm alone', () => {
  const start = starter(startGateway);

  test('a worker whose answer was too large is not given to the next call while its script goes on', async () => {
    const gateway = await start(
      1,
      {
        flood: `ignore_user_abort(true); echo str_repeat('x', 3_000_000); ob_flush(); flush(); ${WAIT}`,
        pid: PID,
      },
      { limits: { responseMaxBytes: 1024 } },
    );
    const held = new Held(openFolder(), 'a');
    await expect(gateway.invoke('flood', held.file)).rejects.toMatchObject({ code: 'response-too-large' });
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  });

  test('50 calls at once never open more connections than there are workers', async () => {
    const gateway = await start(3, { work: 'usleep(3000); return getmypid();' });
    const path = backendOf(gateway).address.replace('unix:', '');
    let most = 0;
    let running = true;
    const watching = (async () => {
      while (running) {
        const { taken, idleConnections } = backendOf(gateway);
        most = Math.max(most, connectionsTo(path), taken + idleConnections);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const pids = await Promise.all(Array.from({ length: 50 }, () => gateway.invoke('work', null)));
    running = false;
    await watching;
    expect(new Set(pids).size).toBe(3);
    expect(most).toBe(3);
  });

  test('after fastcgi_finish_request() the slot stays taken until the worker is free', async () => {
    const gateway = await start(1, { finish: `fastcgi_finish_request(); ${WAIT}`, pid: PID });
    const held = new Held(openFolder(), 'a');
    await expect(gateway.invoke('finish', held.file)).rejects.toMatchObject({ code: 'function-no-result' });
    const pid = await held.started();
    expect(backendOf(gateway).taken).toBe(1);
    const next = gateway.invoke('pid', null);
    held.go();
    expect(await next).toBe(pid);
  });

  test('work behind fastcgi_finish_request() past the time limit is stopped', async () => {
    const gateway = await start(1, { finish: [`fastcgi_finish_request(); ${WAIT}`, 'timeoutMs: 500'], pid: PID });
    const held = new Held(openFolder(), 'a');
    await expect(gateway.invoke('finish', held.file)).rejects.toMatchObject({ code: 'function-no-result' });
    const pid = await held.started();
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
  });

  test('work a shutdown function goes on with behind its answer does not swallow the next call', async () => {
    const gateway = await startGateway(
      { pools: { default: { workers: 1 } } },
      {
        project: functionsProject({
          finish: `register_shutdown_function(function () use ($input, $call) { fastcgi_finish_request(); ${WAIT} }); return 1;`,
          pid: PID,
        }),
      },
    );
    const held = new Held(openFolder(), 'a');
    expect(await gateway.invoke('finish', held.file)).toBe(1);
    const pid = await held.started();
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
  });
});
