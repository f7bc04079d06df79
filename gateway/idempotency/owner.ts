/** Which process runs an operation, so that another one can tell whether it still may. */
import { readFileSync, readlinkSync } from 'node:fs';
import { startTicks } from '../pool/instance-dir.ts';

/** How long a process we cannot see is believed to be alive behind the end of its operation, ms. */
const UNSEEN_MS = 60_000;

const read = (how: () => string): string => {
  try {
    return how().trim();
  } catch {
    return '';
  }
};

/** Boot of the machine and namespace of pids: a pid means nothing outside of them. */
const place = (): string => {
  const boot = read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  return `${boot} ${read(() => readlinkSync('/proc/self/ns/pid'))}`;
};

/** `instance`: tells several stores of one process apart. */
export const ownerName = (instance: string): string =>
  `${place()} ${process.pid} ${startTicks(process.pid) ?? ''} ${instance}`;

/** `lateMs`: for how long its operation should have ended. */
export const isGone = (owner: string, lateMs: number): boolean => {
  const [boot, namespace, pid, ticks] = owner.split(' ');
  const [ourBoot, ourNamespace] = place().split(' ');
  if (boot !== ourBoot) return true;
  // Of another container that shares the folder: its processes are not to be seen from here.
  if (namespace !== ourNamespace) return lateMs > UNSEEN_MS;
  return startTicks(Number(pid)) !== ticks;
};
