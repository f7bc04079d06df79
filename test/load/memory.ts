/** The memory of another process, as the kernel counts it. */
import { readFileSync } from 'node:fs';

/**
 * V8 leaves garbage lying until its young generation is full, which it enlarges when it sees fit, to 100 MB and more
 * with the buffers that belong to it. Kept small, what grows is what the gateway holds.
 */
export const LITTLE_GARBAGE = { NODE_OPTIONS: '--max-semi-space-size=4' };

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
