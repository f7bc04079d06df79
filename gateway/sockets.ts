/**
 * Listening sockets that another process made: systemd (`LISTEN_FDS`, as sd_listen_fds(3) describes it), or the gateway
 * whose place this one takes.
 */
import { fstatSync, readFileSync } from 'node:fs';
import type { Inherited } from './http/listen.ts';
import type { Log } from './log.ts';
import { StartupError, type StartupProblem } from './startup.ts';

export const SOCKET_NAMES = ['http', 'admin', 'internal'] as const;
export type SocketName = (typeof SOCKET_NAMES)[number];

export interface InheritedSocket extends Inherited {
  readonly name: SocketName;
}

export type InheritedSockets = ReadonlyMap<SocketName, InheritedSocket>;

type Env = Readonly<Record<string, string | undefined>>;

export const FIRST_FD = 3;
const LISTEN_VARIABLES = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'];
/** A process cannot be told its own pid before it is there, as LISTEN_PID would have it: the parent's stands here. */
const HANDOVER_VARIABLE = 'FPM_GATEWAY_HANDOVER';

interface Handover {
  readonly parent: number;
  readonly sockets: readonly InheritedSocket[];
}

const isName = (text: string): text is SocketName => SOCKET_NAMES.some((name) => name === text);

const KNOWN = SOCKET_NAMES.join(', ');

interface Passed {
  readonly sockets: readonly InheritedSocket[];
  readonly problems: StartupProblem[];
}

/** What systemd passes, before the descriptors themselves are looked at. Pure. */
export const passedSockets = (env: Env): Passed => {
  const problems: StartupProblem[] = [];
  const sockets = new Map<SocketName, InheritedSocket>();
  const { LISTEN_FDS: count = '', LISTEN_FDNAMES: names } = env;
  if (!/^[1-9]\d?$/.test(count)) {
    const detail = `It is ${JSON.stringify(count)}, but the number of sockets has to be 1 to ${SOCKET_NAMES.length}: one for each of ${KNOWN}.`;
    return { sockets: [], problems: [{ file: 'LISTEN_FDS', detail }] };
  }
  const said = names === undefined || names === '' ? [] : names.split(':');
  if (said.length > 0 && said.length !== Number(count)) {
    const detail = `It has ${said.length} names, but LISTEN_FDS says ${count} sockets: name each, as ${SOCKET_NAMES.join(':')}.`;
    return { sockets: [], problems: [{ file: 'LISTEN_FDNAMES', detail }] };
  }
  for (let at = 0; at < Number(count); at += 1) {
    const fd = FIRST_FD + at;
    const name = said[at] ?? 'unknown';
    // systemd names a socket after its unit where FileDescriptorName= is not set, or `unknown`.
    const meant = Number(count) === 1 && !isName(name) ? 'http' : name;
    if (!isName(meant)) {
      const detail = `The socket ${fd} has the name ${JSON.stringify(name)}; known: ${KNOWN}. Set FileDescriptorName= in its .socket unit.`;
      problems.push({ file: 'LISTEN_FDNAMES', detail });
    } else if (sockets.has(meant)) {
      const detail = `Two sockets have the name ${meant}; the gateway listens on one of each. Take one ListenStream= out.`;
      problems.push({ file: 'LISTEN_FDNAMES', detail });
    } else {
      sockets.set(meant, { name: meant, fd, owned: false });
    }
  }
  return { sockets: [...sockets.values()], problems };
};

/** Where a unix socket lies; undefined for others, and where the system does not tell. */
const pathOf = (inode: number): string | undefined => {
  try {
    // Num RefCount Protocol Flags Type St Inode Path
    const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
    const path = lines.map((line) => line.trim().split(/\s+/)).find((fields) => Number(fields[6]) === inode)?.[7];
    return path?.startsWith('/') ? path : undefined;
  } catch {
    return undefined;
  }
};

const lookAt = (
  socket: InheritedSocket,
  variable: string,
): { found: InheritedSocket } | { problem: StartupProblem } => {
  const { fd, name } = socket;
  try {
    const stat = fstatSync(fd);
    if (stat.isSocket()) return { found: { ...socket, path: socket.path ?? pathOf(stat.ino) } };
    const detail = `The descriptor ${fd} (${name}) is no socket: pass one that listens.`;
    return { problem: { file: variable, detail } };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    const detail = `The descriptor ${fd} (${name}) is not open here (${why}): pass it on as it is, ${FIRST_FD} for the first.`;
    return { problem: { file: variable, detail } };
  }
};

const handedOver = (env: Env, parent: number): readonly InheritedSocket[] | undefined => {
  const text = env[HANDOVER_VARIABLE];
  if (text === undefined) return undefined;
  const handover = JSON.parse(text) as Handover;
  // Of another process, further up.
  return handover.parent === parent ? handover.sockets : undefined;
};

const passedTo = (env: Env, pid: number, log: Log): Passed => {
  const { LISTEN_FDS: count, LISTEN_PID: meant } = env;
  if (count === undefined) return { sockets: [], problems: [] };
  if (meant === String(pid)) return passedSockets(env);
  // Others may have left the variables in the environment of their children.
  log.warn({ pid, listenPid: meant }, 'LISTEN_FDS is for another process: have systemd start node itself, not npm');
  return { sockets: [], problems: [] };
};

/** Whether this process was started to take its parent's place. */
export const takesOver = (env: Env, ppid: number): boolean => handedOver(env, ppid) !== undefined;

/** Throws StartupError with everything that is wrong. Empty: there are none. */
export const inheritedSockets = (
  env: Env,
  { pid, ppid }: { readonly pid: number; readonly ppid: number },
  log: Log,
): InheritedSockets => {
  const handed = handedOver(env, ppid);
  const { sockets, problems } = handed === undefined ? passedTo(env, pid, log) : { sockets: handed, problems: [] };
  const variable = handed === undefined ? 'LISTEN_FDS' : HANDOVER_VARIABLE;
  const inherited = new Map<SocketName, InheritedSocket>();
  for (const socket of sockets) {
    const looked = lookAt(socket, variable);
    if ('found' in looked) inherited.set(socket.name, looked.found);
    else problems.push(looked.problem);
  }
  if (problems.length > 0) throw new StartupError(problems);
  return inherited;
};

/** Without what was for its reader alone: PHP and later processes must not take it for theirs. */
export const forgetSockets = (env: NodeJS.ProcessEnv): void => {
  for (const name of [...LISTEN_VARIABLES, HANDOVER_VARIABLE]) delete env[name];
};

/** For a child that gets these descriptors in this order, as of `FIRST_FD`. */
export const handoverVariables = (
  sockets: readonly InheritedSocket[],
  parent: number,
): Readonly<Record<string, string>> => {
  const handover: Handover = { parent, sockets: sockets.map((socket, at) => ({ ...socket, fd: FIRST_FD + at })) };
  return { [HANDOVER_VARIABLE]: JSON.stringify(handover) };
};
