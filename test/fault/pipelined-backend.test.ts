/** Calls in line on the workers of somebody's php-fpm, which ends them by rules of its own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Address, parseAddress } from '../../gateway/address.ts';
import type { SerialBackend } from '../../gateway/pool/backend.ts';
import { Cores } from '../../gateway/pool/cores.ts';
import { LINE_MAX_MS } from '../../gateway/pool/workload.ts';
import { inLine, runOn, type SlotCall, shortWork, startBackend, workloadOf } from '../support/backends.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive, kill } from '../support/php-processes.ts';
import { rawFpm } from '../support/raw-fpm.ts';
import { until } from '../support/until.ts';

/** Notes that it begins, holds where it is told to, notes that it ends. */
const SCRIPT = `<?php
  $n = $_GET['n'];
  $note = fn ($what) => file_put_contents(__DIR__ . '/notes', "$what $n " . getmypid() . "\\n", FILE_APPEND | LOCK_EX);
  $note('begin');
  if (isset($_GET['finish'])) fastcgi_finish_request();
  while (isset($_GET['hold']) && !is_file(__DIR__ . '/go')) { usleep(1000); clearstatcache(); }
  $note('end');
  echo $n;`;

const addressOf = (text: string): Address => parseAddress(text) ?? { kind: 'unix', path: text };

interface Started {
  readonly backend: SerialBackend;
  readonly master: number;
  readonly call: (n: string, query?: string) => SlotCall;
  readonly begun: () => string[];
  /** Resolves with the pid of its worker. */
  readonly begins: (n: string) => Promise<number>;
  readonly go: () => void;
}

