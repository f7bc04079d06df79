/** Processes of resident workers that do not do as they are told: none is left, and none is taken for a good one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OwnedProcesses } from '../../gateway/pool/owned-processes.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive, kill } from '../support/php-processes.ts';
import { allIdle, residentOf, residentPids, restartsOf, startResident } from '../support/resident-pool.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';

test('workers whose shutdown functions hang are ended, and none is left behind the gateway', async () => {
  const folder = openFolder();
  const pids = join(folder, 'pids');
  const gateway = await startResident(
    {
      hangs: `file_put_contents('${pids}', getmypid() . "\\n", FILE_APPEND);
        register_shutdown_function(static function () { while (true) { sleep(1); } }); return 1;`,
    },
    { resident: { workers: 1, callsMax: 1 } },
  );
  for (let n = 0; n < 5; n += 1) await gateway.invoke('hangs', null);
  const seen = (): number[] => readFileSync(pids, 'utf8').trim().split('\n').map(Number);
  await until('those that were replaced are gone', () => seen().filter(isAlive).length <= 1);
  await gateway.close();
  expect(seen().filter(isAlive)).toEqual([]);
});

test('workers whose bootstrap hangs do not pile up', async () => {
  const folder = openFolder();
  const [pids, slow] = [join(folder, 'pids'), join(folder, 'slow')];
  // What it opens must not be shared: each worker loads it.
  const bootstrap = `<?php $GLOBALS['held'] = stream_socket_server('tcp://127.0.0.1:0');
    file_put_contents('${pids}', getmypid() . "\\n", FILE_APPEND);
    while (is_file('${slow}')) { usleep(1000); clearstatcache(); }`;
  const gateway = await startResident({ pid: PID }, { bootstrap, resident: { workers: 1, bootstrapTimeoutMs: 2000 } });
  const seen = (): number[] => readFileSync(pids, 'utf8').trim().split('\n').map(Number);
  const before = seen().length;
  writeFileSync(slow, '');
  kill((await gateway.invoke('pid', null)) as number, 'SIGKILL');
  await until('three were tried', () => seen().length >= before + 3);
  expect(seen().filter(isAlive).length).toBeLessThanOrEqual(2);
  await gateway.destroy();
  expect(seen().filter(isAlive)).toEqual([]);
});

test('a late worker that has a handler for SIGTERM ends all the same, and the next call has another', async () => {
  const gateway = await startResident(
    {
      late: [
        `pcntl_async_signals(true); $stop = false;
         pcntl_signal(SIGTERM, static function () use (&$stop) { $stop = true; });
         while (!$stop) { usleep(1000); } usleep(50_000); return getmypid();`,
        'timeoutMs: 300',
      ],
      pid: PID,
    },
    { resident: { workers: 1 } },
  );
  const first = await gateway.invoke('pid', null);
  await expect(gateway.invoke('late', null)).rejects.toMatchObject({ code: 'function-timeout' });
  for (let n = 0; n < 20; n += 1) expect(await gateway.invoke('pid', null)).not.toBe(first);
  expect(restartsOf(gateway)).toEqual({ stopped: 1 });
});

test('an answer that is too large costs those behind it nothing, and its worker neither', async () => {
  const gateway = await startResident(
    { large: "return str_repeat('x', $input);" },
    { resident: { workers: 1 }, limits: { responseMaxBytes: 65_536 } },
  );
  for (let n = 0; n < 5; n += 1) await gateway.invoke('large', 10);
  const [pid] = residentPids(gateway);
  const [large, ...others] = await Promise.allSettled([4_000_000, 1, 2, 3].map((n) => gateway.invoke('large', n)));
  expect(large).toMatchObject({ status: 'rejected', reason: { code: 'response-too-large', executed: 'yes' } });
  expect(others).toEqual(['x', 'xx', 'xxx'].map((value) => ({ status: 'fulfilled', value })));
  expect(residentPids(gateway)).toEqual([pid]);
});

test('a worker in reserve is replaced like any other', async () => {
  const gateway = await startResident(
    { outer: "return $call->invoke('inner');", inner: PID },
    { resident: { workers: 1, callsMax: 3 } },
  );
  const inner: unknown[] = [];
  for (let n = 0; n < 8; n += 1) inner.push(await gateway.invoke('outer', null));
  expect(new Set(inner).size).toBeGreaterThan(1);
});

test('calls that wait when everything is ended now learn of it', async () => {
  const gateway = await startResident({ wait: WAIT }, { resident: { workers: 1 } });
  await allIdle(gateway, 1);
  const held = new Held(openFolder(), 'a');
  const call = (): Promise<unknown> => gateway.invoke('wait', held.file).catch((error) => error.code as string);
  const first = call();
  await held.started();
  const calls = [first, call(), call()];
  await until('two wait', () => residentOf(gateway).functions[0]?.waiting === 2);
  await gateway.destroy();
  expect((await Promise.all(calls)).sort()).toEqual(['shutting-down', 'shutting-down', 'worker-crashed']);
});

test('a number that PHP tells is believed only when the system says so, too', () => {
  const owned = new OwnedProcesses();
  expect(owned.add(process.ppid, process.pid)).toBe(false);
  owned.endAll();
  expect(isAlive(process.ppid)).toBe(true);
});

test('one whose handler exits and whose shutdown functions hang is replaced at once, and ended', async () => {
  const gateway = await startResident(
    { exits: 'register_shutdown_function(static function () { while (true) { sleep(1); } }); exit;', pid: PID },
    { resident: { workers: 1 } },
  );
  const first = (await gateway.invoke('pid', null)) as number;
  await expect(gateway.invoke('exits', null)).rejects.toMatchObject({ code: 'function-no-result' });
  expect(await gateway.invoke('pid', null)).not.toBe(first);
  expect(restartsOf(gateway)).toEqual({ exit: 1 });
  await until('it is gone', () => !isAlive(first));
});
