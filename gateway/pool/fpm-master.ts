/** One php-fpm master process that we started: ready, exited, stopped. Restarting it is the pool's business. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { diskProblem } from '../disk.ts';
import type { Log } from '../log.ts';
import { StartupError } from '../startup.ts';
import { LATE, within } from '../within.ts';
import type { Guard } from './guard.ts';
import { processFacts, processGroup } from './instance-dir.ts';
import { stoppedError } from './stopped.ts';

export interface FpmMasterOptions {
  readonly pool: string;
  readonly program: string;
  readonly configFile: string;
  readonly config: string;
  readonly iniArguments: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where it listens: removed when it has ended, as its config is. */
  readonly sockets: readonly string[];
  /** Nobody wants it any more, though it may not have started yet. */
  readonly signal: AbortSignal;
  readonly guard: Guard;
  /** Makes the folders of its config and sockets, should they be gone. */
  readonly restore: () => void;
  readonly log: Log;
}

const READY_TIMEOUT_MS = 15_000;
const TERM_GRACE_MS = 1000;
const STOPPED_CHECK_MS = 100;
const KEPT_LINES = 20;

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
};

/** Where system daemons are; deploy/setup.mjs looks in the same places, in the same order. */
const DAEMON_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/opt/homebrew/sbin'];

/** The `php-fpm` programs of a folder, the newest version last. */
const phpFpmsIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => /^php-fpm[\d.]*$/.test(name))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .map((name) => join(folder, name))
      .filter(isExecutable);
  } catch {
    return [];
  }
};

/** The newest of the first folder that has one. Throws StartupError. */
export const findPhpFpm = (configured: string | undefined): string => {
  if (configured !== undefined) {
    if (isExecutable(configured)) return configured;
    throw new StartupError([{ file: 'phpFpm', detail: `${configured} is not an executable file.` }]);
  }
  const folders = [...DAEMON_FOLDERS, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  for (const folder of folders) {
    const newest = phpFpmsIn(folder).at(-1);
    if (newest !== undefined) return newest;
  }
  const detail = `php-fpm was not found in ${DAEMON_FOLDERS.join(', ')} or PATH. Install it (Debian, Ubuntu: apt-get install php-fpm) or set phpFpm (FPMG_PHP_FPM).`;
  throw new StartupError([{ file: 'php-fpm', detail }]);
};

export class FpmMaster {
  readonly pid: number;
  /** Resolves with how it ended, expected or not. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;

  /**
   * Resolves when it handles connections; rejects with StartupError and what php-fpm said, once nothing of it is left.
   */
  static async start(options: FpmMasterOptions): Promise<FpmMaster> {
    const { program, pool, signal, configFile, sockets, guard } = options;
    if (signal.aborted) throw stoppedError();
    writeConfig(options);
    const args = ['--nodaemonize', '--force-stderr', '--fpm-config', configFile, ...options.iniArguments];
    const env = { PATH: process.env.PATH, ...options.env };
    // A group of its own at once: php-fpm makes one itself, but not before it has preloaded. One that hung there could
    // not be ended with what it had started, bound its socket later, and kept the pool from ever starting again.
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true });
    guard.add(child.pid);
    child.once('exit', () => guard.delete(child.pid));
    const lines: string[] = [];
    let givenUp: string | undefined;
    const giveUp = (why: string): void => {
      givenUp ??= why;
      killGroup(child.pid);
    };
    const onAbort = (): void => giveUp('it was stopped');
    const timer = setTimeout(() => giveUp(`no answer within ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS);
    signal.addEventListener('abort', onAbort);
    try {
      return await new Promise<FpmMaster>((resolve, reject) => {
        // Heard also when one that was ready ends: then all it does is clear up.
        const fail = (why: string): void => {
          for (const file of [configFile, ...sockets]) removeFile(file);
          const said = lines.length === 0 ? '' : ` It said:\n${lines.map((line) => `      ${line}`).join('\n')}`;
          const detail = `The pool ${pool} did not start: ${givenUp ?? why}.${said}`;
          reject(signal.aborted ? stoppedError() : new StartupError([{ file: program, detail }]));
        };
        child.on('error', (error) => fail(error.message));
        child.once('exit', (code, killedBy) => fail(`php-fpm ended with ${killedBy ?? `status ${code}`}`));
        const read = (line: string): void => {
          lines.push(line);
          if (lines.length > KEPT_LINES) lines.shift();
          relay(options, line);
          if (givenUp === undefined && line.includes('ready to handle connections')) resolve(new FpmMaster(child));
        };
        for (const stream of [child.stdout, child.stderr]) {
          if (stream !== null) createInterface({ input: stream }).on('line', read);
        }
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `status ${code}`));
    });
  }

  /** Running calls may finish within `graceMs`, then it ends with all its workers. Idempotent. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGQUIT');
    // A stopped one takes no other signal, and it may be on its way to be one: that takes the system a moment.
    const watch = setInterval(() => this.isStopped && this.kill(), STOPPED_CHECK_MS);
    if (!(await this.#exitsWithin(graceMs))) {
      this.#child.kill('SIGTERM');
      await this.#exitsWithin(TERM_GRACE_MS);
    }
    clearInterval(watch);
    // Too slow, or dead by other means, before or meanwhile: then its workers live on.
    if (this.#child.exitCode !== 0) this.kill();
    await this.exited;
  }

  /** It does nothing, and takes no signal but SIGKILL and SIGCONT. */
  get isStopped(): boolean {
    return processFacts(this.pid)?.isStopped === true;
  }

  /** The workers that outlive it, once it has died. */
  get orphans(): readonly number[] {
    return processGroup(this.pid).filter((pid) => pid !== this.pid);
  }

  /** Ends the master and its workers now: also the workers of a master that has died. */
  kill(): void {
    killGroup(this.pid);
  }

  async #exitsWithin(timeoutMs: number): Promise<boolean> {
    return (await within(this.exited, timeoutMs)) !== LATE;
  }
}

/** Its group is its own, and the kernel keeps the number while one worker lives. */
const killGroup = (pid: number | undefined): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
};

const writeConfig = ({ configFile, config, restore }: FpmMasterOptions): void => {
  try {
    restore();
    writeFileSync(configFile, config, { mode: 0o600 });
  } catch (error) {
    // An empty one: each try would leave another.
    removeFile(configFile);
    throw diskProblem('runtimeDir', `${configFile} cannot be written`, error);
  }
};

/** Where nothing can be removed any more (read-only), it stays: the gateway goes on. */
const removeFile = (file: string): void => {
  try {
    rmSync(file, { force: true });
  } catch {
    // It is removed with its folder.
  }
};

/** FPM's own lines start with a date; the rest is what workers wrote to their stderr. */
const relay = ({ log, pool }: FpmMasterOptions, line: string): void => {
  // A script's word on how it ended: it reaches the gateway through FastCGI as well.
  if (line.includes('PHP message: FPMG1 ')) return;
  const [, level, text] = /^\[[^\]]+\] (\w+): (.*)$/.exec(line) ?? [];
  if (level === undefined || text === undefined) log.warn({ pool, line }, 'a php worker wrote to its stderr');
  // A worker ended by SIGTERM is our doing, told where it is done.
  else if (level === 'NOTICE' || text.includes('exited on signal 15')) log.debug({ pool }, `php-fpm: ${text}`);
  else log.warn({ pool, level }, `php-fpm: ${text}`);
};
