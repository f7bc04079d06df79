/** Many calls at once from PHP with the gateway's client: from a script, and from inside of a function. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { announcing, type Bench, type Section } from '../bench.ts';
import { parseCounted } from '../counted.ts';
import { CONNECTIONS } from '../load.ts';
import { startFpm } from '../peers/fpm.ts';
import { PHP_AUTOLOAD, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { closedSystemMs } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

const CALLS = 100;
const SLEEP_MS = 100;
const WORKERS = 20;
const LIMIT_MS = 600;
const THEORY_MS = closedSystemMs(CALLS, WORKERS, SLEEP_MS);

interface Caller {
  readonly name: string;
  readonly where: 'here' | 'inside';
  /** A function that calls holds a worker itself. */
  readonly workers: number;
}

const CALLERS: readonly Caller[] = [
  { name: 'a PHP script', where: 'here', workers: WORKERS },
  { name: 'a function, which has a worker more', where: 'inside', workers: WORKERS + 1 },
];

const COLUMNS: readonly Column[] = [
  { key: 'elapsedMs', header: 'ms', digits: 0 },
  { key: 'toTheory', header: '× theory', digits: 2 },
];

/** What the machine itself makes of them. */
const BARE = 'a PHP script by FastCGI, no gateway';

/** While quick calls are around, as those of the warm-up, slow ones leave a worker to them: 19 instead of 20. */
const QUICK_GONE_MS = 10_500;
const TURN_SECONDS = 0.9;

export const fanOutSection: Section = {
  name: 'fan-out',
  about: `${CALLS} calls of ${SLEEP_MS} ms on ${WORKERS} workers by the PHP client, from a script and inside of a function`,
  plannedSeconds: ({ rounds }, { firstWarmupMs }) =>
    rounds * (CALLERS.length + 1) * TURN_SECONDS + (CALLERS.length * firstWarmupMs + QUICK_GONE_MS) / 1000 + 6,
};

const turnOf = async (
  { life, root }: Bench,
  script: string,
  words: readonly (string | number)[],
): Promise<Record<string, number>> => {
  const args = [join(root, script), ...[...words, CALLS, SLEEP_MS * 1000].map(String)];
  const said = await life.run({ command: 'php', args });
  const { elapsedMs } = parseCounted<{ readonly failed: number; readonly elapsedMs: number }>(said);
  return { elapsedMs, toTheory: elapsedMs / THEORY_MS };
};

const contestantFor = async (bench: Bench, { name, where, workers }: Caller): Promise<Contestant> => {
  try {
    const gateway = await startGateway(bench.life, bench.folder, { workers });
    await proveAnswer(gateway, ECHO);
    // 100 calls are few: cold, they would be a measure of Node's compiler.
    const durationMs = bench.times.firstWarmupMs;
    bench.progress.step(`${fanOutSection.name} · warming up`, durationMs / 1000);
    await bench.load.generate(gateway.target(ECHO), { connections: CONNECTIONS, durationMs });
    const turn = (): Promise<Record<string, number>> =>
      turnOf(bench, 'fan-out.php', [PHP_AUTOLOAD, gateway.port, where]);
    // A function that was never called counts as quick.
    await turn();
    return { name, turn };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const bareContestant = async (bench: Bench): Promise<Contestant> => {
  const { socket } = await startFpm(bench.life, bench.folder, 'fan-out', WORKERS);
  const words = [socket, join(bench.root, 'sleep-5ms.php')];
  return { name: BARE, turn: () => turnOf(bench, 'fastcgi-fan-out.php', words) };
};

const goalsOf = (table: Table): Goal[] =>
  CALLERS.map(({ name, where }) => ({
    figure: `${CALLS} calls of ${SLEEP_MS} ms from ${where === 'here' ? 'PHP' : 'inside of a function'}`,
    relation: '≤',
    limit: LIMIT_MS,
    unit: 'ms',
    values: valuesOf(rowOf(table, name), 'elapsedMs'),
  }));

export const runFanOut = async (bench: Bench): Promise<SectionResult> => {
  const { rounds } = bench.options;
  const contestants: Contestant[] = [];
  for (const caller of CALLERS) contestants.push(await contestantFor(bench, caller));
  contestants.push(await bareContestant(bench));
  bench.progress.step(`${fanOutSection.name} · until no quick calls are around`, QUICK_GONE_MS / 1000);
  await delay(QUICK_GONE_MS);
  const rows = await takeTurns(contestants, rounds, announcing(bench, fanOutSection.name, rounds, TURN_SECONDS));
  const table: Table = {
    name: fanOutSection.name,
    title: `${CALLS} calls that wait for ${SLEEP_MS} ms, ${WORKERS} workers: ${THEORY_MS} ms at best`,
    rowHeader: 'caller',
    columns: COLUMNS,
    rows,
  };
  return { name: fanOutSection.name, tables: [table], goals: goalsOf(table), facts: {} };
};
