/** From a call on a pool that sleeps to its answer: php-fpm, resident workers, resident workers with an application. */

import { calibrate, projectOf } from '../application/levels.ts';
import { QUOTE } from '../application/project.ts';
import { announcing, type Bench, type Section } from '../bench.ts';
import { configOf, contractOf, generateProject } from '../generated.ts';
import { firstAnswer } from '../peers/first-answer.ts';
import { startFpm } from '../peers/fpm.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { SLEEPY } from '../sleepy.ts';
import { percentile, ratios } from '../statistics.ts';
import { onePool, untilAsleep } from '../status.ts';
import { ECHO, type Workload } from '../workloads.ts';

/** Each round has its own p99, which with so few is the slowest. */
const wakeUpsOf = ({ quick }: Bench['options']): number => (quick ? 5 : 30);
const roundsOf = ({ rounds }: Bench['options']): number => Math.min(rounds, 3);
const SECONDS_EACH = 0.8;
/** Milliseconds of bootstrap. */
const LEVELS = [5, 50, 140] as const;
const CALIBRATION_SECONDS = 40;

const BARE = 'php-fpm by itself';
const FPM = 'php-fpm pool';
const RESIDENT = 'resident pool';
const LIMITS_MS: readonly (readonly [row: string, limit: number])[] = [
  [FPM, 100],
  [RESIDENT, 150],
];

const COLUMNS: readonly Column[] = [
  { key: 'p50Ms', header: 'p50 ms', digits: 0 },
  { key: 'p99Ms', header: 'p99 ms', digits: 0 },
  { key: 'minMs', header: 'least ms', digits: 0 },
  { key: 'workerMs', header: 'for a worker, p50', digits: 0 },
  { key: 'toBare', header: '× php-fpm by itself', digits: 2 },
  { key: 'awakeMs', header: 'awake, p50 ms', digits: 2 },
];

const CONTESTANTS = 3 + LEVELS.length;

export const coldStartSection: Section = {
  name: 'cold-start',
  about: 'the first call of a pool that sleeps: php-fpm, resident workers, and those with an application to bootstrap',
  plannedSeconds: (options) =>
    roundsOf(options) * CONTESTANTS * wakeUpsOf(options) * SECONDS_EACH + CALIBRATION_SECONDS + CONTESTANTS * 2,
};

const summary = (elapsedMs: readonly number[]): Record<string, number> => ({
  p50Ms: percentile(elapsedMs, 0.5),
  p99Ms: percentile(elapsedMs, 0.99),
  minMs: Math.min(...elapsedMs),
});

const timed = async (run: () => Promise<void>): Promise<number> => {
  const startedMs = performance.now();
  await run();
  return performance.now() - startedMs;
};

/** The pool says that it sleeps, then one call comes; and some more, for what a call takes that need not wake it. */
const wakeUps = async (gateway: GatewayPeer, workload: Workload, count: number): Promise<Record<string, number>> => {
  const elapsedMs: number[] = [];
  const workerMs: number[] = [];
  const awakeMs: number[] = [];
  while (elapsedMs.length < count) {
    await untilAsleep(gateway);
    elapsedMs.push(await timed(() => proveAnswer(gateway, workload)));
    workerMs.push((await onePool(gateway)).coldStartMs ?? Number.NaN);
    awakeMs.push(await timed(() => proveAnswer(gateway, workload)));
  }
  return { ...summary(elapsedMs), workerMs: percentile(workerMs, 0.5), awakeMs: percentile(awakeMs, 0.5) };
};

/** What the machine itself needs: php-fpm with one worker, from the command to its answer. */
const bareTurn = async (bench: Bench, count: number): Promise<Record<string, number>> => {
  const elapsedMs: number[] = [];
  while (elapsedMs.length < count) {
    const startedMs = performance.now();
    const fpm = await startFpm(bench.life, bench.folder, 'cold-start', 1);
    await firstAnswer(fpm.socket, bench.root);
    elapsedMs.push(performance.now() - startedMs);
    await fpm.running.stop();
  }
  return summary(elapsedMs);
};

