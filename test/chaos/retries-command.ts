/** `npm run chaos -- retries`: how often a pool that is down is tried for each call. */
import type { Command } from './commands.ts';
import { retryAmplification } from './retries.ts';

const LIMIT = 1.2;

export const retriesCommand: Command = async ({ say }) => {
  const startedMs = performance.now();
  const { calls, attempts, ratio } = await retryAmplification();
  say(`${attempts} attempts for ${calls} calls: ${ratio.toFixed(3)} ×, at most ${LIMIT}`);
  return {
    command: 'retries',
    passed: ratio <= LIMIT ? 1 : 0,
    of: 1,
    seed: undefined,
    seconds: (performance.now() - startedMs) / 1000,
    figures: { calls, attempts, ratio: ratio.toFixed(3) },
  };
};
