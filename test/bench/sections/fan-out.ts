/** Many calls at once from PHP with the gateway's client: from a script, and from inside of a function. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { parseCounted } from '../counted.ts';
import { type GatewayPeer, PHP_AUTOLOAD, startGateway } from '../peers/gateway.ts';
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

const TURN_SECONDS = 0.9;

export const fanOutSection: Section = {
  name: 'fan-out',
  about: `${CALLS} calls of ${SLEEP_MS} ms on ${WORKERS} workers by the PHP client, from a script and inside of a function`,
  plannedSeconds: ({ rounds }) => rounds * CALLERS.length * TURN_SECONDS + 6,
};

const turnOf = async (bench: Bench, gateway: GatewayPeer, where: string): Promise<Record<string, number>> => {
  const words = [PHP_AUTOLOAD, gateway.port, where, CALLS, SLEEP_MS * 1000].map(String);
  const said = await bench.life.run({ command: 'php', args: [join(bench.root, 'fan-out.php'), ...words] });
  const { elapsedMs } = parseCounted<{ readonly failed: number; readonly elapsedMs: number }>(said);
  return { elapsedMs, toTheory: elapsedMs / THEORY_MS };
};

const contestantFor = async (bench: Bench, { name, where, workers }: Caller): Promise<Contestant> => {
  try {
    const gateway = await startGateway(bench.life, bench.folder, { workers });
    await proveAnswer(gateway, ECHO);
    return { name, turn: () => turnOf(bench, gateway, where) };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
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
