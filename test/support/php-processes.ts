/** What tests see of php-fpm from outside: its processes, its sockets, and handlers that wait to be told. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { until } from './project.ts';

/** A folder everybody may write to; handlers run as www-data. Short, for sockets. */
export const openFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'g-'));
  chmodSync(folder, 0o777);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Handler body: writes its pid to the file named by `$input`, and returns the attempt once `<file>.go` is there. */
export const WAIT = `
  file_put_contents($input, getmypid() . "\\n", FILE_APPEND);
  while (!is_file($input . '.go')) { usleep(1000); clearstatcache(); }
  return $call->attempt;`;

export class Held {
  readonly file: string;

  constructor(folder: string, name: string) {
    this.file = join(folder, name);
  }

  /** The pids of the attempts so far. */
  get pids(): number[] {
    return existsSync(this.file) ? readFileSync(this.file, 'utf8').split('\n').filter(Boolean).map(Number) : [];
  }

  /** Resolves with the pid of the latest attempt once there are that many. */
  async started(attempts = 1): Promise<number> {
    await until(`attempt ${attempts} of ${this.file} starts`, () => this.pids.length >= attempts);
    return this.pids.at(-1) ?? 0;
  }

  go(): void {
    writeFileSync(`${this.file}.go`, '');
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    // A zombie has ended: only its parent has not looked yet.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** The living processes of a master's process group, itself included. */
export const groupOf = (master: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(group) === master && state !== 'Z' && state !== 'X';
      } catch {
        return false;
      }
    })
    .map(Number);

export const workersOf = (master: number): number[] => groupOf(master).filter((pid) => pid !== master);

/** Sockets connected to a listener's path, accepted or not. */
export const connectionsTo = (path: string): number =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[7] === path && fields[5] === '03').length;

export const masterOf = (gateway: Gateway, pool = 'default'): number =>
  gateway.pools().find(({ name }) => name === pool)?.masterPid ?? 0;

export const backendOf = (gateway: Gateway) => {
  const backend = gateway.pools()[0]?.backends[0];
  if (backend === undefined) throw new Error('The pool has no backend now.');
  return backend;
};

export const kill = (pid: number, signal: NodeJS.Signals): void => {
  // 0 and below would mean whole groups, our own included.
  if (pid > 1) process.kill(pid, signal);
};

/** A php-fpm of somebody else's, for attached pools: one worker set per listen address. */
export const rawFpm = async (folder: string, listen: readonly string[], workers: number): Promise<ChildProcess> => {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'raw.conf');
  const pools = listen.map((address, at) =>
    [
      `[raw${at}]`,
      'user = www-data',
      'group = www-data',
      `listen = ${address}`,
      'listen.mode = 0666',
      'pm = static',
      `pm.max_children = ${workers}`,
    ].join('\n'),
  );
  writeFileSync(config, `[global]\ndaemonize = no\nerror_log = /dev/null\n${pools.join('\n')}\n`);
  const args = ['--nodaemonize', '--force-stderr', '--fpm-config', config];
  const child = spawn(findPhpFpm(undefined), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (data) => {
    said += String(data);
  });
  onTestFinished(() => endGroup(child.pid));
  await until('the raw php-fpm is ready', () => {
    if (child.exitCode !== null) throw new Error(`php-fpm ended: ${said}`);
    return said.includes('ready to handle connections');
  });
  return child;
};

export const endGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined && pid > 1) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
};
