/** Whether a call may occupy one more worker. Pure: the rules that status pages explain. */
import type { Cores } from './cores.ts';
import type { Workload } from './workload.ts';

export interface PlaceQuestion {
  readonly workload: Pick<Workload, 'cpuShare' | 'isSlow'>;
  /** A call that has a worker waits for it: the sooner it runs, the sooner that worker is free for others. */
  readonly awaited: boolean;
  readonly workers: number;
  readonly freeWorkers: number;
  /** Workers with slow calls. */
  readonly slowWorkers: number;
  /** Undefined: the workers run elsewhere, and their cores are not ours to share out. */
  readonly cores: Pick<Cores, 'fits' | 'fitsSlow'> | undefined;
  /** Calls that are not slow came lately: slow ones do not get all there is. */
  readonly quickCallsAround: boolean;
}

/** `worker`: none is free. `cores`: those that run want all of the CPU. `kept`: slow calls have all that they may have. */
export type Lacks = 'nothing' | 'worker' | 'cores' | 'kept';

export const lacks = (question: PlaceQuestion): Lacks => {
  const { workload, awaited, workers, freeWorkers, slowWorkers, cores, quickCallsAround } = question;
  const { cpuShare, isSlow } = workload;
  // By what slow calls have already, not by what is free: quick ones would always take that first.
  if (isSlow && quickCallsAround && !awaited) {
    if (workers > 1 && slowWorkers >= workers - 1) return 'kept';
    if (cores !== undefined && !cores.fitsSlow(cpuShare)) return 'kept';
  }
  if (freeWorkers <= 0) return 'worker';
  return cores === undefined || cores.fits(cpuShare) ? 'nothing' : 'cores';
};
