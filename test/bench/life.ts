/** Everything the benchmark starts or writes, so that all of it ends with it: in the end, after a failure, on Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookUpUser } from '../../gateway/pool/instance-dir.ts';
import { LATE, within } from '../../gateway/within.ts';
import { treeOf } from './cpu.ts';

const TERM_GRACE_MS = 8000;
const KEPT_BYTES = 65_536;
/** A client whose answers never come must not hold the benchmark for ever. */
const RUN_MAX_MS = 300_000;

type End = () => void | Promise<void>;

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The beginning of what it said on both streams. */
  readonly said: () => string;
  /** Its whole standard output so far. */
  readonly out: () => string;
  readonly hasEnded: () => boolean;
  readonly exit: Promise<number | string>;
  stop(): Promise<void>;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Besides PATH, HOME and LANG. */
  readonly env?: Readonly<Record<string, string>>;
}

const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'FPMG_PHP_FPM'];

/** Once more is what tells the gateway not to wait for what still runs. Killed, none may leave its own behind. */
const endInOrder = async (child: ChildProcess, exit: Promise<unknown>): Promise<void> => {
  for (let times = 0; times < 2; times += 1) {
    child.kill('SIGTERM');
    if ((await within(exit, TERM_GRACE_MS)) !== LATE) return;
  }
  for (const { pid } of treeOf([child.pid ?? -1])) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  await exit;
};

export class Life {
  readonly #ends: End[] = [];
  #end: Promise<void> | undefined;

  /** The newest is ended first. */
  add(end: End): void {
    this.#ends.push(end);
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Nothing more can be started. Called again, it waits for the same end. */
  endAll(): Promise<void> {
    this.#end ??= this.#endInTurn();
    return this.#end;
  }

  async #endInTurn(): Promise<void> {
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        console.error(`bench: ${String(error)}`);
      }
    }
  }

  /** Private to the run, and to PHP's user when that is another. Short: a socket's path has at most 107 bytes. */
  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'fpmg-bench-'));
    const gid = process.getuid?.() === 0 ? lookUpUser('www-data')?.gid : undefined;
    if (gid !== undefined) {
      chownSync(folder, 0, gid);
      chmodSync(folder, 0o750);
    }
    this.add(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
    return folder;
  }

  /** In a process group of its own: Ctrl-C reaches the benchmark alone, which then ends its children in order. */
  start({ command, args, cwd = '/', env = {} }: Command): Running {
    if (this.isOver) throw new Error('the run is over');
    const inherited = Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
    const child = spawn(command, args, {
      cwd,
      env: { ...inherited, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let said = '';
    const hear = (text: string): void => {
      if (said.length < KEPT_BYTES) said += text;
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      hear(text);
    });
    child.stderr.setEncoding('utf8').on('data', hear);
    let ended = false;
    const exit = new Promise<number | string>((resolve) => {
      const end = (reason: number | string): void => {
        ended = true;
        resolve(reason);
      };
      child.once('error', (error) => {
        hear(error.message);
        end(error.message);
      });
      child.once('close', (code, signal) => end(code ?? signal ?? 'unknown'));
    });
    const stop = async (): Promise<void> => {
      if (!ended && child.pid !== undefined) await endInOrder(child, exit);
    };
    this.add(stop);
    return { child, pid: child.pid ?? 0, said: () => said, out: () => out, hasEnded: () => ended, exit, stop };
  }

  /** Not there any more if everything is just being ended. */
  #forget(end: End): void {
    const at = this.#ends.indexOf(end);
    if (at !== -1) this.#ends.splice(at, 1);
  }

  /** Runs it to its end and gives its standard output. */
  async run(command: Command): Promise<string> {
    const running = this.start(command);
    const code = await within(running.exit, RUN_MAX_MS);
    if (code === LATE) {
      await running.stop();
      throw new Error(`${command.command} had not ended after ${RUN_MAX_MS / 1000} s`);
    }
    this.#forget(running.stop);
    if (code === 0) return running.out();
    throw new Error(`${command.command} failed (${code}): ${running.said().trim().split('\n').slice(-3).join(' ')}`);
  }
}
