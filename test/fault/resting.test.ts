/** A call that only waits for another one burns no CPU: what it took is for others, and is given back once, whatever ends first. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Slot } from '../../gateway/pool/backend.ts';
import { Cores } from '../../gateway/pool/cores.ts';
import { LINE_MAX_MS } from '../../gateway/pool/workload.ts';
import { runOn, type SlotCall, startBackend, workloadOf } from '../support/backends.ts';
import { openFolder } from '../support/lifetime.ts';
import { atOnce } from '../support/pipelined.ts';
import { rawFpm } from '../support/raw-fpm.ts';

/** Short, and half of its time it computes. */
const HALF = { workload: workloadOf({ wallMs: 0.1, cpuMs: 0.05 }), mayShare: true, awaited: false };

const start = async () => {
  const folder = openFolder();
  const file = join(folder, 'script.php');
  writeFileSync(
    file,
    "<?php while (isset($_GET['hold']) && !is_file(__DIR__ . '/go')) { usleep(1000); clearstatcache(); } echo 1;",
  );
  await rawFpm(folder, [join(folder, 'fpm.sock')], 1);
  const cores = new Cores(2);
  const seen: (() => void)[] = [];
  const backend = startBackend(
    { kind: 'unix', path: join(folder, 'fpm.sock') },
    { cores, onFree: () => seen.shift()?.() },
  );
  await backend.probe();
  const call = (query: string): SlotCall => ({
    params: [
      ['REQUEST_METHOD', 'GET'],
      ['SCRIPT_FILENAME', file],
      ['QUERY_STRING', query],
    ],
  });
  return {
    backend,
    cores,
    call,
    whenFree: (look: () => void) => void seen.push(look),
    go: () => writeFileSync(join(folder, 'go'), ''),
  };
};

test('once for each time it rests, and for good when it ends resting', async () => {
  const { backend, cores } = await start();
  const slot = backend.take(HALF, () => {});
  const wanted: number[] = [];
  for (const step of ['rest', 'rest', 'resume', 'resume', 'rest'] as const) {
    slot[step]();
    wanted.push(cores.wanted);
  }
  expect(wanted).toEqual([0, 0, 0.5, 0.5, 0]);
  slot.release(false);
  expect(cores.wanted).toBe(0);
});

test('others hear of it at once', async () => {
  const { backend, cores } = await start();
  let heard = 0;
  cores.onFreed(() => (heard += 1));
  backend.take(HALF, () => {}).rest();
  expect(heard).toBe(1);
});

test('what stands behind a call that rests takes the CPU when its turn comes', async () => {
  const { backend, cores, call, whenFree, go } = await start();
  const [first, second, answers] = atOnce(() => {
    const ahead = backend.take(HALF, () => {});
    const behind = backend.takeBehind(HALF, LINE_MAX_MS, () => {}) as Slot;
    return [ahead, behind, [runOn(ahead, call('hold')), runOn(behind, call(''))]] as const;
  });
  expect([first.isBehind, second.isBehind]).toEqual([false, true]);
  first.rest();
  expect(cores.wanted).toBe(0);
  expect(atOnce(() => backend.takeBehind(HALF, LINE_MAX_MS, () => {}))).toBeUndefined();
  const then: unknown[] = [];
  whenFree(() => then.push(second.isBehind, cores.wanted));
  whenFree(() => then.push(cores.wanted));
  go();
  await Promise.all(answers);
  expect(then).toEqual([false, 0.5, 0]);
});
