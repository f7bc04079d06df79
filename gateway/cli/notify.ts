/** Telling systemd what it asks a `Type=notify` service to tell. */
import { execFile } from 'node:child_process';

/** It waits for systemd's answer itself, and that comes at once or never. */
const NOTIFY_MAX_MS = 5000;

/**
 * Resolves in any case. By its own program: the socket of NOTIFY_SOCKET takes datagrams, which Node cannot send over a
 * unix socket. The unit needs `NotifyAccess=all`.
 */
export const notifySystemd = (env: NodeJS.ProcessEnv, ...states: readonly string[]): Promise<void> => {
  if (env.NOTIFY_SOCKET === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    execFile('systemd-notify', states, { env, timeout: NOTIFY_MAX_MS }, () => resolve());
  });
};
