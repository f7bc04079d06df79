/** An application whose bootstrap takes 5, 20, 50, 140 ms: one call at a time, and as many as it takes. */
import { type Bootstrap, measureBootstrap } from '../application/calibrate.ts';
import { calibrate, projectOf } from '../application/levels.ts';
import { bestSetup, NGINX, RESIDENT_ENGINE, type Starter, startersFor } from '../application/peers.ts';
import { type ApplicationProject, QUOTE } from '../application/project.ts';
import { announcing, type Bench, type Section } from '../bench.ts';
import { cpuBetween, cpuTimes } from '../cpu.ts';
import { CONNECTIONS, whatFailed } from '../load.ts';
import { describeSetup } from '../peers/all.ts';
import type { NginxSetup } from '../peers/nginx.ts';
import { type Peer, proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';

/** Of bootstrap, in ms. */
const LEVELS = [5, 20, 50, 140];
/** The largest is the one the goals are about. */
const GOAL_LEVEL = 140;

const COLUMNS: readonly Column[] = [
  { key: 'firstByteMs', header: 'first byte p50 ms', digits: 2 },
  { key: 'sooner', header: '× sooner than nginx', digits: 1 },
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toNginx', header: '× nginx', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 1 },
  { key: 'phpUs', header: 'PHP µs/call', digits: 0 },
  { key: 'serverUs', header: 'server µs/call', digits: 0 },
];

const CONTESTANTS = 3;
const turnSeconds = ({ turnSeconds: seconds, warmupMs }: Bench['times']): number => 2 * seconds + warmupMs / 1000 + 0.2;
const warmupSeconds = ({ firstWarmupMs }: Bench['times']): number => firstWarmupMs / 2000;

export const applicationSection: Section = {
  name: 'application',
  about:
    'an application of 5, 20, 50, 140 ms of bootstrap: resident, engine fpm, nginx + php-fpm; one call at a time, and under load',
  plannedSeconds: ({ rounds }, times) =>
    LEVELS.length * CONTESTANTS * (rounds * turnSeconds(times) + warmupSeconds(times)) + LEVELS.length * 10 + 15,
};

/** One call at a time, all the while; then as many as 16 callers make who call again at once. */
const turnOf = async ({ load, times }: Bench, peer: Peer): Promise<Record<string, number>> => {
  const target = peer.target(QUOTE);
  const durationMs = times.turnSeconds * 1000;
  const alone = await load.generate(target, { connections: 1, durationMs, warmupMs: times.warmupMs });
  const before = cpuTimes(peer.pids);
  const loaded = await load.generate(target, { connections: CONNECTIONS, durationMs });
  const { serverMs, phpMs } = cpuBetween(before, cpuTimes(peer.pids));
  const failed = whatFailed(alone) ?? whatFailed(loaded);
  if (failed !== undefined) throw new Error(failed);
  const us = (ms: number): number => (ms * 1000) / loaded.served;
  return {
    firstByteMs: alone.p50Ms,
    perSecond: loaded.perSecond,
    p99Ms: loaded.p99Ms,
    phpUs: us(phpMs),
    serverUs: us(serverMs),
  };
};

const contestantFor = async (bench: Bench, [name, start]: Starter, started: Peer[]): Promise<Contestant> => {
  try {
    const peer = await start();
    started.push(peer);
    await proveAnswer(peer, QUOTE);
    bench.progress.step(`${applicationSection.name} · warming up ${name}`, warmupSeconds(bench.times));
    const durationMs = warmupSeconds(bench.times) * 1000;
    await bench.load.generate(peer.target(QUOTE), { connections: CONNECTIONS, durationMs });
    return { name, turn: () => turnOf(bench, peer) };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const withRatios = (rows: readonly Row[]): Row[] => {
  const nginx = rows.find(({ name }) => name === NGINX);
  return rows.map((row) => {
    const sooner = ratios(valuesOf(nginx, 'firstByteMs'), row.values.firstByteMs ?? []);
    return withValues(
      withValues(row, 'sooner', sooner),
      'toNginx',
      ratios(row.values.perSecond ?? [], valuesOf(nginx, 'perSecond')),
    );
  });
};

interface Level {
  readonly wantedMs: number;
  readonly table: Table;
  readonly met: string;
  /** What the bootstrap spends its time with. */
  readonly shares: string;
}

const sharesOf = ({ ms, phasesMs }: Bootstrap): string =>
  Object.entries(phasesMs)
    .map(([phase, phaseMs]) => `${phase} ${Math.round((phaseMs / ms) * 100)} %`)
    .join(', ');

const measureLevel = async (
  bench: Bench,
  wantedMs: number,
  project: ApplicationProject,
  setup: NginxSetup,
): Promise<Level> => {
  const { rounds } = bench.options;
  const started: Peer[] = [];
  try {
    const contestants: Contestant[] = [];
    for (const starter of startersFor(bench, project, setup))
      contestants.push(await contestantFor(bench, starter, started));
    const [nginx] = started;
    if (nginx?.name !== NGINX) throw new Error(contestants[0]?.failure ?? 'nginx did not start');
    const bootstrap = await measureBootstrap(nginx.target(QUOTE).port);
    const { ms, cpuMs, classes, routes } = bootstrap;
    const before = announcing(bench, `bootstrap of ${wantedMs} ms`, rounds, turnSeconds(bench.times));
    const rows = withRatios(await takeTurns(contestants, rounds, before));
    const met = `${ms.toFixed(1)} ms, ${cpuMs.toFixed(1)} of CPU: ${project.modules} modules, ${classes} classes, ${routes} routes`;
    const name = `application-${wantedMs}`;
    const title = `${QUOTE.title}; bootstrap of ${met}`;
    return {
      wantedMs,
      table: { name, title, rowHeader: 'peer', columns: COLUMNS, rows },
      met,
      shares: sharesOf(bootstrap),
    };
  } finally {
    for (const peer of started) await peer.stop();
  }
};

const goalsOf = (levels: readonly Level[]): Goal[] => {
  const resident = rowOf(levels.find(({ wantedMs }) => wantedMs === GOAL_LEVEL)?.table, RESIDENT_ENGINE);
  const goal = (figure: string, limit: number, key: string): Goal => ({
    figure: `${GOAL_LEVEL} ms of bootstrap: ${figure}`,
    relation: '≥',
    limit,
    values: valuesOf(resident, key),
  });
  return [
    goal('first byte, × sooner than nginx + php-fpm', 35, 'sooner'),
    goal('calls/s to nginx + php-fpm', 10, 'toNginx'),
  ];
};

export const runApplication = async (bench: Bench): Promise<SectionResult> => {
  const modulesOf = await calibrate(bench);
  const levels: Level[] = [];
  let setup: NginxSetup | undefined;
  for (const wantedMs of LEVELS) {
    const project = await projectOf(bench, wantedMs, modulesOf(wantedMs));
    setup ??= await bestSetup(bench, project);
    levels.push(await measureLevel(bench, wantedMs, project, setup));
  }
  return {
    name: applicationSection.name,
    tables: levels.map(({ table }) => table),
    goals: goalsOf(levels),
    facts: {
      [NGINX]: setup === undefined ? 'not started' : describeSetup(setup),
      ...Object.fromEntries(levels.map(({ wantedMs, met }) => [`${wantedMs} ms`, met])),
      'bootstrap spends': levels.at(-1)?.shares ?? '',
    },
  };
};
