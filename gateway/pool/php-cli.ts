/** The PHP program that resident workers run on: of the same version as php-fpm, so that a function may change its engine. */
import { accessSync, constants, statSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { StartupError } from '../startup.ts';

const PROGRAM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
};

/** `/usr/sbin/php-fpm8.2` → `php8.2`, then `php`. Throws StartupError. */
export const findPhp = (configured: string | undefined, phpFpm: string): string => {
  if (configured !== undefined) {
    if (isProgram(configured)) return configured;
    throw new StartupError([{ file: 'php', detail: `${configured} is not an executable file.` }]);
  }
  const version = /[\d.]+$/.exec(basename(phpFpm))?.[0] ?? '';
  const beside = join(dirname(dirname(phpFpm)), 'bin');
  const folders = [beside, ...PROGRAM_FOLDERS, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  const names = version === '' ? ['php'] : [`php${version}`, 'php'];
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isProgram);
    if (found !== undefined) return found;
  }
  const detail = `The resident engine needs PHP's command line program, and ${names.join(' or ')} was not found in ${PROGRAM_FOLDERS.join(', ')} or PATH. Install it (Debian, Ubuntu: apt-get install php-cli), set php (FPMG_PHP), or say engine: 'fpm'.`;
  throw new StartupError([{ file: 'php', detail }]);
};
