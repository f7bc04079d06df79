/**
 * One small process beside the gateway that ends its PHP when it dies without having been able to: php-fpm's masters and
 * all workers outlive the process that started them. What it does, and how it notices, is told in guard.sh.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Log } from '../log.ts';

const SCRIPT = join(import.meta.dirname, 'guard.sh');
/** One that was ended by somebody is replaced; one that cannot run here would be for ever. */
const RESTARTS_MAX = 10;
const RESTART_MS = 1000;

export class Guard {
  readonly #instanceId: string;
  readonly #log: Log;
  readonly #masters = new Set<number>();
  #child: ChildProcess | undefined;
  #restarts = 0;
  #closed = false;

  constructor(instanceId: string, log: Log) {
    this.#instanceId = instanceId;
    this.#log = log;
    this.#start();
  }

  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The gateway has started this one. */
  add(pid: number | undefined): void {
    if (pid === undefined) return;
    this.#masters.add(pid);
    this.#tell();
  }

  /** It has ended. */
  delete(pid: number | undefined): void {
    if (pid !== undefined && this.#masters.delete(pid)) this.#tell();
  }

  /** The gateway ends its PHP itself. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#child?.stdin?.end('end\n');
  }

  /** As the gateway's death does. */
  abandon(): void {
    this.#closed = true;
    this.#child?.stdin?.destroy();
  }

  #start(): void {
    // A session of its own: what ends all processes of a terminal must leave it, to see the gateway end.
    const child = spawn('/bin/sh', [SCRIPT, this.#instanceId], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      cwd: '/',
      detached: true,
    });
    this.#child = child;
    // It is no reason for the process to live on.
    child.unref();
    (child.stdin as { unref?: () => void } | null)?.unref?.();
    child.stdin?.on('error', () => {});
    child.once('error', (error) => this.#ended(error.message));
    child.once('exit', (code, signal) => this.#ended(signal ?? `status ${code}`));
    this.#tell();
  }

  #ended(how: string): void {
    if (this.#closed || this.#child === undefined) return;
    this.#child = undefined;
    const lasts = this.#restarts >= RESTARTS_MAX;
    this.#restarts += 1;
    const what = 'the guard has ended, which ends PHP should the gateway die';
    this.#log.warn({ how }, lasts ? `${what}: there is none from now on` : `${what}: starting another`);
    if (lasts) return;
    setTimeout(() => {
      if (!this.#closed) this.#start();
    }, RESTART_MS).unref();
  }

  #tell(): void {
    this.#child?.stdin?.write(`${[...this.#masters].join(' ')}\n`);
  }
}
