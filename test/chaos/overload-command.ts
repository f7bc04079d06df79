/** `npm run chaos -- overload`: what is done, refused and wasted at several times what can be done. */
import { writeFileSync } from 'node:fs';
import type { Command } from './commands.ts';
import { runOverload } from './overload/main.ts';
import { textOf } from './overload/report.ts';

const BOUND = { workers: 8, workMs: 20 };

export const overloadCommand: Command = async ({ options: { seed, seconds, json }, say, show }) => {
  const startedMs = performance.now();
  show(`about ${Math.round((9 * seconds) / 60) + 1} minutes`);
  const report = await runOverload({ ...BOUND, seconds, seed });
  say(textOf(report));
  // The whole of it, beside the summary.
  if (json !== undefined) writeFileSync(`${json}.report.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  const { workers, neighbours, goals } = report;
  const perStep = (of: (step: (typeof workers.steps)[number]) => number): string =>
    workers.steps.map((step) => of(step).toFixed(0)).join(', ');
  const wasted = workers.steps.reduce(
    (sum, step) => sum + (step.wasted?.afterLeaving ?? 0) + (step.wasted?.afterDeadline ?? 0),
    0,
  );
  return {
    command: 'overload',
    passed: goals.filter(({ isReached }) => isReached).length,
    of: goals.length,
    seed,
    seconds: (performance.now() - startedMs) / 1000,
    figures: {
      'capacity/s': Math.round(workers.capacity),
      'good/s at 1, 2, 5, 10 ×': perStep(({ goodPerSecond }) => goodPerSecond),
      'refused p99 ms': perStep(({ refusedP99Ms }) => refusedP99Ms),
      'normal after ms': perStep(({ recoveryMs }) => recoveryMs),
      'begun for nobody': wasted,
      'neighbours’ success %': (100 * neighbours.beside.success).toFixed(2),
      'neighbours’ p99 ×': neighbours.p99Ratio.toFixed(2),
    },
  };
};
