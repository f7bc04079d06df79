/** Load that comes and goes on pools that follow it: calls that failed meanwhile, workers over time and why. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import {
  type Engine,
  IN_FLIGHT,
  loadMs,
  projectFor,
  restOf,
  stepsIn,
  turnOf,
  type Variant,
  WORK,
  WORKERS,
} from '../stepping.ts';
import type { Timeline } from '../timeline.ts';

const turnSeconds = (options: Bench['options']): number => stepsIn(options) * (loadMs(options) / 1000 + 4);

const ENGINES: readonly (readonly [Engine, string])[] = [
  ['fpm', 'php-fpm'],
  ['resident', 'resident'],
];
const VARIANTS: readonly Variant[] = ENGINES.flatMap(([engine, name]) => [
  { name: `${name}, ${WORKERS} all the time`, engine, minWorkers: WORKERS },
  { name: `${name}, 1 to ${WORKERS}`, engine, minWorkers: 1 },
  { name: `${name}, 0 to ${WORKERS}`, engine, minWorkers: 0 },
]);

const COLUMNS: readonly Column[] = [
  { key: 'calls', header: 'calls', digits: 0 },
  { key: 'failed', header: 'failed', digits: 0 },
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toFixed', header: '× all the time', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 0 },
  { key: 'maxMs', header: 'max ms', digits: 0 },
  { key: 'most', header: 'workers at most', digits: 0 },
  { key: 'up', header: 'steps up', digits: 0 },
  { key: 'down', header: 'down', digits: 0 },
  { key: 'restMs', header: 'ms to rest', digits: 0 },
];

export const loadStepsSection: Section = {
  name: 'load-steps',
  about:
    'load from 0 to its peak and back, several times, on pools whose workers follow it: calls that fail, steps, reasons',
  plannedSeconds: (options) => options.rounds * VARIANTS.length * turnSeconds(options) + VARIANTS.length * 3,
};

const contestantFor = async (
  bench: Bench,
  variant: Variant,
  started: GatewayPeer[],
  timelines: Timeline[],
): Promise<Contestant> => {
  const { name } = variant;
  const { life, folder } = bench;
  try {
    const project = projectFor(folder, variant);
    const gateway = await startGateway(life, folder, { name, project, workers: undefined });
    started.push(gateway);
    await proveAnswer(gateway, WORK);
    const turn = async (round: number): Promise<Readonly<Record<string, number>>> => {
      await restOf(gateway, variant.minWorkers);
      const { values, timeline } = await turnOf(bench, gateway, variant);
      if (round === 0 && variant.minWorkers < WORKERS) timelines.push(timeline);
      return values;
    };
    return { name, turn };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const withRatios = (rows: readonly Row[]): Row[] =>
  VARIANTS.flatMap(({ name, engine }) => {
    const fixed = VARIANTS.find((one) => one.engine === engine)?.name;
    const reference = valuesOf(
      rows.find((row) => row.name === fixed),
      'perSecond',
    );
    return rows
      .filter((row) => row.name === name)
      .map((row) => withValues(row, 'toFixed', ratios(row.values.perSecond ?? [], reference)));
  });

const goalsOf = (table: Table): Goal[] =>
  VARIANTS.filter(({ minWorkers }) => minWorkers < WORKERS).map(({ name }) => ({
    figure: `calls failed by scaling: ${name}`,
    relation: '≤',
    limit: 0,
    unit: 'calls',
    values: valuesOf(rowOf(table, name), 'failed'),
  }));

export const runLoadSteps = async (bench: Bench): Promise<SectionResult> => {
  const { rounds } = bench.options;
  const started: GatewayPeer[] = [];
  const timelines: Timeline[] = [];
  try {
    const contestants: Contestant[] = [];
    for (const variant of VARIANTS) contestants.push(await contestantFor(bench, variant, started, timelines));
    const before = announcing(bench, loadStepsSection.name, rounds, turnSeconds(bench.options));
    const table: Table = {
      name: loadStepsSection.name,
      title: `${stepsIn(bench.options)} times ${IN_FLIGHT} in flight of ${WORK.title}, and none until the workers rest`,
      rowHeader: 'workers',
      columns: COLUMNS,
      rows: withRatios(await takeTurns(contestants, rounds, before)),
    };
    return { name: loadStepsSection.name, tables: [table], goals: goalsOf(table), facts: {}, timelines };
  } finally {
    for (const gateway of started) await gateway.stop();
  }
};
