/** The PHP extension that debugs, as one PHP program has it: switched on, there to be loaded, or missing. */
import { spawnSync } from 'node:child_process';
import { StartupError } from '../startup.ts';
import type { DebugMode } from './options.ts';

export interface Extension {
  readonly name: 'Xdebug' | 'PCOV';
  readonly version: string;
  /** Loads it where php.ini does not. */
  readonly ini: Readonly<Record<string, string>>;
}

/** The first with `xdebug_connect_to_client()`. */
const OLDEST: readonly [number, number] = [3, 1];

const ask = (program: string, args: readonly string[]): string => {
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
  if (error === undefined) return stdout;
  throw new StartupError([{ file: program, detail: `It does not run: ${error.message}.` }], { cause: error });
};

const xdebugVersion = (program: string, ini: readonly string[]): string | undefined =>
  /with Xdebug v([\w.-]+)/.exec(ask(program, [...ini, '-v']))?.[1];

const xdebugOf = (program: string): Extension | undefined => {
  const loaded = xdebugVersion(program, []);
  if (loaded !== undefined) return { name: 'Xdebug', version: loaded, ini: {} };
  const loadable = xdebugVersion(program, ['-d', 'zend_extension=xdebug']);
  return loadable === undefined ? undefined : { name: 'Xdebug', version: loadable, ini: { zend_extension: 'xdebug' } };
};

/** `php -v` does not name it, and php-fpm has no other way to tell a version. */
const hasPcov = (program: string, ini: readonly string[]): boolean => /^pcov$/m.test(ask(program, [...ini, '-m']));

const pcovOf = (program: string): Extension | undefined => {
  if (hasPcov(program, [])) return { name: 'PCOV', version: '', ini: {} };
  return hasPcov(program, ['-d', 'extension=pcov'])
    ? { name: 'PCOV', version: '', ini: { extension: 'pcov' } }
    : undefined;
};

const isTooOld = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
};

const missing = (program: string, mode: DebugMode): StartupError => {
  const version = /PHP (\d+\.\d+)/.exec(ask(program, ['-v']))?.[1] ?? '';
  const install = `Debian, Ubuntu: apt-get install php${version}-xdebug; elsewhere: pecl install xdebug`;
  const instead = mode === 'coverage' ? ` PCOV will do, too: php${version}-pcov.` : '';
  const detail = `It has no Xdebug, neither switched on nor there to be loaded, which --xdebug=${mode} needs. Install it for this PHP (${install}).${instead}`;
  return new StartupError([{ file: program, detail }]);
};

/** For coverage PCOV where it is on already or alone; else Xdebug. Throws StartupError. */
export const findExtension = (program: string, mode: DebugMode): Extension => {
  const pcov = mode === 'coverage' ? pcovOf(program) : undefined;
  const isOn = pcov !== undefined && Object.keys(pcov.ini).length === 0;
  const found = isOn ? pcov : (xdebugOf(program) ?? pcov);
  if (found === undefined) throw missing(program, mode);
  if (found.name !== 'Xdebug' || !isTooOld(found.version)) return found;
  const detail = `Its Xdebug is ${found.version}; ${OLDEST.join('.')} is the oldest that --xdebug works with: update it.`;
  throw new StartupError([{ file: program, detail }]);
};
