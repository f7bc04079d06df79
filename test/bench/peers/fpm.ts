/** A php-fpm of one peer's own: as many workers as the others have, and the ini the gateway gives its pools. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPhpFpm } from '../../../gateway/pool/fpm-master.ts';
import { until } from '../../support/until.ts';
import type { Life, Running } from '../life.ts';

export interface Fpm {
  readonly pid: number;
  readonly socket: string;
  readonly running: Running;
}

export const phpFpm = (): string => findPhpFpm(process.env.FPMG_PHP_FPM);
export const isRoot = process.getuid?.() === 0;

const INI: Readonly<Record<string, string>> = {
  memory_limit: '128M',
  expose_php: '0',
  display_errors: '0',
  'opcache.enable': '1',
  'opcache.validate_timestamps': '0',
  'opcache.file_update_protection': '0',
  realpath_cache_ttl: '600',
  'cgi.fix_pathinfo': '0',
  // Of php.ini-production: one write for a short answer.
  output_buffering: '4096',
};

const configuration = (socket: string, workers: number): string => `
[global]
daemonize = no
error_log = /dev/null
[bench]
${isRoot ? 'user = www-data\ngroup = www-data' : ''}
listen = ${socket}
listen.mode = 0666
listen.backlog = 4096
pm = static
pm.max_children = ${workers}
`;

export const startFpm = async (life: Life, folder: string, name: string, workers: number): Promise<Fpm> => {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const socket = join(home, 'fpm.sock');
  const config = join(home, 'fpm.conf');
  writeFileSync(config, configuration(socket, workers));
  const ini = Object.entries(INI).flatMap(([key, value]) => ['-d', `${key}=${value}`]);
  const args = ['--nodaemonize', '--force-stderr', '--fpm-config', config, ...ini];
  const running = life.start({ command: phpFpm(), args });
  await until('php-fpm is ready', () => {
    if (running.hasEnded()) throw new Error(`php-fpm ended: ${running.said().trim()}`);
    return running.said().includes('ready to handle connections');
  });
  return { pid: running.pid, socket, running };
};
