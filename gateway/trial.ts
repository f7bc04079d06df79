/** Whether a new release fails where the one before it did not. Pure. */
import type { Settings } from './config.ts';
import type { Outcome } from './invoke/outcomes.ts';

const failureRate = ({ calls, failed }: Outcome): number => (calls === 0 ? 0 : failed / calls);

/** Of one function. One that failed half as often before is not the new release's fault. */
export const failsNow = (now: Outcome, before: Outcome, { errorRate, callsMin }: Settings['reload']): boolean =>
  now.failed >= callsMin && failureRate(now) >= errorRate && failureRate(before) < errorRate / 2;
