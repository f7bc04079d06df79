/** How long a look-up in the shared cache takes, as PHP sees it, at a gateway that has nothing else to do. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { type GatewayPeer, PHP_AUTOLOAD, startGateway } from '../peers/gateway.ts';
import type { Column, Goal, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { median, percentile } from '../statistics.ts';

const GETS_PER_CALL = 5;
const CALLS = 2000;
const WARM_UP_GETS = 30_000;
const TURN_SECONDS = 3;

const FPM = 'a function, php-fpm';
const RESIDENT = 'a function, resident';
const PROCESS = 'a PHP process, one after the other';

const COLUMNS: readonly Column[] = [
  { key: 'p50Us', header: 'p50 µs', digits: 0 },
  { key: 'p99Us', header: 'p99 µs', digits: 0 },
  { key: 'firstP50Us', header: 'first of a call, p50', digits: 0 },
  { key: 'firstP99Us', header: 'p99', digits: 0 },
];

export const cacheSection: Section = {
  name: 'cache',
  about:
    '`$call->cache->get()` as PHP sees it, by a function under both engines and by a PHP process, at an idle gateway',
  plannedSeconds: ({ rounds }) => rounds * 3 * TURN_SECONDS + 5,
};

interface Got {
  readonly us: readonly number[];
  readonly address: string;
}

const callFunction = async ({ port }: GatewayPeer, name: string): Promise<Got> => {
  const answer = await fetch(`http://127.0.0.1:${port}/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ gets: GETS_PER_CALL }),
  });
  if (!answer.ok) throw new Error(`${name} answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
  return (await answer.json()) as Got;
};

/** The first of a call finds the connection, and code that this worker has forgotten since the last one. */
const functionTurn = async (gateway: GatewayPeer, name: string): Promise<Record<string, number>> => {
  const first: number[] = [];
  const all: number[] = [];
  for (let call = 0; call < CALLS; call += 1) {
    const { us } = await callFunction(gateway, name);
    all.push(...us);
    first.push(...us.slice(0, 1));
  }
  return {
    p50Us: median(all),
    p99Us: percentile(all, 0.99),
    firstP50Us: median(first),
    firstP99Us: percentile(first, 0.99),
  };
};

const processTurn = async ({ life, root }: Bench, address: string, gets: number): Promise<Record<string, number>> => {
  const args = ['-d', 'opcache.enable_cli=1', join(root, 'cache-get.php'), PHP_AUTOLOAD, String(gets)];
  const us = JSON.parse(await life.run({ command: 'php', args, env: { FPMG_CACHE: address } })) as number[];
  return { p50Us: median(us), p99Us: percentile(us, 0.99) };
};

const goalsOf = (table: Table): Goal[] => [
  { figure: 'cache get, php-fpm', relation: '≤', limit: 120, unit: 'µs', values: valuesOf(rowOf(table, FPM), 'p50Us') },
  {
    figure: 'cache get, resident',
    relation: '≤',
    limit: 60,
    unit: 'µs',
    values: valuesOf(rowOf(table, RESIDENT), 'p50Us'),
  },
];

export const runCache = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder, options } = bench;
  const gateway = await startGateway(life, folder, { workers: options.workers });
  try {
    const { address } = await callFunction(gateway, 'cache-get');
    bench.progress.step(`${cacheSection.name} · warming up`, 2);
    await processTurn(bench, address, WARM_UP_GETS);
    const contestants: Contestant[] = [
      { name: FPM, turn: () => functionTurn(gateway, 'cache-get') },
      { name: RESIDENT, turn: () => functionTurn(gateway, 'cache-get-resident') },
      { name: PROCESS, turn: () => processTurn(bench, address, CALLS * GETS_PER_CALL) },
    ];
    const before = announcing(bench, cacheSection.name, options.rounds, TURN_SECONDS);
    const rows = await takeTurns(contestants, options.rounds, before);
    const title = `a value of 100 bytes, ${GETS_PER_CALL} look-ups a call`;
    const table: Table = { name: cacheSection.name, title, rowHeader: 'who asks', columns: COLUMNS, rows };
    return { name: cacheSection.name, tables: [table], goals: goalsOf(table), facts: {} };
  } finally {
    await gateway.stop();
  }
};
