/** Calls that wait: one worker of php-fpm, one that is resident, and one with a Fiber for each call. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { cpuBetween, cpuTimes, memoryOf, treeOf } from '../cpu.ts';
import { CONNECTIONS, whatFailed } from '../load.ts';
import type { GatewayPeer } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { askNap, askNaps, nap, startWaiting, WAIT_MS, WAY_NAMES, type Way } from '../waiting/project.ts';
import type { Workload } from '../workloads.ts';

const CONCURRENCY = 2000;
const FAN = 20;

interface Runner {
  readonly way: Way;
  readonly workers: number;
  readonly inFlight: number;
}

/** One worker that holds a call by itself answers 10 a second: more in flight would only wait in the gateway's queue. */
const FEW = 10;
const MANY = 1000;
const ONE_WORKER: readonly Runner[] = [
  { way: 'fpm', workers: 1, inFlight: FEW },
  { way: 'resident', workers: 1, inFlight: FEW },
  { way: 'fibers', workers: 1, inFlight: FEW },
  { way: 'fibers', workers: 1, inFlight: MANY },
];

const FANNING = 50;
const FANS: readonly Runner[] = [
  { way: 'fpm', workers: 1, inFlight: FANNING },
  { way: 'fpm', workers: FANNING, inFlight: FANNING },
  { way: 'resident', workers: 1, inFlight: FANNING },
  { way: 'resident', workers: FANNING, inFlight: FANNING },
  { way: 'fibers', workers: 1, inFlight: FANNING },
];

interface Contest {
  readonly name: string;
  readonly workload: (ms: number) => Workload;
  readonly runners: readonly Runner[];
  readonly goal: number | undefined;
}

const CONTESTS: readonly Contest[] = [
  { name: 'fibers-sleep', workload: nap, runners: ONE_WORKER, goal: 5000 },
  { name: 'fibers-nested', workload: askNap, runners: ONE_WORKER, goal: 3000 },
  { name: 'fibers-fan-out', workload: (ms) => askNaps(FAN, ms), runners: FANS, goal: undefined },
];

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toFpm', header: '× php-fpm, 1 worker', digits: 1 },
  { key: 'p50AboveMs', header: `p50 above ${WAIT_MS} ms`, digits: 1 },
  { key: 'p99AboveMs', header: `p99 above ${WAIT_MS} ms`, digits: 1 },
  { key: 'serverUs', header: 'gateway µs/call', digits: 0 },
  { key: 'phpUs', header: 'PHP µs/call', digits: 0 },
  { key: 'phpMb', header: 'PHP MB', digits: 0 },
];

const measureMs = ({ quick }: Bench['options']): number => (quick ? 1000 : 3000);
/** The slowest answer all callers once before anything counts. */
const turnSeconds = (options: Bench['options'], { inFlight, workers, way }: Runner): number =>
  (way === 'fibers' ? 1 : 2 * Math.ceil(inFlight / workers) * (WAIT_MS / 1000)) + measureMs(options) / 1000 + 1;

const secondsOf = (options: Bench['options'], times: Bench['times'], { runners }: Contest): number =>
  runners.reduce((sum, runner) => sum + options.rounds * turnSeconds(options, runner), 0) +
  runners.length * (times.firstWarmupMs / 1000 + 3);

export const fibersSection: Section = {
  name: 'fibers',
  about: `calls that wait for ${WAIT_MS} ms, by themselves and for others: a worker of php-fpm, a resident one, one with Fibers`,
  plannedSeconds: (options, times) => CONTESTS.reduce((sum, contest) => sum + secondsOf(options, times, contest), 0),
};

const nameOf = ({ way, workers, inFlight }: Runner): string =>
  `${WAY_NAMES[way]}, ${workers} worker${workers === 1 ? '' : 's'}, ${inFlight.toLocaleString('en-US')} in flight`;

/** PHP's processes: workers, and those they are forked from. */
const phpPids = (pids: readonly number[]): readonly number[] =>
  treeOf(pids)
    .filter(({ name }) => name.startsWith('php'))
    .map(({ pid }) => pid);

