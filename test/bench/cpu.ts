/** CPU time and memory of processes, from /proc. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** USER_HZ, which Linux shows to programs whatever the kernel's own. The sums behind it are exact. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** With the children it has waited for. */
  readonly cpuMs: number;
}

const readTimes = (pid: string): ProcessTimes | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
    return { pid: Number(pid), parent: fields[1] ?? 0, name, cpuMs: (ticks * 1000) / TICKS_PER_SECOND };
  } catch {
    return undefined; // It has ended meanwhile.
  }
};

/** These processes and all below them. */
export const treeOf = (roots: readonly number[]): readonly ProcessTimes[] => {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(readTimes)
    .filter((times) => times !== undefined);
  const pids = new Set(roots);
  for (let grown = true; grown; ) {
    const found = all.filter(({ pid, parent }) => pids.has(parent) && !pids.has(pid));
    for (const { pid } of found) pids.add(pid);
    grown = found.length > 0;
  }
  return all.filter(({ pid }) => pids.has(pid));
};

export interface CpuTimes {
  readonly serverMs: number;
  readonly phpMs: number;
}

/** Of these processes and all below them, PHP's apart: php-fpm's, and the resident workers, which are `php`. */
export const cpuTimes = (roots: readonly number[]): CpuTimes => {
  const ours = treeOf(roots);
  const sum = (isPhp: boolean): number =>
    ours.filter(({ name }) => name.startsWith('php') === isPhp).reduce((total, { cpuMs }) => total + cpuMs, 0);
  return { serverMs: sum(false), phpMs: sum(true) };
};

interface Use {
  readonly atMs: number;
  readonly allMs: number;
  readonly oursMs: number;
}

/** Of the whole machine, and of this process with everything it started. */
const useSoFar = (): Use => {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).map(Number) ?? [];
  const ticks = user + nice + system + irq + softirq + steal;
  const oursMs = treeOf([process.pid]).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  return { atMs: performance.now(), allMs: (ticks * 1000) / TICKS_PER_SECOND, oursMs };
};

/** How much of all cores others (and the host) took between two calls: what figures must be doubted for. */
export const othersShare = (): (() => number) => {
  const before = useSoFar();
  return () => {
    const after = useSoFar();
    const othersMs = after.allMs - before.allMs - (after.oursMs - before.oursMs);
    return Math.max(0, othersMs / ((after.atMs - before.atMs) * availableParallelism()));
  };
};

export const cpuBetween = (before: CpuTimes, after: CpuTimes): CpuTimes => ({
  serverMs: after.serverMs - before.serverMs,
  phpMs: after.phpMs - before.phpMs,
});

const statusMb = (pid: number, field: string): number => {
  const [, kb] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kb) / 1024;
};

export const rssMb = (pid: number): number => statusMb(pid, 'VmRSS');
/** The most it ever had. */
export const peakRssMb = (pid: number): number => statusMb(pid, 'VmHWM');

export interface Memory {
  readonly rssMb: number;
  /** Pages that several processes share count as a part in each: sums are what the machine really gives. */
  readonly pssMb: number;
}

/** Pure: of the text of a `smaps_rollup`. */
export const memoryIn = (rollup: string): Memory => {
  const mb = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) / 1024;
  return { rssMb: mb('Rss'), pssMb: mb('Pss') };
};

/** Of all of them together; one that has ended meanwhile has none. */
export const memoryOf = (pids: readonly number[]): Memory =>
  pids
    .filter((pid) => existsSync(`/proc/${pid}/smaps_rollup`))
    .map((pid) => memoryIn(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')))
    .reduce((sum, { rssMb: rss, pssMb }) => ({ rssMb: sum.rssMb + rss, pssMb: sum.pssMb + pssMb }), {
      rssMb: 0,
      pssMb: 0,
    });

/** `peakRssMb` is of what follows. */
export const forgetPeakRss = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** Samples until the first call of what it gives, which gives them each time. */
export const watchRss = (pid: number, everyMs: number): (() => readonly number[]) => {
  const samples: number[] = [];
  const sample = (): void => {
    // One that has ended has no memory; why it did is told by what it was to do.
    if (existsSync(`/proc/${pid}`)) samples.push(rssMb(pid));
  };
  const timer = setInterval(sample, everyMs);
  return () => {
    clearInterval(timer);
    return samples;
  };
};
