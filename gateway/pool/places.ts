/** Whether a call may occupy one more worker. Pure: the rules that status pages explain. */
import type { Cores } from './cores.ts';
import type { Workload } from './workload.ts';

export interface PlaceQuestion {
  readonly workload: Pick<Workload, 'cpuShare' | 'isSlow'>;
  readonly workers: number;
  readonly freeWorkers: number;
  /** Undefined: the workers run elsewhere, and their cores are not ours to share out. */
  readonly cores: Pick<Cores, 'fits'> | undefined;
  /** Calls that are not slow came lately: a slow one may not take what is left for them. */
  readonly quickCallsAround: boolean;
}

/** `worker`: none is free. `cores`: those that run want all of the CPU. `kept`: what is free is kept for quick calls. */
export type Lacks = 'nothing' | 'worker' | 'cores' | 'kept';

export const lacks = ({ workload, workers, freeWorkers, cores, quickCallsAround }: PlaceQuestion): Lacks => {
  if (freeWorkers <= 0) return 'worker';
  const { cpuShare } = workload;
  if (cores !== undefined && !cores.fits(cpuShare)) return 'cores';
  if (!workload.isSlow || !quickCallsAround) return 'nothing';
  if (workers > 1 && freeWorkers === 1) return 'kept';
  return cores !== undefined && cpuShare > 0 && !cores.fits(cpuShare + 1) ? 'kept' : 'nothing';
};