const turnOf = async (
  bench: Bench,
  gateway: GatewayPeer,
  workload: Workload,
  inFlight: number,
): Promise<Record<string, number>> => {
  const before = cpuTimes(gateway.pids);
  const result = await bench.load.generate(gateway.target(workload), {
    connections: inFlight,
    warmupMs: bench.times.warmupMs,
    durationMs: measureMs(bench.options),
    drainMs: 20_000,
  });
  const { serverMs, phpMs } = cpuBetween(before, cpuTimes(gateway.pids));
  const failed = whatFailed(result);
  if (failed !== undefined) throw new Error(failed);
  const { perSecond, p50Ms, p99Ms, served } = result;
  return {
    perSecond,
    p50AboveMs: p50Ms - WAIT_MS,
    p99AboveMs: p99Ms - WAIT_MS,
    serverUs: (serverMs * 1000) / served,
    phpUs: (phpMs * 1000) / served,
    phpMb: memoryOf(phpPids(gateway.pids)).pssMb,
  };
};

/** Warm by calls that hardly wait: at 10 a second Node would compile nothing. */
const warmUp = async ({ load, times, progress }: Bench, gateway: GatewayPeer, contest: Contest): Promise<void> => {
  await proveAnswer(gateway, contest.workload(WAIT_MS));
  const durationMs = times.firstWarmupMs;
  progress.step(`${contest.name} · warming up ${gateway.name}`, durationMs / 1000);
  await load.generate(gateway.target(contest.workload(1)), { connections: CONNECTIONS, durationMs });
};

const contestantFor = async (
  bench: Bench,
  contest: Contest,
  runner: Runner,
  started: GatewayPeer[],
): Promise<Contestant> => {
  const name = nameOf(runner);
  try {
    const gateway = await startWaiting(bench, name, { ...runner, concurrency: CONCURRENCY });
    started.push(gateway);
    await warmUp(bench, gateway, contest);
    return { name, turn: () => turnOf(bench, gateway, contest.workload(WAIT_MS), runner.inFlight) };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const withRatios = (rows: readonly Row[]): Row[] => {
  const [fpm] = rows;
  return rows.map((row) => withValues(row, 'toFpm', ratios(row.values.perSecond ?? [], valuesOf(fpm, 'perSecond'))));
};

const tableOf = async (bench: Bench, contest: Contest): Promise<Table> => {
  const { options } = bench;
  const { name, runners, workload } = contest;
  const started: GatewayPeer[] = [];
  try {
    const contestants: Contestant[] = [];
    for (const runner of runners) contestants.push(await contestantFor(bench, contest, runner, started));
    const mean = runners.reduce((sum, runner) => sum + turnSeconds(options, runner), 0) / runners.length;
    const rows = withRatios(
      await takeTurns(contestants, options.rounds, announcing(bench, name, options.rounds, mean)),
    );
    const note =
      workload === nap
        ? 'PHP MB: Pss of all its processes behind the load.'
        : 'PHP: with the one worker of another pool, by Fibers, in which the called functions wait, whoever calls them.';
    return { name, title: workload(WAIT_MS).title, rowHeader: 'worker', columns: COLUMNS, rows, note };
  } finally {
    for (const gateway of started) await gateway.stop();
  }
};

const goalsOf = (tables: readonly Table[]): Goal[] =>
  CONTESTS.flatMap(({ name, goal, workload, runners }) => {
    const table = tables.find((one) => one.name === name);
    const last = runners.at(-1);
    if (goal === undefined || last === undefined) return [];
    const values = valuesOf(rowOf(table, nameOf(last)), 'perSecond');
    const figure = `${workload(WAIT_MS).title}, one worker, ${last.inFlight.toLocaleString('en-US')} in flight`;
    return [{ figure, relation: '≥', limit: goal, unit: 'calls/s', values }];
  });

export const runFibers = async (bench: Bench): Promise<SectionResult> => {
  const tables: Table[] = [];
  for (const contest of CONTESTS) tables.push(await tableOf(bench, contest));
  return { name: fibersSection.name, tables, goals: goalsOf(tables), facts: { concurrency: CONCURRENCY } };
};
