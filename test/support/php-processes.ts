/** What tests see of php-fpm from outside: its processes and its sockets. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Gateway } from '../../gateway/gateway.ts';

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

/** The pool's, where it has workers of one engine; else those of the one that is named. */
export const backendOf = (gateway: Gateway, engine = gateway.pools()[0]?.engine) => {
  const backend = gateway.pools().find((pool) => pool.engine === engine)?.backends[0];
  if (backend === undefined) throw new Error('The pool has no backend now.');
  return backend;
};

export const kill = (pid: number, signal: NodeJS.Signals): void => {
  // 0 and below would mean whole groups, our own included.
  if (pid > 1) process.kill(pid, signal);
};

/** Kills a master with its workers. */
export const endGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined && pid > 1) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
};
