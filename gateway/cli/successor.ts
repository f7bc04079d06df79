/** The old process's side of a restart: the new one gets the listening sockets and says when it serves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { handoverVariables, type InheritedSocket } from '../sockets.ts';
import type { StartupProblem } from '../startup.ts';
import { within } from '../within.ts';

/** What the two tell each other over the channel that Node opens between parent and child. */
export type FromSuccessor =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly problems: readonly StartupProblem[] };
export const TAKEN = 'taken';

/** Applications take half a minute to load, on a busy machine more; one that takes longer hangs. */
export const HANDOVER_MAX_MS = 120_000;
/** From the request to end to the order. */
const END_MS = 5000;
/** What a process has said before it ended lies ready to be read. */
const HEAR_MS = 1000;

export class HandoverFailed extends Error {
  readonly problems: readonly StartupProblem[];

  constructor(why: string, problems: readonly StartupProblem[] = []) {
    super(why);
    this.problems = problems;
  }
}

export interface Successor {
  readonly pid: number;
  /** Tells it that it has all; from here on the two go their own ways. Rejects when it has ended meanwhile. */
  release(): Promise<void>;
  /** Resolves when it has ended. */
  end(): Promise<void>;
}

export interface SuccessorOptions {
  readonly sockets: readonly InheritedSocket[];
  /** Of the program itself, with its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly maxMs: number;
  readonly giveUp: AbortSignal;
  readonly onPid: (pid: number) => void;
}

/** This very program, as it was started. */
export const sameCommand = (): string[] => [process.execPath, ...process.execArgv, ...process.argv.slice(1)];

/** Resolves with how it ended, when all that it said has been read, too. */
const exited = async (child: ChildProcess): Promise<string> => {
  const heard = new Promise<void>((resolve) => child.once('disconnect', resolve));
  const [why, ran] = await new Promise<[why: string, ran: boolean]>((resolve) => {
    child.once('error', (error) => resolve([`it cannot be started: ${error.message}`, false]));
    child.once('exit', (code, signal) =>
      resolve([signal === null ? `it ended with exit code ${code}` : `it ended by ${signal}`, true]),
    );
  });
  if (ran && child.connected) await within(heard, HEAR_MS);
  return why;
};

const end = async (child: ChildProcess, ended: Promise<string>): Promise<void> => {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(late);
};

/** Resolves when it serves. Rejects with HandoverFailed when it has ended, or was ended because it took too long. */
export const startSuccessor = async (options: SuccessorOptions): Promise<Successor> => {
  const { sockets, command, env, maxMs, giveUp, onPid } = options;
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    env: { ...env, ...handoverVariables(sockets, process.pid) },
    // Its words go where ours go. The sockets follow from descriptor 3 on, the channel behind them.
    stdio: ['ignore', 'inherit', 'inherit', ...sockets.map(({ fd }) => fd), 'ipc'],
  });
  const ended = exited(child);
  if (child.pid !== undefined) onPid(child.pid);
  let problems: readonly StartupProblem[] = [];
  const ready = new Promise<'ready'>((resolve) => {
    child.on('message', (message: FromSuccessor) => {
      if (message.kind === 'ready') resolve('ready');
      else problems = message.problems;
    });
  });
  const givenUp = new Promise<'given up'>((resolve) => {
    if (giveUp.aborted) resolve('given up');
    giveUp.addEventListener('abort', () => resolve('given up'), { once: true });
  });
  const outcome = await within(Promise.race([ready, givenUp, ended]), maxMs);
  if (outcome === 'ready') return successor(child, ended);
  if (outcome === 'given up') {
    await end(child, ended);
    throw new HandoverFailed('this process was told to stop');
  }
  if (typeof outcome === 'symbol') {
    await end(child, ended);
    throw new HandoverFailed(`it was not ready after ${maxMs / 1000} s and was ended`);
  }
  throw new HandoverFailed(outcome, problems);
};

const successor = (child: ChildProcess, ended: Promise<string>): Successor => ({
  pid: child.pid ?? 0,
  release: async () => {
    await new Promise<void>((resolve, reject) => {
      child.send(TAKEN, (error) => (error === null ? resolve() : reject(new HandoverFailed(error.message))));
    });
    // Not disconnect(): what was sent has to be read first. The other side closes the channel.
    child.channel?.unref();
    child.unref();
  },
  end: () => end(child, ended),
});
