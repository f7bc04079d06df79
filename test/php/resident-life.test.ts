/** Resident workers from outside: masters and gateways that are killed, workers replaced under load, the end of it all. */
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../gateway/errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { callUrl } from '../support/call.ts';
import { serve } from '../support/command.ts';
import { openFolder } from '../support/lifetime.ts';
import { groupOf, isAlive, kill } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { allIdle, residentOf, residentPids, restartsOf, startResident } from '../support/resident-pool.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';

const masterOf = (gateway: Gateway): number => residentOf(gateway).masterPid ?? 0;

describe('the master is killed', () => {
  test('running calls get their answers, and the workers it forked are replaced by those of the next: one code for all', async () => {
    const gateway = await startResident({ wait: WAIT, pid: PID });
    await allIdle(gateway);
    const [master, workers] = [masterOf(gateway), residentPids(gateway)];
    const held = new Held(openFolder(), 'a');
    const running = gateway.invoke('wait', held.file);
    const heldPid = await held.started();
    kill(master, 'SIGKILL');
    await until('all of them are replaced', () => restartsOf(gateway).master === workers.length);
    const next = (await gateway.invoke('pid', null)) as number;
    expect(workers).not.toContain(next);
    expect(groupOf(masterOf(gateway))).toContain(next);
    // It was replaced in the middle of its call, and ends it.
    expect(isAlive(heldPid)).toBe(true);
    held.go();
    expect(await running).toBe(1);
    await until('the old ones are gone', () => workers.every((pid) => !isAlive(pid)));
    expect(restartsOf(gateway)).toEqual({ master: workers.length });
  });

  test('over and over, and its workers with it: calls succeed or say honestly why not', async () => {
    const gateway = await startResident({ pid: PID });
    let ended = false;
    const killing = (async () => {
      for (let last = 0, n = 0; n < 3; n += 1) {
        await until('a master is up', () => masterOf(gateway) !== 0 && masterOf(gateway) !== last);
        last = masterOf(gateway);
        for (const pid of [last, ...groupOf(last)]) {
          try {
            kill(pid, 'SIGKILL');
          } catch {
            // It has ended.
          }
        }
      }
      ended = true;
    })();
    const outcomes = new Set<string>();
    while (!ended) {
      const outcome = await gateway.invoke('pid', null).then(
        () => 'ok',
        (error) => error.code as string,
      );
      outcomes.add(outcome);
    }
    await killing;
    const honest = ['ok', 'worker-crashed', 'pool-unavailable', 'queue-timeout'];
    expect([...outcomes].filter((outcome) => !honest.includes(outcome))).toEqual([]);
    await allIdle(gateway);
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
  });

  test('and the gateway is destroyed: workers that were busy end, too', async () => {
    const gateway = await startResident({ stuck: `file_put_contents($input, getmypid() . "\\n"); while (true);` });
    const held = new Held(openFolder(), 'a');
    const call = expect(gateway.invoke('stuck', held.file)).rejects.toMatchObject({ code: 'worker-crashed' });
    const pid = await held.started();
    const master = masterOf(gateway);
    kill(master, 'SIGKILL');
    await until('its death is seen', () => masterOf(gateway) !== master);
    await gateway.destroy();
    await call;
    await until('nothing is left', () => !isAlive(pid) && groupOf(master).length === 0);
  });
});

describe('the end', () => {
  const start = async () => {
    const runtimeDir = join(openFolder(), 'r');
    const gateway = await startResident({ wait: WAIT, pid: PID }, { runtimeDir, shutdownGraceMs: 20_000 });
    return { gateway, runtimeDir, master: masterOf(gateway), held: new Held(openFolder(), 'a') };
  };

  test('close() lets the running call finish, refuses new ones, and leaves no process and no folder', async () => {
    const { gateway, runtimeDir, master, held } = await start();
    const running = gateway.invoke('wait', held.file);
    await held.started();
    const closing = gateway.close();
    await expect(gateway.invoke('pid', null)).rejects.toMatchObject({ code: 'shutting-down', executed: 'no' });
    held.go();
    expect(await running).toBe(1);
    await closing;
    await until('all processes are gone', () => groupOf(master).length === 0);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });

  test('destroy() fails running calls at once and leaves no process and no folder', async () => {
    const { gateway, runtimeDir, master, held } = await start();
    const failed = expect(gateway.invoke('wait', held.file)).rejects.toMatchObject({ code: 'worker-crashed' });
    await held.started();
    await Promise.all([gateway.destroy(), gateway.destroy()]);
    await failed;
    await until('all processes are gone', () => groupOf(master).length === 0);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });

  test('a killed gateway leaves nothing running, busy workers included', async () => {
    const folder = openFolder();
    const project = functionsProject({ pid: [PID, "engine: 'resident'"], wait: [WAIT, "engine: 'resident'"] });
    chmodSync(project, 0o755);
    const env = {
      FPMG_RUNTIME_DIR: join(folder, 'r'),
      FPMG_POOLS__DEFAULT__RESIDENT__WORKERS: '3',
    };
    const gateway = await serve('start', project, { env });
    const held = new Held(folder, 'a');
    const cut = callUrl(gateway.url, 'wait', held.file).then(
      () => 'answered',
      () => 'cut',
    );
    const busy = await held.started();
    const before = groupOf(gateway.masterPid);
    expect(before).toHaveLength(4);
    kill(gateway.child.pid ?? 0, 'SIGKILL');
    expect(await cut).toBe('cut');
    expect(before).toContain(busy);
    await until('nothing runs', () => !before.some(isAlive));
  });
});

