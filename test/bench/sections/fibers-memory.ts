/** What a call that waits takes of memory, in PHP and in the gateway, with up to 5,000 of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { announcing, type Bench, type Section } from '../bench.ts';
import { type Memory, memoryOf, treeOf } from '../cpu.ts';
import { CONNECTIONS } from '../load.ts';
import type { GatewayPeer } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { runningOf } from '../status.ts';
import { hold } from '../waiting/holding.ts';
import { nap, startWaiting, WAY_NAMES, type Way } from '../waiting/project.ts';

/** Each turn starts a gateway anew: memory that another turn needed would still be there. */
const roundsOf = ({ rounds }: Bench['options']): number => Math.min(rounds, 3);
const LIMIT_KB = 64;
/** Longer than any turn takes; those who hold them leave before. */
const HELD_MS = 55_000;
const BEGUN_MAX_MS = 30_000;
/** Node gives back what the arrival of all of them took. */
const SETTLE_MS = 2000;
const WARM_MS = 20;
const TURN_SECONDS = 9;

interface Load {
  readonly way: Way;
  readonly workers: number;
  readonly waiting: number;
}

const MOST: Load = { way: 'fibers', workers: 1, waiting: 5000 };
const FIBERS: readonly Load[] = [{ ...MOST, waiting: 1000 }, MOST];
const LOADS: readonly Load[] = [
  { way: 'fpm', workers: 50, waiting: 50 },
  { way: 'resident', workers: 50, waiting: 50 },
  ...FIBERS,
];

const COLUMNS: readonly Column[] = [
  { key: 'idleMb', header: 'PHP MB, 0 waiting', digits: 1 },
  { key: 'phpMb', header: 'PHP MB', digits: 1 },
  { key: 'eachKb', header: 'PHP kB, of all', digits: 1 },
  { key: 'phpKb', header: 'PHP kB more', digits: 1 },
  { key: 'phpRssKb', header: 'by RSS', digits: 1 },
  { key: 'gatewayMb', header: 'gateway MB', digits: 0 },
  { key: 'gatewayKb', header: 'gateway kB more', digits: 1 },
  { key: 'bothKb', header: 'kB more, both', digits: 1 },
];

export const fibersMemorySection: Section = {
  name: 'fibers-memory',
  about:
    'memory of a call that waits, with 1,000 and 5,000 of them in one worker, and of php-fpm’s and resident workers',
  plannedSeconds: (options) => roundsOf(options) * LOADS.length * TURN_SECONDS,
};

interface Taken {
  readonly php: Memory;
  readonly gateway: Memory;
}

const taken = ({ pid }: GatewayPeer): Taken => ({
  php: memoryOf(treeOf([pid]).flatMap((one) => (one.name.startsWith('php') ? [one.pid] : []))),
  gateway: memoryOf([pid]),
});

const measure = async (gateway: GatewayPeer, waiting: number): Promise<Record<string, number>> => {
  const idle = taken(gateway);
  const held = await hold(gateway.target(nap(HELD_MS)), waiting);
  try {
    const begun = async (): Promise<boolean> => {
      held.check();
      return (await runningOf(gateway, 'nap')) === waiting;
    };
    await until(`${waiting} calls wait`, begun, BEGUN_MAX_MS);
    await delay(SETTLE_MS);
    const full = taken(gateway);
    held.check();
    const kbEach = (mb: number): number => (mb * 1024) / waiting;
    const phpKb = kbEach(full.php.pssMb - idle.php.pssMb);
    const gatewayKb = kbEach(full.gateway.rssMb - idle.gateway.rssMb);
    return {
      idleMb: idle.php.pssMb,
      phpMb: full.php.pssMb,
      eachKb: kbEach(full.php.pssMb),
      phpKb,
      phpRssKb: kbEach(full.php.rssMb - idle.php.rssMb),
      gatewayMb: full.gateway.rssMb,
      gatewayKb,
      bothKb: phpKb + gatewayKb,
    };
  } finally {
    held.release();
  }
};

const turnOf = async (bench: Bench, load: Load): Promise<Record<string, number>> => {
  const options = { ...load, concurrency: 2 * MOST.waiting, napsOnly: true, memoryLimitMb: 1024 };
  const gateway = await startWaiting(bench, nameOf(load), options);
  try {
    await proveAnswer(gateway, nap(1));
    // Code that is loaded and compiled with the first calls is no memory of those that wait. Shorter ones would count as
    // short, and the next stand behind others.
    await bench.load.generate(gateway.target(nap(WARM_MS)), { connections: CONNECTIONS, durationMs: 1000 });
    await delay(SETTLE_MS);
    return await measure(gateway, load.waiting);
  } finally {
    await gateway.stop();
  }
};

const nameOf = ({ way, workers, waiting }: Load): string =>
  `${WAY_NAMES[way]}, ${waiting.toLocaleString('en-US')} in ${workers}`;

const goalsOf = (table: Table): Goal[] => {
  const goal = (figure: string, load: Load, key: string): Goal => ({
    figure: `${figure}, ${load.waiting.toLocaleString('en-US')} of them`,
    relation: '≤',
    limit: LIMIT_KB,
    unit: 'kB',
    values: valuesOf(rowOf(table, nameOf(load)), key),
  });
  return FIBERS.flatMap((load) => [
    goal('memory of a waiting call in its worker', load, 'phpKb'),
    goal('the same and the gateway’s', load, 'bothKb'),
  ]);
};

export const runFibersMemory = async (bench: Bench): Promise<SectionResult> => {
  const rounds = roundsOf(bench.options);
  const contestants: Contestant[] = LOADS.map((load) => ({ name: nameOf(load), turn: () => turnOf(bench, load) }));
  const before = announcing(bench, fibersMemorySection.name, rounds, TURN_SECONDS);
  const table: Table = {
    name: fibersMemorySection.name,
    title: 'calls that wait, each for a caller with a connection of its own',
    rowHeader: 'calls in workers',
    columns: COLUMNS,
    rows: await takeTurns(contestants, rounds, before),
    note: 'PHP: Pss of all its processes. kB for each call: "of all" is all of PHP’s memory, "more" what it is above 0 waiting. Gateway: RSS, with the callers’ connections.',
  };
  return { name: fibersMemorySection.name, tables: [table], goals: goalsOf(table), facts: {} };
};
