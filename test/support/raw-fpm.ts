/** A php-fpm of somebody else's, which knows nothing of gateways: one set of workers per listen address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { type Lifetime, thisTest } from './lifetime.ts';
import { endGroup } from './php-processes.ts';
import { until } from './until.ts';

/** The `runtime` of pools attached to it. */
export const runtime = join(import.meta.dirname, '..', '..', 'gateway', 'php');

interface RawFpmOptions {
  /** On top of the machine's php.ini. */
  readonly ini?: Readonly<Record<string, string>>;
  /** Of php-fpm itself: `process_control_timeout = 5s`, `pm.max_requests = 2`. */
  readonly global?: readonly string[];
  readonly pool?: readonly string[];
  readonly lifetime?: Lifetime;
}

export const rawFpm = async (
  folder: string,
  listen: readonly string[],
  workers: number,
  { ini = {}, global = [], pool = [], lifetime = thisTest }: RawFpmOptions = {},
): Promise<ChildProcess> => {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'raw.conf');
  const pools = listen.map((address, at) =>
    [
      `[raw${at}]`,
      ...(process.getuid?.() === 0 ? ['user = www-data', 'group = www-data'] : []),
      `listen = ${address}`,
      'listen.mode = 0666',
      'pm = static',
      `pm.max_children = ${workers}`,
      ...pool,
      ...Object.entries(ini).map(([name, value]) => `php_admin_value[${name}] = ${value}`),
    ].join('\n'),
  );
  const lines = ['[global]', 'daemonize = no', 'error_log = /dev/null', ...global, ...pools];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const args = ['--nodaemonize', '--force-stderr', '--fpm-config', config];
  const child = spawn(findPhpFpm(process.env.FPMG_PHP_FPM), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (data) => {
    said += String(data);
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  lifetime(async () => {
    endGroup(child.pid);
    await ended;
  });
  await until('the raw php-fpm is ready', () => {
    if (child.exitCode !== null) throw new Error(`php-fpm ended: ${said}`);
    return said.includes('ready to handle connections');
  });
  return child;
};
