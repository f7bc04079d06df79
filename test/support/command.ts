/** The command as people run it: a child process, its output, its signals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './lifetime.ts';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'gateway', 'cli', 'main.ts');

export interface Command {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>;
  /** JSON lines of standard output so far. */
  readonly events: () => Record<string, unknown>[];
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Another user than the one who runs the tests. */
  readonly uid?: number;
  readonly gid?: number;
  /** It may open so many files. */
  readonly filesMax?: number;
}

export interface ServeOptions extends CommandOptions {
  /** Of `start` or `dev`. */
  readonly args?: readonly string[];
}

const INHERITED = ['PATH', 'HOME', 'USER', 'LANG'];

/** Ends with the test, and its php-fpm with the runtime folder, even if the command was killed. */
export const runCommand = (args: readonly string[], options: CommandOptions = {}): Command => {
  const { env = {}, input = '', filesMax, ...user } = options;
  const inherited = Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
  const own = {
    FPMG_RUNTIME_DIR: temporaryFolder(),
    FPMG_HTTP__PORT: '0',
    FPMG_ADMIN__PORT: '0',
    FPMG_POOLS__DEFAULT__WORKERS: '2',
  };
  const node = [process.execPath, '--conditions=fpm-gateway-source', MAIN, ...args];
  // It becomes the program that it starts.
  const limited = filesMax === undefined ? node : ['prlimit', `--nofile=${filesMax}:${filesMax}`, ...node];
  const child = spawn(limited[0] ?? '', limited.slice(1), {
    ...user,
    cwd: '/',
    env: { ...inherited, ...own, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const exit = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  onTestFinished(async () => {
    // The first gives a server the chance to stop its PHP, the second the order not to wait for what still runs.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) child.kill(signal);
    await exit;
  });
  const events = (): Record<string, unknown>[] =>
    lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { child, out: () => out, err: () => err, exit, events };
};

export interface ServingCommand extends Command {
  readonly url: string;
  readonly adminUrl: string | undefined;
  /** Of the first pool. */
  readonly masterPid: number;
}

/** `start` or `dev` with --json, once it is ready. */
export const serve = async (
  command: 'start' | 'dev',
  project: string,
  { args = [], ...options }: ServeOptions = {},
): Promise<ServingCommand> => {
  const running = runCommand(['--project', project, command, '--json', ...args], options);
  let ended = false;
  void running.exit.then(() => {
    ended = true;
  });
  const ready = (): Record<string, unknown> | undefined => running.events().find(({ event }) => event === 'ready');
  await until('the gateway is ready', () => ready() !== undefined || ended);
  const event = ready();
  if (event === undefined) throw new Error(`It did not start: ${running.out()} ${running.err()}`);
  const [pool] = event.pools as { masterPid: number }[];
  return {
    ...running,
    url: String(event.url),
    adminUrl: event.adminUrl as string | undefined,
    masterPid: pool?.masterPid ?? 0,
  };
};

/** After a signal: whoever comes now comes too late. */
export const refusesConnections = async ({ url }: ServingCommand): Promise<void> =>
  await until('it refuses new connections', async () => {
    try {
      await fetch(`${url}/healthz`);
      return false;
    } catch {
      return true;
    }
  });
