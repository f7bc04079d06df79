/** What a gateway takes whose pools all sleep: the memory of its whole tree of processes. */
import { setTimeout as delay } from 'node:timers/promises';
import { announcing, type Bench, type Section } from '../bench.ts';
import { type Built, build } from '../built.ts';
import { memoryOf, treeOf } from '../cpu.ts';
import { configOf, contractOf, generateProject } from '../generated.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { untilAsleep } from '../status.ts';
import type { Workload } from '../workloads.ts';

const POOLS = 20;
const LIMIT_MB = 90;
/** What the start needed is let go of. */
const SETTLE_MS = 3000;
const TURN_SECONDS = 8;
const BUILD_SECONDS = 25;
const BARE_SERVER = `require('node:http').createServer((_, answer) => answer.end('{}')).listen(0, '127.0.0.1')`;

interface Variant {
  readonly name: string;
  readonly from: 'source' | 'dist';
  readonly use: 'asleep' | 'called' | 'awake';
}

const BARE = 'Node with an HTTP server, nothing else';
const VARIANTS: readonly Variant[] = [
  { name: 'asleep, installed package', from: 'dist', use: 'asleep' },
  { name: 'asleep, from source', from: 'source', use: 'asleep' },
  { name: 'asleep again after a call of each, installed', from: 'dist', use: 'called' },
  { name: 'awake, a worker in each, installed', from: 'dist', use: 'awake' },
];
const AWAKE = VARIANTS[3] as Variant;

const COLUMNS: readonly Column[] = [
  { key: 'rssMb', header: 'RSS MB', digits: 1 },
  { key: 'pssMb', header: 'Pss MB', digits: 1 },
  { key: 'gatewayMb', header: 'of Node', digits: 1 },
  { key: 'processes', header: 'processes', digits: 0 },
  { key: 'toAwake', header: '× awake', digits: 2 },
  { key: 'startMs', header: 'start ms', digits: 0 },
];

const roundsOf = ({ rounds }: Bench['options']): number => Math.min(rounds, 3);

export const sleepingSection: Section = {
  name: 'sleeping',
  about: `memory of a gateway with ${POOLS} pools that sleep, of the whole tree of processes`,
  plannedSeconds: (options) => roundsOf(options) * (VARIANTS.length + 1) * TURN_SECONDS + BUILD_SECONDS,
};

const nameAt = (at: number): string => `echo-${at}`;
const each = <T>(make: (at: number) => T): T[] => Array.from({ length: POOLS }, (_, at) => make(at));

/** Every second one is of resident workers. */
const projectFor = (parent: string, { use, from }: Variant, built: Built): string => {
  const minWorkers = use === 'awake' ? 1 : 0;
  const size = { minWorkers, maxWorkers: 1 };
  const pool = { ...size, sleepAfterMs: 1000, resident: size };
  const text = 'z.string().max(200)';
  const contracts = each((at) => [
    `schemas/${nameAt(at)}.ts`,
    contractOf(
      `handler: 'echo.php', pool: 'pool-${at}', engine: '${at % 2 === 0 ? 'fpm' : 'resident'}', input: z.strictObject({ name: ${text} }), output: z.strictObject({ hello: ${text} })`,
    ),
  ]);
  const pools = Object.fromEntries(each((at) => [`pool-${at}`, pool]));
  return generateProject({
    parent,
    name: 'sleeping',
    files: {
      ...Object.fromEntries(contracts),
      'functions/echo.php': "<?php return static fn (array $input): array => ['hello' => $input['name']];",
      'deploy/gateway.config.ts': configOf({ pools }),
    },
    ...(from === 'dist' ? { gatewayPackage: built.folder } : {}),
  });
};

const taken = (pid: number): Record<string, number> => {
  const pids = treeOf([pid]).map((one) => one.pid);
  return { ...memoryOf(pids), gatewayMb: memoryOf([pid]).rssMb, processes: pids.length };
};

const callEach = async (gateway: GatewayPeer): Promise<void> => {
  for (const name of each(nameAt)) {
    const workload: Workload = { name, title: '', body: '{"name":"Ada"}', answer: { json: { hello: 'Ada' } } };
    await proveAnswer(gateway, workload);
  }
};

const turnOf = async (bench: Bench, variant: Variant, built: Built): Promise<Record<string, number>> => {
  const { life, folder } = bench;
  const { name, from, use } = variant;
  const project = projectFor(folder, variant, built);
  const program = from === 'dist' ? { program: built.program } : {};
  const gateway = await startGateway(life, folder, { name, project, workers: undefined, ...program });
  try {
    if (use !== 'asleep') await callEach(gateway);
    if (use !== 'awake') await untilAsleep(gateway);
    await delay(SETTLE_MS);
    return { ...taken(gateway.pid), startMs: gateway.startMs };
  } finally {
    await gateway.stop();
  }
};

const bareTurn = async ({ life }: Bench): Promise<Record<string, number>> => {
  const running = life.start({ command: process.execPath, args: ['--max-semi-space-size=16', '-e', BARE_SERVER] });
  try {
    await delay(SETTLE_MS);
    return taken(running.pid);
  } finally {
    await running.stop();
  }
};

const withRatios = (rows: readonly Row[]): Row[] => {
  const awake = rows.find(({ name }) => name === AWAKE.name);
  return rows.map((row) => withValues(row, 'toAwake', ratios(row.values.rssMb ?? [], valuesOf(awake, 'rssMb'))));
};

const goalsOf = (table: Table): Goal[] =>
  VARIANTS.slice(0, 3).map(({ name }) => ({
    figure: `RSS of a gateway with ${POOLS} pools, ${name}`,
    relation: '≤',
    limit: LIMIT_MB,
    unit: 'MB',
    values: valuesOf(rowOf(table, name), 'rssMb'),
  }));

export const runSleeping = async (bench: Bench): Promise<SectionResult> => {
  const rounds = roundsOf(bench.options);
  const built = await build(bench);
  const contestants: Contestant[] = VARIANTS.map((variant) => ({
    name: variant.name,
    turn: () => turnOf(bench, variant, built),
  }));
  contestants.push({ name: BARE, turn: () => bareTurn(bench) });
  const before = announcing(bench, sleepingSection.name, rounds, TURN_SECONDS);
  const table: Table = {
    name: sleepingSection.name,
    title: `${POOLS} pools, half of them of resident workers: memory of all processes together`,
    rowHeader: 'gateway',
    columns: COLUMNS,
    rows: withRatios(await takeTurns(contestants, rounds, before)),
  };
  return { name: sleepingSection.name, tables: [table], goals: goalsOf(table), facts: {} };
};
