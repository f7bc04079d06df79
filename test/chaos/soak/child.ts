/** The gateway under soak, and what is measured of it from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayPoolStatus } from '../../../gateway/gateway.ts';
import { LATE, within } from '../../../gateway/within.ts';
import { type Lifetime, temporaryFolder } from '../../support/lifetime.ts';
import { send } from '../http.ts';

const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'FPMG_PHP_FPM'];
const END_MAX_MS = 20_000;

export interface Sample {
  /** Since the start. */
  readonly atMs: number;
  /** Behind a garbage collection. */
  readonly heapUsed: number;
  readonly rss: number;
  /** Without those of kept connections to workers. */
  readonly descriptors: number;
}

export class SoakGateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly unhandled: string[] = [];
  readonly #child: ChildProcess;
  readonly #startedMs = performance.now();

  static async start(project: string, lifetime: Lifetime): Promise<SoakGateway> {
    const inherited = Object.fromEntries(INHERITED.map((name) => [name, process.env[name]]));
    const runtimeDir = temporaryFolder(lifetime);
    const child = spawn(
      process.execPath,
      ['--expose-gc', '--conditions=fpm-gateway-source', join(import.meta.dirname, 'gateway.ts'), project],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: {
          ...inherited,
          FPMG_RUNTIME_DIR: runtimeDir,
          FPMG_STATE_DIR: join(runtimeDir, 'state'),
          FPMG_HTTP__PORT: '0',
          FPMG_ADMIN__PORT: '0',
          FPMG_POOLS__DEFAULT__WORKERS: '4',
        },
      },
    );
    const exit = once(child, 'exit');
    lifetime(async () => {
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        child.kill(signal);
        if ((await within(exit, END_MAX_MS)) !== LATE) return;
      }
    });
    const [ready] = (await Promise.race([once(child, 'message'), exit])) as [{ url?: string; adminUrl?: string }];
    if (ready.url === undefined) throw new Error('The gateway of the soak did not start.');
    return new SoakGateway(child, ready.url, String(ready.adminUrl));
  }

  private constructor(child: ChildProcess, url: string, adminUrl: string) {
    this.#child = child;
    this.url = url;
    this.adminUrl = adminUrl;
    child.on('message', (message: { unhandled?: string }) => {
      if (message.unhandled !== undefined) this.unhandled.push(message.unhandled);
    });
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async pools(): Promise<readonly GatewayPoolStatus[]> {
    const answer = await send(`${this.adminUrl}/admin/pools`, undefined, { method: 'GET' });
    if (answer.status !== 200) throw new Error(`/admin/pools answered ${answer.status} ${answer.text}`);
    return (answer.body as { pools: GatewayPoolStatus[] }).pools;
  }

  async sample(): Promise<Sample> {
    const heard = new Promise<{ heapUsed: number; rss: number }>((resolve) => {
      const onMessage = (message: { heapUsed?: number; rss?: number }): void => {
        if (message.heapUsed === undefined) return;
        this.#child.off('message', onMessage);
        resolve({ heapUsed: message.heapUsed, rss: message.rss ?? 0 });
      };
      this.#child.on('message', onMessage);
    });
    this.#child.send('sample');
    const { heapUsed, rss } = await heard;
    const pools = await this.pools();
    const kept = pools.flatMap(({ backends }) => backends).reduce((sum, each) => sum + each.idleConnections, 0);
    const descriptors = readdirSync(`/proc/${this.#child.pid}/fd`).length - kept;
    return { atMs: performance.now() - this.#startedMs, heapUsed, rss, descriptors };
  }
}

/** Nothing runs, waits or is late; `undefined`, or what does. */
export const busyOf = (pools: readonly GatewayPoolStatus[]): string | undefined => {
  for (const { name, backends, functions } of pools) {
    for (const { taken, calls, behind, late } of backends)
      if (taken + calls + behind + late > 0) return `${name}: ${JSON.stringify({ taken, calls, behind, late })}`;
    const busy = functions.find(({ running, waiting }) => running + waiting > 0);
    if (busy !== undefined) return `${busy.name}: ${busy.running} running, ${busy.waiting} waiting`;
  }
  return undefined;
};
