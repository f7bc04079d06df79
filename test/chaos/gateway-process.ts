/** `fpm-gateway start` as people run it, whose end takes everything that it started with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LATE, within } from '../../gateway/within.ts';
import { type Lifetime, temporaryFolder } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'gateway', 'cli', 'main.ts');
const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'FPMG_PHP_FPM'];
/** It has nothing to do but to stop php-fpm. */
const END_MAX_MS = 15_000;
const KEPT_LINES = 2000;

export interface GatewayOptions {
  readonly project: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Open files it may have. */
  readonly descriptors?: number | undefined;
  /** Of a gateway that this one replaces. */
  readonly runtimeDir?: string;
  readonly lifetime: Lifetime;
}

export class GatewayProcess {
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>;
  readonly runtimeDir: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly #lines: string[];

  /** Resolves when it is ready. */
  static async start({ project, env = {}, descriptors, lifetime, ...more }: GatewayOptions): Promise<GatewayProcess> {
    const runtimeDir = more.runtimeDir ?? temporaryFolder(lifetime);
    const inherited = Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
    const own = {
      FPMG_RUNTIME_DIR: runtimeDir,
      FPMG_STATE_DIR: join(runtimeDir, 'state'),
      FPMG_HTTP__PORT: '0',
      FPMG_ADMIN__PORT: '0',
    };
    const node = ['--conditions=fpm-gateway-source', MAIN, '--project', project, 'start', '--json'];
    const [command, args] =
      descriptors === undefined
        ? [process.execPath, node]
        : ['prlimit', [`--nofile=${descriptors}:${descriptors}`, process.execPath, ...node]];
    const child = spawn(command, args, {
      cwd: '/',
      env: { ...inherited, ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const keep = (line: string): void => {
      lines.push(line);
      // The first ones tell that it is ready.
      if (lines.length > KEPT_LINES) lines.splice(KEPT_LINES / 2, 1);
    };
    createInterface({ input: child.stdout }).on('line', keep);
    createInterface({ input: child.stderr }).on('line', keep);
    let ended = false;
    const exit = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => {
        ended = true;
        resolve(code ?? signal ?? 'unknown');
      });
    });
    lifetime(async () => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
        child.kill('SIGCONT');
        child.kill(signal);
        if ((await within(exit, END_MAX_MS)) !== LATE) return;
      }
    });
    const ready = (): string | undefined => lines.find((line) => line.startsWith('{"event":"ready"'));
    await until('the gateway is ready', () => ready() !== undefined || ended, 60_000);
    const line = ready();
    if (line === undefined) throw new Error(`The gateway did not start: ${lines.join('\n').slice(0, 2000)}`);
    const { url, adminUrl } = JSON.parse(line) as { url: string; adminUrl: string };
    return new GatewayProcess({ child, exit, runtimeDir, url, adminUrl, lines });
  }

  private constructor(parts: {
    child: ChildProcess;
    exit: Promise<number | string>;
    runtimeDir: string;
    url: string;
    adminUrl: string;
    lines: string[];
  }) {
    this.child = parts.child;
    this.exit = parts.exit;
    this.runtimeDir = parts.runtimeDir;
    this.url = parts.url;
    this.adminUrl = parts.adminUrl;
    this.#lines = parts.lines;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** What it said last. */
  get said(): string {
    return this.#lines.slice(-20).join('\n');
  }

  get hasSaid(): (text: string) => boolean {
    return (text) => this.#lines.some((line) => line.includes(text));
  }

  /** Open files, sockets included. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  get rssBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }
}
