/** Whom a pool's workers run as. */
import { readFileSync } from 'node:fs';
import { StartupError } from '../startup.ts';
import { isRoot, lookUpUser } from './instance-dir.ts';

/** The user workers drop to; undefined when we are not root and they run as ourselves. */
export const poolUser = (name: string, user: string): { name: string; uid: number; gid: number } | undefined => {
  if (!isRoot()) return undefined;
  const ids = lookUpUser(user);
  if (ids !== undefined && ids.uid !== 0) return { name: user, ...ids };
  const detail =
    ids === undefined
      ? `There is no user ${user} on this machine.`
      : `${user} is root by another name; PHP never runs as root.`;
  throw new StartupError([
    { file: 'deploy/gateway.config.ts', property: `pools.${name}.user`, detail: `${detail} Name an unprivileged one.` },
  ]);
};

/** What php-fpm tells the workers of another user of theirs, and resident workers find as well. */
export const userEnvironment = (name: string): Readonly<Record<string, string>> => {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const home = line?.split(':')[5];
  return { USER: name, ...(home !== undefined && { HOME: home }) };
};
