/**
 * `npm run chaos -- overload`: an open loop at 1, 2, 5 and 10 times what the workers can do, and a noisy neighbour.
 * By itself: `node --conditions=fpm-gateway-source test/chaos/overload/main.ts --seconds 5`.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Life } from '../../bench/life.ts';
import { runNeighbours } from './neighbours.ts';
import { goalsOf, type Report, textOf } from './report.ts';
import { type Bound, Stage } from './stage.ts';
import { runSteps } from './steps.ts';

export interface OverloadOptions extends Bound {
  /** Of load in each step. */
  readonly seconds: number;
  readonly seed: number;
}

const TIMES = [1, 2, 5, 10];
/** More than this no caller on the same machine can send. */
const THREAD_TIMES = [1, 2];
const THREAD_CALLERS = 32;

export const runOverload = async ({ seconds, seed, ...bound }: OverloadOptions): Promise<Report> => {
  const life = new Life();
  try {
    const stage = await Stage.open(life, bound);
    const options = { seed, seconds };
    // Two callers for each worker: all are busy, and nobody is refused.
    const work = { function: 'work', callers: 2 * bound.workers, notes: true };
    const workers = await runSteps(stage, { ...options, times: TIMES }, work);
    const neighbours = await runNeighbours(stage, { ...options, capacity: workers.capacity });
    const empty = { function: 'empty', callers: THREAD_CALLERS, notes: false };
    const thread = await runSteps(stage, { ...options, times: THREAD_TIMES }, empty);
    const goals = goalsOf(workers, neighbours);
    return { date: new Date().toISOString(), seed, seconds, workers, thread, neighbours, goals };
  } finally {
    await life.endAll();
  }
};

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '8' },
      'work-ms': { type: 'string', default: '20' },
      json: { type: 'string' },
    },
  });
  const report = await runOverload({
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    workers: Number(values.workers),
    workMs: Number(values['work-ms']),
  });
  console.log(textOf(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  process.exitCode = report.goals.every(({ isReached }) => isReached) ? 0 : 1;
}
