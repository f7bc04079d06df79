/**
 * The private folder of one running gateway: sockets, rendered FPM configs, staged code. Its name tells its owner's
 * process, so a later gateway finds what a crashed one left behind (FPM masters and workers outlive their parent)
 * and cleans it up.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskProblem, errnoOf } from '../disk.ts';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { Guard } from './guard.ts';

export interface InstanceDir {
  readonly path: string;
  /** 0700: whoever reaches a socket in it owns the pool. */
  readonly sockets: string;
  /** On disk, for files that wait; made with the first of them. Its owner is the gateway; others may pass through. */
  readonly spool: string;
  /** Unique on this machine; part of the FPM process titles. */
  readonly id: string;
  /** Ends its PHP should the gateway die. */
  readonly guard: Guard;
  /** Makes its folders anew, should somebody have removed them. Throws what the system says. */
  restore(): void;
  remove(): void;
}

const SPOOL_PREFIX = 'fpm-gateway-';
/** In an instance's name, where the system does not tell when a process began. */
const NO_TICKS = '0';

export const isRoot = (): boolean => process.getuid?.() === 0;

const defaultBase = (): string => {
  if (isRoot()) return '/run/fpm-gateway';
  const personal = process.env.XDG_RUNTIME_DIR;
  return personal ? join(personal, 'fpm-gateway') : join(tmpdir(), `fpm-gateway-${process.getuid?.() ?? 'user'}`);
};

export interface ProcessFacts {
  readonly parent: number;
  /** When it began: tells it from a later process with the same pid. */
  readonly ticks: string;
  /** It has ended, and its parent has not asked how. */
  readonly isZombie: boolean;
  /** By SIGSTOP or a terminal; a debugger's stop is not meant. */
  readonly isStopped: boolean;
  readonly group: number;
}

/** From /proc/<pid>/stat. Undefined: it is gone, or the system does not tell. */
export const processFacts = (pid: number): ProcessFacts | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent, group, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      isZombie: state === 'Z',
      isStopped: state === 'T',
      parent: Number(parent),
      group: Number(group),
      ticks: fields[16] ?? '',
    };
  } catch {
    return undefined;
  }
};

/** Undefined if it is gone, or has ended in a container where nobody asks how its processes did. */
export const startTicks = (pid: number): string | undefined => {
  const facts = processFacts(pid);
  return facts?.isZombie ? undefined : facts?.ticks;
};

/** The living processes of a group, whose leader may have ended. */
export const processGroup = (leader: number): number[] =>
  allPids()
    .map(Number)
    .filter((pid) => {
      const facts = processFacts(pid);
      return facts?.group === leader && !facts.isZombie;
    });

/** The temporary folder is everybody's: a folder somebody else made there must not receive our sockets. */
const openBase = (base: string): void => {
  try {
    mkdirSync(base, { recursive: true, mode: 0o711 });
    const stat = lstatSync(base);
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
      throw new Error(`it belongs to another user (uid ${stat.uid}) or is no folder`);
    }
    chmodSync(base, isRoot() ? 0o711 : 0o700);
  } catch (error) {
    throw diskProblem('runtimeDir', `The runtime folder ${base} cannot be used`, error);
  }
};

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

const allPids = (): string[] => {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
};

/**
 * PHP processes by title: `php-fpm: master process (<config file>)`, `php-fpm: pool <name>@<instance id>`, and resident
 * ones: `fpm-gateway: pool <name>@<instance id>`.
 */
export const phpProcesses = (matches: (title: string) => boolean): number[] => {
  return allPids()
    .filter((pid) => {
      const title = commandLine(pid);
      return /^(?:php-fpm|fpm-gateway): /.test(title) && matches(title);
    })
    .map(Number);
};

const signalAll = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
};

/** The process that made a folder of this name; without /proc its number is all there is. */
const isAlive = (pid: number, ticks: string): boolean => {
  if (ticks !== NO_TICKS) return startTicks(pid) === ticks;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
};

