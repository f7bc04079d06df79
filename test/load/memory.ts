/** The memory of another process, as the kernel counts it. */
import { readFileSync } from 'node:fs';

/**
 * V8 enlarges its young generation when it sees fit, and leaves garbage lying in proportion to it: at its largest from
 * the start, the memory after a warm-up is what such a load comes to, and what grows later is held by the gateway.
 */
export const SETTLED = { NODE_OPTIONS: '--min-semi-space-size=32 --max-semi-space-size=32' };

const SAMPLE_EVERY_MS = 10;

const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

export interface Memory {
  readonly beforeBytes: number;
  /** The most that was seen meanwhile. */
  readonly mostBytes: number;
}

/** Looks at a process while something is done. */
export const watchMemory = async (pid: number | undefined, work: () => Promise<void>): Promise<Memory> => {
  if (pid === undefined) throw new Error('There is no such process.');
  const beforeBytes = residentBytes(pid);
  let mostBytes = beforeBytes;
  const sample = (): void => {
    mostBytes = Math.max(mostBytes, residentBytes(pid));
  };
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  try {
    await work();
    sample();
    return { beforeBytes, mostBytes };
  } finally {
    clearInterval(timer);
  }
};
