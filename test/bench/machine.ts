/** What was measured on, and which versions of what. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../../gateway/version.ts';
import { APACHE } from './peers/apache.ts';
import { CADDY } from './peers/caddy.ts';
import { phpFpm } from './peers/fpm.ts';
import { NGINX } from './peers/nginx.ts';

/** The first match of what a program says about itself, on either stream and with any exit code. */
const versionOf = (command: string, args: readonly string[], pattern: RegExp): string => {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) return 'absent';
  return pattern.exec(`${stdout}\n${stderr}`)?.[1] ?? 'unknown';
};

const clientVersions = (): Record<string, string> => {
  const file = join(import.meta.dirname, 'clients', 'package.json');
  const { dependencies } = JSON.parse(readFileSync(file, 'utf8')) as { dependencies: Record<string, string> };
  return dependencies;
};

export const versions = (): Record<string, string> => ({
  'fpm-gateway': VERSION,
  Node: process.versions.node,
  'php-fpm': versionOf(phpFpm(), ['-v'], /PHP (\S+)/),
  nginx: versionOf(NGINX, ['-v'], /nginx\/(\S+)/),
  Apache: versionOf(APACHE, ['-v'], /Apache\/(\S+)/),
  Caddy: versionOf(CADDY, ['version'], /v?(\d+\.\d+\S*)/),
  wrk: versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
  gcc: versionOf('gcc', ['--version'], /(\d+\.\d+\.\d+)/),
  ...clientVersions(),
});

/** With what others made it do just before: the load of the last minute. */
export const machine = (): Record<string, string | number> => ({
  CPU: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  'memory GB': Math.round(totalmem() / 2 ** 30),
  Linux: release(),
  'load before': Number((loadavg()[0] ?? 0).toFixed(2)),
});
