/** A gateway in a process of its own, which hands over to others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const REPOSITORY = join(import.meta.dirname, '..', '..', '..');

interface Ready {
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
}

interface PoolFacts {
  readonly name: string;
  readonly engine: string;
  readonly masterPid: number | undefined;
}

export class ChaosGateway {
  readonly url: string;
  readonly adminUrl: string;
  /** Of the process that serves now. */
  pid: number;
  readonly #child: ChildProcess;
  readonly #output: AsyncIterator<string>;
  readonly #lines: string[];

  private constructor(child: ChildProcess, output: AsyncIterator<string>, ready: Ready, lines: string[]) {
    this.#child = child;
    this.#output = output;
    this.#lines = lines;
    this.url = ready.url;
    this.adminUrl = ready.adminUrl;
    this.pid = ready.pid;
  }

  static async start(project: string, env: Readonly<Record<string, string>>): Promise<ChaosGateway> {
    const main = join(REPOSITORY, 'gateway/cli/main.ts');
    const child = spawn(process.execPath, ['--conditions=fpm-gateway-source', main, '-p', project, 'start', '--json'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const lines: string[] = [];
    const ready = await nextReady(output, lines);
    return new ChaosGateway(child, output, { ...ready, pid: child.pid ?? 0 }, lines);
  }

  async pools(): Promise<readonly PoolFacts[]> {
    const { pools } = (await (await fetch(`${this.adminUrl}/admin/pools`, ALONE)).json()) as { pools: PoolFacts[] };
    return pools;
  }

  /** The status of the answer. */
  async reload(): Promise<number> {
    const response = await fetch(`${this.adminUrl}/admin/reload`, { method: 'POST', ...ALONE });
    await response.text();
    return response.status;
  }

  /** Resolves when the next process serves and this one has ended. */
  async handOver(): Promise<void> {
    const before = this.pid;
    process.kill(before, 'SIGUSR2');
    const { pid } = await nextReady(this.#output, this.#lines);
    this.pid = pid;
    while (isAlive(before)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** What it said last, for when something went wrong. */
  get said(): string {
    return this.#lines.slice(-20).join('\n');
  }

  async stop(): Promise<void> {
    if (isAlive(this.pid)) process.kill(this.pid, 'SIGTERM');
    while (isAlive(this.pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid === this.pid)
      await once(this.#child, 'exit');
  }
}

/** A connection that is kept would keep a process that has handed over, for its caller's next request. */
const ALONE = { headers: { connection: 'close' } };

const LINES_MAX = 200;

const nextReady = async (output: AsyncIterator<string>, lines: string[]): Promise<Ready> => {
  for (;;) {
    const { value, done } = await output.next();
    if (done === true) throw new Error(`The gateway ended before it was ready:\n${lines.slice(-20).join('\n')}`);
    lines.push(value);
    if (lines.length > LINES_MAX) lines.shift();
    const line = JSON.parse(value) as { event?: string } & Ready;
    if (line.event === 'ready') return line;
  }
};

/** A zombie has ended: its parent has not looked yet. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
