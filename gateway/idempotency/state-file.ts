/** Where the keys of a project lie. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { isRoot } from '../pool/instance-dir.ts';

const defaultStateDir = (): string => {
  if (isRoot()) return '/var/lib/fpm-gateway';
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'fpm-gateway');
};

/** The name is for people; the hash of the real path keeps two projects of one machine apart. */
export const stateFile = (stateDir: string | undefined, project: string): string => {
  const path = realpathSync(project);
  const name = basename(path)
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 40);
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 12);
  return join(stateDir ?? defaultStateDir(), `${name || 'project'}-${hash}.keys.sqlite`);
};
