/** PHP ends with its gateway, however that dies; while it lives, also stopped, nothing of it is ended. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../../gateway/log.ts';
import { Guard } from '../../gateway/pool/guard.ts';
import { phpProcesses } from '../../gateway/pool/instance-dir.ts';
import { callUrl } from '../support/call.ts';
import { type ServingCommand, serve } from '../support/command.ts';
import { openFolder, temporaryFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { Gate, Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

const allPids = (): number[] => readdirSync('/proc').map(Number).filter(Number.isInteger);

const guardsOf = (instance: string): number[] =>
  allPids().filter((pid) => commandLine(pid).includes(`guard.sh ${instance}`) && isAlive(pid));

interface Running {
  readonly cli: ServingCommand;
  readonly gate: Gate;
  readonly instance: string;
  readonly spoolDir: string;
  /** Its PHP, by title. */
  readonly php: () => number[];
  readonly answers: Promise<number>[];
}

/** A gateway with a running call in a worker of each kind, and a program that one of them has started. */
const running = async (): Promise<Running> => {
  const [gate, runs] = [new Gate(), new Runs()];
  const wait = runs.marking(`${gate.waiting} return 'done';`);
  const project = functionsProject({
    'wait-fpm': runs.marking(`proc_open(['sleep', '1000'], [], $pipes); ${gate.waiting} return 'done';`),
    'wait-resident': [wait, "engine: 'resident'"],
    'wait-concurrent': [wait, "engine: 'resident', concurrency: 4"],
  });
  const [runtimeDir, spoolDir] = [temporaryFolder(), openFolder()];
  const env = { FPMG_RUNTIME_DIR: runtimeDir, FPMG_SPOOL_DIR: spoolDir };
  const cli = await serve('start', project, { env });
  const [instance = ''] = readdirSync(runtimeDir);
  const names = ['wait-fpm', 'wait-resident', 'wait-concurrent'];
  const answers = names.map(async (name) => (await callUrl(cli.url, name, null)).status);
  for (const answer of answers) answer.catch(() => {});
  await until('all run', () => runs.count === 3);
  const php = (): number[] => phpProcesses((title) => title.includes(instance));
  return { cli, gate, instance, spoolDir, php, answers };
};

test('a gateway that is killed takes its PHP of all engines with it, running calls and their programs included', async () => {
  const { cli, instance, spoolDir, php } = await running();
  const sleeping = allPids().filter((pid) => commandLine(pid).startsWith('sleep 1000'));
  expect(php().length).toBeGreaterThanOrEqual(6);
  cli.child.kill('SIGKILL');
  await until('no PHP is left', () => php().length === 0);
  await until('the guard has ended', () => guardsOf(instance).length === 0);
  await until('nor a program of theirs', () => !sleeping.some(isAlive));
  // The next gateway's business.
  expect(readdirSync(spoolDir)).toEqual([`fpm-gateway-${instance}`]);
});

test('a gateway that is stopped is not dead: its calls run on, and are answered when it goes on', async () => {
  const { cli, gate, instance, php, answers } = await running();
  const before = php();
  cli.child.kill('SIGSTOP');
  await until('it is stopped', () => / T /.test(readFileSync(`/proc/${cli.child.pid}/stat`, 'utf8')));
  gate.open();
  expect(guardsOf(instance)).toHaveLength(1);
  cli.child.kill('SIGCONT');
  expect(await Promise.all(answers)).toEqual([200, 200, 200]);
  expect(before.every(isAlive)).toBe(true);
});

test('what ends a whole terminal or unit leaves the guard until the gateway has ended', async () => {
  const { cli, gate, instance, php, answers } = await running();
  const [guard = 0] = guardsOf(instance);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(guard, signal);
  cli.child.kill('SIGTERM');
  await until('it stops', () => cli.events().some(({ msg }) => String(msg).startsWith('stopping')));
  expect(guardsOf(instance)).toEqual([guard]);
  gate.open();
  expect(await Promise.all(answers)).toEqual([200, 200, 200]);
  expect(await cli.exit).toBe(0);
  await until('the guard is gone', () => guardsOf(instance).length === 0);
  expect(php()).toEqual([]);
});

test('a guard that is killed is replaced', async () => {
  const instance = '1-1-abcdef';
  const guard = new Guard(instance, silentLog);
  const first = guard.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await until('another is there', () => guard.pid !== undefined && guard.pid !== first);
  guard.close();
  await until('it has ended', () => guardsOf(instance).length === 0);
});

test('a pid that is another process by now is left alone', async () => {
  const instance = '2-2-abcdef';
  const guard = new Guard(instance, silentLog);
  guard.add(process.ppid);
  const { pid = 0 } = guard;
  guard.abandon();
  await until('it has looked', () => !isAlive(pid));
  expect(isAlive(process.ppid)).toBe(true);
});

test('a guard takes less than 2 MB', async () => {
  const guard = new Guard('3-3-abcdef', silentLog);
  await until('it runs', () => commandLine(guard.pid ?? 0).includes('guard.sh'));
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(join('/proc', String(guard.pid), 'status'), 'utf8'))?.[1];
  expect(Number(rss)).toBeLessThan(2048);
  guard.close();
});