/** Instances in a folder whose gateway is gone. */
const orphansIn = (base: string, prefix: string): string[] =>
  readdirSync(base).filter((name) => {
    if (!name.startsWith(prefix)) return false;
    const [, pid, ticks] = /^(\d+)-(\d+)-[0-9a-f]{6}$/.exec(name.slice(prefix.length)) ?? [];
    return pid !== undefined && ticks !== undefined && !isAlive(Number(pid), ticks);
  });

const sweepSpools = (base: string, log: Log): void => {
  for (const name of orphansIn(base, SPOOL_PREFIX)) {
    const path = join(base, name);
    // The folder is everybody's: what another user made there is left alone.
    if (lstatSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.()) removeFolder(path, log);
  }
};

const sweep = (base: string, log: Log): void => {
  for (const name of orphansIn(base, '')) {
    const path = join(base, name);
    const orphans = phpProcesses((title) => title.includes(`(${path}/`) || title.includes(`@${name}`));
    // A master told to end politely may wait for its workers; nobody is left who could call them.
    signalAll(orphans, 'SIGKILL');
    removeFolder(path, log);
    log.warn({ path, orphans }, 'cleaned up after a gateway that had crashed');
  }
};

/** Not the runtime folder: that is memory on most systems. */
const defaultSpoolBase = (): string => (existsSync('/var/tmp') ? '/var/tmp' : tmpdir());

const makeSpool = (base: string, id: string, log: Log): string => {
  const path = join(base, `${SPOOL_PREFIX}${id}`);
  try {
    sweepSpools(base, log);
    mkdirSync(path, { mode: 0o711 });
    return path;
  } catch (error) {
    throw diskProblem('spoolDir', `The folder ${base} cannot hold waiting files`, error);
  }
};

const makeFolders = (path: string, sockets: string): void => {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  mkdirSync(sockets, { recursive: true, mode: 0o700 });
};

/** What cannot be removed (read-only by now) is left to the next start: it is no reason not to start, or not to end. */
const removeFolder = (path: string, log: Log): void => {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    log.warn({ path, err: error }, 'a folder cannot be removed: the next start tries again');
  }
};

export const openInstanceDir = (
  runtimeDir: string | undefined,
  spoolDir: string | undefined,
  log: Log,
): InstanceDir => {
  const base = runtimeDir ?? defaultBase();
  openBase(base);
  sweep(base, log);
  const id = `${process.pid}-${startTicks(process.pid) ?? NO_TICKS}-${randomBytes(3).toString('hex')}`;
  const spool = makeSpool(spoolDir ?? defaultSpoolBase(), id, log);
  const path = join(base, id);
  const sockets = join(path, 's');
  try {
    makeFolders(path, sockets);
  } catch (error) {
    for (const folder of [path, spool]) removeFolder(folder, log);
    throw diskProblem('runtimeDir', `The folder ${path} cannot be made`, error);
  }
  const guard = new Guard(id, log);
  const remove = (): void => {
    guard.close();
    for (const folder of [path, spool]) removeFolder(folder, log);
  };
  const restore = (): void => makeFolders(path, sockets);
  return { path, sockets, spool, id, guard, restore, remove };
};

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Asking for one pool after the other at each reload kept the event loop for most of a second. */
const knownUsers = new Map<string, UserIds>();

/** Looks a user up as the system does, directory services included. Undefined if there is none. */
export const lookUpUser = (user: string): UserIds | undefined => {
  const known = knownUsers.get(user);
  if (known !== undefined) return known;
  try {
    const ask = (flag: string): number =>
      Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    const ids = { uid: ask('-u'), gid: ask('-g') };
    knownUsers.set(user, ids);
    return ids;
  } catch (error) {
    // It ran and knew no such user; anything else (too many open files) must not look like that.
    if (typeof (error as { status?: unknown }).status === 'number') return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new StartupError([{ file: 'id', detail: `The user ${user} cannot be looked up: ${why}.` }], { cause: error });
  }
};
