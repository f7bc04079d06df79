/** Calls that were written ahead to a resident worker, behind one that runs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

/** Notes that it runs; holds where it is told to. */
const BODY = `
  file_put_contents($input['notes'], $input['name'] . ' ' . getmypid() . "\\n", FILE_APPEND);
  while (isset($input['hold']) && !is_file($input['hold'])) { usleep(1000); clearstatcache(); }
  return $input['name'];`;

interface Started {
  readonly gateway: Gateway;
  readonly call: (
    name: string,
    options?: { hold?: true; signal?: AbortSignal; timeoutMs?: number },
  ) => Promise<unknown>;
  readonly go: () => void;
  /** Names of those that have begun. */
  readonly begun: () => string[];
  readonly pidOf: (name: string) => number;
  readonly behind: () => number;
}

/** Known to be short, so that calls stand behind each other. */
const start = async (workers: number): Promise<Started> => {
  const folder = openFolder();
  const [notes, go] = [join(folder, 'notes'), join(folder, 'go')];
  const project = functionsProject({ work: [BODY, "engine: 'resident', timeoutMs: 20_000"] });
  const gateway = await startGateway({ pools: { default: { resident: { workers } } } }, { project });
  const call: Started['call'] = (name, { hold, ...options } = {}) =>
    gateway.invoke('work', { name, notes, ...(hold && { hold: go }) }, options);
  for (let n = 0; n < 5; n += 1) await call('warm');
  const lines = (): string[] => (existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : []);
  return {
    gateway,
    call,
    go: () => writeFileSync(go, ''),
    begun: () => lines().flatMap((line) => (line.startsWith('warm') ? [] : [line.split(' ')[0] ?? ''])),
    pidOf: (name) =>
      Number(
        lines()
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      ),
    behind: () => gateway.pools()[0]?.backends[0]?.behind ?? 0,
  };
};

/** One that holds its worker, and two behind it. */
const inLine = async (started: Started, signal: AbortSignal | undefined, timeoutMs: number | undefined) => {
  const first = started.call('first', { hold: true });
  const second = started.call('second', { ...(signal && { signal }), ...(timeoutMs && { timeoutMs }) });
  const third = started.call('third');
  second.catch(() => {});
  await until('two stand behind the first', () => started.behind() === 2 && started.begun().includes('first'));
  return { first, second, third };
};

test('one whose caller leaves is left out, the others run', async () => {
  const started = await start(1);
  const leaving = new AbortController();
  const { first, second, third } = await inLine(started, leaving.signal, undefined);
  leaving.abort();
  await expect(second).rejects.toMatchObject({ code: 'client-closed' });
  started.go();
  expect(await Promise.all([first, third])).toEqual(['first', 'third']);
  expect(started.begun()).toEqual(['first', 'third']);
});

test('one whose deadline passes is left out, the others run', async () => {
  const started = await start(1);
  const { first, second, third } = await inLine(started, undefined, 300);
  await expect(second).rejects.toMatchObject({ code: 'deadline-exceeded' });
  started.go();
  expect(await Promise.all([first, third])).toEqual(['first', 'third']);
  expect(started.begun()).toEqual(['first', 'third']);
});

test('when their worker dies they move to another: the first is lost, the others run once', async () => {
  const started = await start(1);
  const { first, second, third } = await inLine(started, undefined, undefined);
  first.catch(() => {});
  process.kill(started.pidOf('first'), 'SIGKILL');
  await expect(first).rejects.toMatchObject({ code: 'worker-crashed', executed: 'unknown' });
  expect(await Promise.all([second, third])).toEqual(['second', 'third']);
  expect(started.begun().sort()).toEqual(['first', 'second', 'third']);
  expect(started.pidOf('second')).not.toBe(started.pidOf('first'));
});