describe('recycling under load', () => {
  const CALLERS = 32;
  const CALLS = 2000;
  /** Each call notes its number; a file for each worker would hide calls that ran twice in different ones. */
  const NOTE = `file_put_contents($input['file'], $input['n'] . "\\n", FILE_APPEND | LOCK_EX); return [$input['n'], getmypid()];`;

  const HOLD = "static $held = ''; $held .= str_repeat('x', 50_000);";

  const load = async (gateway: Gateway): Promise<{ numbers: string[]; pids: Set<number> }> => {
    const file = join(openFolder(), 'notes');
    const pids = new Set<number>();
    let next = 0;
    const callers = Array.from({ length: CALLERS }, async () => {
      for (let n = next++; n < CALLS; n = next++) {
        const [seen, pid] = (await gateway.invoke('note', { file, n })) as [number, number];
        expect(seen).toBe(n);
        pids.add(pid);
      }
    });
    await Promise.all(callers);
    return { numbers: readFileSync(file, 'utf8').trim().split('\n'), pids };
  };

  const each = Array.from({ length: CALLS }, (_, n) => String(n)).sort();

  test.each([
    ['calls', { callsMax: 25 }, NOTE],
    ['memory', { memoryMaxBytes: 2_097_152 }, `${HOLD} ${NOTE}`],
  ] as const)('by %s: no call is lost, none runs twice', async (reason, limits, note) => {
    const gateway = await startResident({ note }, { resident: { workers: 2, ...limits } });
    const { numbers, pids } = await load(gateway);
    expect(numbers.sort()).toEqual(each);
    const restarts = restartsOf(gateway);
    expect(Object.keys(restarts)).toEqual([reason]);
    expect(restarts[reason]).toBeGreaterThan(5);
    expect(pids.size).toBeGreaterThan(5);
    await allIdle(gateway);
    // Replaced ones are gone.
    const alive = new Set(residentPids(gateway));
    await until('the others have ended', () => [...pids].every((pid) => alive.has(pid) || !isAlive(pid)));
  });

  test('by age, while nobody calls', async () => {
    const gateway = await startResident({ pid: PID }, { resident: { workers: 1, ageMaxMs: 1000 } });
    const pid = await gateway.invoke('pid', null);
    await until('it was replaced', () => (restartsOf(gateway).age ?? 0) > 0);
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
  });

  test('while workers are killed, too: what was not told to have failed ran exactly once', async () => {
    const gateway = await startResident(
      { note: NOTE },
      { resident: { workers: 3, callsMax: 40 }, defaults: { retry: { attempts: 1 } } },
    );
    const file = join(openFolder(), 'notes');
    const failed = new Map<number, string>();
    let next = 0;
    const callers = Array.from({ length: CALLERS }, async () => {
      for (let n = next++; n < CALLS; n = next++) {
        try {
          await gateway.invoke('note', { file, n });
        } catch (error) {
          expect(error).toMatchObject({ code: 'worker-crashed' });
          failed.set(n, (error as GatewayError).executed);
        }
      }
    });
    const killing = (async () => {
      for (let kills = 0; kills < 10; kills += 1) {
        const from = next;
        await until('some calls have run', () => next >= Math.min(CALLS, from + 100));
        const [pid] = residentPids(gateway);
        if (pid !== undefined && isAlive(pid)) kill(pid, 'SIGKILL');
      }
    })();
    await Promise.all([...callers, killing]);
    const times = new Map<number, number>();
    for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
      times.set(Number(line), (times.get(Number(line)) ?? 0) + 1);
    }
    for (let n = 0; n < CALLS; n += 1) {
      const executed = failed.get(n);
      if (executed === undefined) expect([n, times.get(n)]).toEqual([n, 1]);
      else expect(times.get(n) ?? 0).toBeLessThanOrEqual(executed === 'no' ? 0 : 1);
    }
    // The one that ran is all of which a death may leave nothing known.
    expect([...failed.values()].filter((executed) => executed !== 'no').length).toBeLessThanOrEqual(10);
  });
});