const start = async (options: { global?: string[]; pool?: string[] } = {}): Promise<Started> => {
  const folder = openFolder();
  const [file, notes, path] = [join(folder, 'script.php'), join(folder, 'notes'), join(folder, 'fpm.sock')];
  writeFileSync(file, SCRIPT);
  const { pid = 0 } = await rawFpm(folder, [path], 1, options);
  const backend = startBackend({ kind: 'unix', path });
  const lines = (): string[] => (existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').filter(Boolean) : []);
  const begun = (): string[][] =>
    lines()
      .map((line) => line.split(' '))
      .filter(([what]) => what === 'begin');
  await backend.probe();
  return {
    backend,
    master: pid,
    call: (n, query = '') => ({
      params: [
        ['REQUEST_METHOD', 'GET'],
        ['SCRIPT_FILENAME', file],
        ['QUERY_STRING', `n=${n}&${query}`],
      ],
    }),
    begun: () => begun().map(([, n = '']) => n),
    begins: async (n) => {
      const found = (): string[] | undefined => begun().find(([, its]) => its === n);
      await until(`${n} begins`, () => found() !== undefined);
      return Number(found()?.[2]);
    },
    go: () => writeFileSync(join(folder, 'go'), ''),
  };
};

const NO = { code: 'worker-crashed', executed: 'no', body: '' };
const ok = (body: string) => ({ code: 'ok', executed: 'yes', body });

/** On a worker of their own each, one after the other. */
const again = async ({ backend }: Started, calls: readonly SlotCall[]): Promise<string[]> => {
  const bodies: string[] = [];
  for (const call of calls) {
    const slot = backend.take({ workload: shortWork(), mayShare: false, awaited: false }, () => {});
    bodies.push((await runOn(slot, call)).body);
  }
  return bodies;
};

const allFree = async ({ backend }: Started): Promise<void> =>
  await until('all places are free', () => backend.status.taken === 0 && backend.status.behind === 0);

test('pm.max_requests: those behind the last one were not executed, and run once elsewhere', async () => {
  // The first of the three is the gateway's own.
  const started = await start({ pool: ['pm.max_requests = 3'] });
  const { backend, call } = started;
  const calls = ['a', 'b', 'c', 'd'].map((n) => call(n));
  expect(await Promise.all(inLine(backend, calls))).toEqual([ok('a'), ok('b'), NO, NO]);
  expect(started.begun()).toEqual(['a', 'b']);
  await allFree(started);
  expect(await again(started, calls.slice(2))).toEqual(['c', 'd']);
  expect(started.begun()).toEqual(['a', 'b', 'c', 'd']);
});

test.each(['SIGUSR2', 'SIGQUIT', 'SIGTERM'] as const)(
  '%s to a master that does not wait: the first was executed, those behind were not',
  async (signal) => {
    const started = await start();
    const { backend, call, master } = started;
    const told = inLine(backend, [call('a', 'hold'), call('b'), call('c')]);
    const worker = await started.begins('a');
    kill(master, signal);
    expect(await Promise.all(told)).toEqual([{ ...NO, executed: 'yes' }, NO, NO]);
    await until('the worker has ended', () => !isAlive(worker));
    expect(started.begun()).toEqual(['a']);
    await allFree(started);
  },
);

test('a reload that waits for the first: it is answered, those behind ran once or were not executed', async () => {
  const started = await start({ global: ['process_control_timeout = 600s'] });
  const { backend, call, master } = started;
  const told = inLine(backend, [call('a', 'hold'), call('b'), call('c')]);
  const worker = await started.begins('a');
  kill(master, 'SIGUSR2');
  started.go();
  const [first, ...others] = await Promise.all(told);
  expect(first).toEqual(ok('a'));
  for (const [at, outcome] of others.entries()) {
    const n = ['b', 'c'][at] ?? '';
    expect(outcome).toEqual(started.begun().includes(n) ? ok(n) : NO);
  }
  // Its connection would hold up the reload.
  backend.destroy();
  await until('the worker has ended', () => !isAlive(worker));
  expect(new Set(started.begun()).size).toBe(started.begun().length);
});

test('the master is killed: its worker serves those in line', async () => {
  const started = await start();
  const { backend, call, master } = started;
  const told = inLine(backend, [call('a', 'hold'), call('b'), call('c')]);
  const worker = await started.begins('a');
  kill(master, 'SIGKILL');
  await until('the master has ended', () => !isAlive(master));
  started.go();
  expect(await Promise.all(told)).toEqual([ok('a'), ok('b'), ok('c')]);
  expect(started.begun()).toEqual(['a', 'b', 'c']);
  backend.destroy();
  kill(worker, 'SIGKILL');
});

test('killed while it works on behind its answer: the first has its answer, those behind were not executed', async () => {
  const started = await start();
  const { backend, call } = started;
  const told = inLine(backend, [{ ...call('a', 'finish&hold'), doubtful: true }, call('b'), call('c')]);
  const worker = await started.begins('a');
  expect(await told[0]).toEqual(ok(''));
  kill(worker, 'SIGKILL');
  expect(await Promise.all(told.slice(1))).toEqual([NO, NO]);
  expect(started.begun()).toEqual(['a']);
  await allFree(started);
});

test('a worker that works on behind its answer is given to nobody and kept from those who would stand behind', async () => {
  const started = await start();
  const { backend, call } = started;
  const [told] = inLine(backend, [{ ...call('a', 'finish&hold'), doubtful: true }]);
  await told;
  expect(
    backend.takeBehind({ workload: shortWork(), mayShare: true, awaited: false }, LINE_MAX_MS, () => {}),
  ).toBeUndefined();
  expect(backend.free).toBe(0);
  started.go();
  await allFree(started);
});

test('the second is late to begin behind such a worker: it is ended, and those behind were not executed', async () => {
  const started = await start();
  const backend = startBackend(addressOf(started.backend.options.address), { connectTimeoutMs: 3000 });
  started.backend.destroy();
  await backend.probe();
  const { call } = started;
  const told = inLine(backend, [{ ...call('a', 'finish&hold'), doubtful: true }, call('b'), call('c')]);
  const worker = await started.begins('a');
  expect(await Promise.all(told)).toEqual([ok(''), NO, NO]);
  await until('the worker has ended', () => !isAlive(worker));
  expect(started.begun()).toEqual(['a']);
});

test('a worker that cannot be connected gives back its place and what it wanted of the CPU', async () => {
  const cores = new Cores(2);
  const backend = startBackend({ kind: 'unix', path: '/nowhere/fpm.sock' }, { cores });
  const workload = workloadOf({ wallMs: 1, cpuMs: 0.5 });
  const slot = backend.take({ workload, mayShare: true, awaited: false }, () => {});
  expect(cores.wanted).toBeCloseTo(0.5, 9);
  expect(await runOn(slot, { params: [] })).toMatchObject({ code: 'pool-unavailable', executed: 'no' });
  expect([cores.wanted, backend.status.taken]).toEqual([0, 0]);
});
