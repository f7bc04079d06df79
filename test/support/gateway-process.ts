/** The `fpm-gateway` command as a process of its own, which ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { endGroup } from './php-processes.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'gateway', 'cli', 'main.ts');

export interface RunningCli {
  readonly child: ChildProcess;
  readonly url: string;
  readonly masterPid: number;
  readonly ended: Promise<number | string>;
}

export interface CliOptions {
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
}

/** Resolves when it is ready; rejects with what it said when it ends before. */
export const startCli = async ({ project, env, ...user }: CliOptions): Promise<RunningCli> => {
  const args = ['--conditions=fpm-gateway-source', MAIN, '--project', project, 'start', '--json'];
  const child = spawn(process.execPath, args, {
    ...user,
    cwd: '/',
    env: { PATH: process.env.PATH, FPMG_HTTP__PORT: '0', FPMG_ADMIN__PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 'unknown'));
  });
  const said: string[] = [];
  return await new Promise((resolve, reject) => {
    void ended.then((how) => reject(new Error(`It ended with ${how}: ${said.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        said.push(line);
        if (!line.includes('"event":"ready"')) return;
        const { url, pools } = JSON.parse(line) as { url: string; pools: { masterPid: number }[] };
        // A killed gateway leaves its php-fpm; the test may have killed it.
        onTestFinished(() => endGroup(pools[0]?.masterPid));
        resolve({ child, url, masterPid: pools[0]?.masterPid ?? 0, ended });
      });
    }
  });
};

/** A JSON POST over the network. */
export const callUrl = async (url: string, name: string, input: unknown): Promise<unknown> => {
  const response = await fetch(`${url}/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(input),
  });
  return await response.json();
};