const echoProject = (parent: string, engine: 'fpm' | 'resident'): string =>
  generateProject({
    parent,
    name: `cold-${engine}`,
    files: {
      'schemas/echo.ts': contractOf(
        `engine: '${engine}', input: z.strictObject({ name: z.string().max(200) }), output: z.strictObject({ hello: z.string().max(200) })`,
      ),
      'functions/echo.php': "<?php return static fn (array $input): array => ['hello' => $input['name']];",
      'deploy/gateway.config.ts': configOf({}),
    },
  });

interface Sleeper {
  readonly name: string;
  readonly workload: Workload;
  readonly env?: Readonly<Record<string, string>>;
  readonly project: () => Promise<string> | string;
}

const sleepersOf = async (bench: Bench): Promise<Sleeper[]> => {
  const echo = (name: string, engine: 'fpm' | 'resident'): Sleeper => ({
    name,
    workload: ECHO,
    project: () => echoProject(bench.folder, engine),
  });
  const modulesOf = await calibrate(bench);
  const applications = LEVELS.map(
    (wantedMs): Sleeper => ({
      name: `${RESIDENT}, bootstrap of ${wantedMs} ms`,
      workload: QUOTE,
      env: { FPMG_FUNCTIONS__QUOTE__ENGINE: 'resident' },
      project: async () => (await projectOf(bench, wantedMs, modulesOf(wantedMs))).folder,
    }),
  );
  return [echo(FPM, 'fpm'), echo(RESIDENT, 'resident'), ...applications];
};

const contestantFor = async (bench: Bench, sleeper: Sleeper, started: GatewayPeer[]): Promise<Contestant> => {
  const { name, workload, env } = sleeper;
  const { life, folder, options } = bench;
  try {
    const project = await sleeper.project();
    const gateway = await startGateway(life, folder, { name, project, workers: undefined, env: { ...SLEEPY, ...env } });
    started.push(gateway);
    await wakeUps(gateway, workload, 2);
    return { name, turn: () => wakeUps(gateway, workload, wakeUpsOf(options)) };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const withRatios = (rows: readonly Row[]): Row[] => {
  const bare = rows.find(({ name }) => name === BARE);
  return rows.map((row) => withValues(row, 'toBare', ratios(row.values.p50Ms ?? [], valuesOf(bare, 'p50Ms'))));
};

const goalsOf = (table: Table): Goal[] =>
  LIMITS_MS.map(([name, limit]) => ({
    figure: `first call of a sleeping ${name}, p50`,
    relation: '≤',
    limit,
    unit: 'ms',
    values: valuesOf(rowOf(table, name), 'p50Ms'),
  }));

export const runColdStart = async (bench: Bench): Promise<SectionResult> => {
  const rounds = roundsOf(bench.options);
  const count = wakeUpsOf(bench.options);
  const started: GatewayPeer[] = [];
  try {
    const contestants: Contestant[] = [{ name: BARE, turn: () => bareTurn(bench, count) }];
    for (const sleeper of await sleepersOf(bench)) contestants.push(await contestantFor(bench, sleeper, started));
    const before = announcing(bench, coldStartSection.name, rounds, count * SECONDS_EACH);
    const table: Table = {
      name: coldStartSection.name,
      title: `from a call on a sleeping pool to its answer, ${count} wake-ups a round`,
      rowHeader: 'pool',
      columns: COLUMNS,
      rows: withRatios(await takeTurns(contestants, rounds, before)),
    };
    return {
      name: coldStartSection.name,
      tables: [table],
      goals: goalsOf(table),
      facts: { 'wake-ups': count * rounds },
    };
  } finally {
    for (const gateway of started) await gateway.stop();
  }
};
