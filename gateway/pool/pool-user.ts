/** Whom a pool's workers run as. */
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
