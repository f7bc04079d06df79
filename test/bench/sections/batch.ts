/** 10,000 items at once from PHP: one batch, against waves of FastCGI requests on an equal pool without a gateway. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { measureCounted } from '../counted.ts';
import type { Command } from '../life.ts';
import { CONNECTIONS } from '../load.ts';
import { type Fpm, startFpm } from '../peers/fpm.ts';
import { type GatewayPeer, PHP_AUTOLOAD, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

const ITEMS = 10_000;
const WAVE = 64;
export const BATCH = 'POST /batch, bare socket';
const LIBRARY = 'POST /batch, the PHP client’s batch()';
export const WAVES = `PHP, a connection for each call, waves of ${WAVE}`;

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'items/s', digits: 0 },
  { key: 'toWaves', header: '× waves', digits: 2 },
  { key: 'serverUs', header: 'gateway µs/item', digits: 0 },
  { key: 'phpUs', header: 'PHP µs/item', digits: 0 },
];

/** At some 4,000 items a second. */
export const TURN_SECONDS = 2.5;
const CLIENTS = 3;
/** Batches take other ways through the code than the calls before them. */
export const warmupBatches = ({ quick }: Bench['options']): number => (quick ? 1 : 4);

export const batchSection: Section = {
  name: 'batch',
  about: '10,000 items in one batch, against waves of FastCGI requests from PHP on an equal pool',
  plannedSeconds: (options, { firstWarmupMs }) =>
    (options.rounds * CLIENTS + warmupBatches(options)) * TURN_SECONDS + firstWarmupMs / 1000 + 3,
};

interface Peers {
  readonly gateway: GatewayPeer;
  readonly fpm: Fpm;
}

const php = (bench: Bench, script: string, ...words: (string | number)[]): Command => ({
  command: 'php',
  args: [join(bench.root, script), ...words.map(String)],
});

export const batchOf = (bench: Bench, { port }: GatewayPeer): Command => php(bench, 'batch-client.php', port, ITEMS);

export const wavesOf = (bench: Bench, { socket }: Fpm): Command =>
  php(bench, 'batch-waves.php', socket, join(bench.root, 'echo.php'), WAVE, ITEMS);

const clientsOf = (bench: Bench, { gateway, fpm }: Peers) =>
  [
    { name: BATCH, pids: gateway.pids, command: batchOf(bench, gateway) },
    { name: LIBRARY, pids: gateway.pids, command: php(bench, 'batch-library.php', PHP_AUTOLOAD, gateway.port, ITEMS) },
    { name: WAVES, pids: [fpm.pid], command: wavesOf(bench, fpm) },
  ] as const;

export const warmUp = async (bench: Bench, gateway: GatewayPeer): Promise<void> => {
  await proveAnswer(gateway, ECHO);
  const durationMs = bench.times.firstWarmupMs;
  bench.progress.step(`${gateway.name} · warming up for batches`, durationMs / 1000);
  await bench.load.generate(gateway.target(ECHO), { connections: CONNECTIONS, durationMs });
  for (let left = warmupBatches(bench.options); left > 0; left -= 1) await bench.life.run(batchOf(bench, gateway));
};

/** With each row's ratio to the waves. */
export const batchTable = (name: string, measured: readonly Row[], workers: number): Table => {
  const waves = measured.find((row) => row.name === WAVES);
  const rows = measured.map((row) =>
    withValues(row, 'toWaves', ratios(row.values.perSecond ?? [], valuesOf(waves, 'perSecond'))),
  );
  const title = `${ITEMS.toLocaleString('en-US')} items of the empty function, ${workers} workers each`;
  return { name, title, rowHeader: 'client', columns: COLUMNS, rows };
};

export const runBatch = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder } = bench;
  const { rounds, workers } = bench.options;
  const gateway = await startGateway(life, folder, { workers });
  const fpm = await startFpm(life, folder, 'batch', workers);
  try {
    await warmUp(bench, gateway);
    const contestants: Contestant[] = clientsOf(bench, { gateway, fpm }).map(({ name, pids, command }) => ({
      name,
      turn: () => measureCounted(bench, pids, command),
    }));
    const before = announcing(bench, batchSection.name, rounds, TURN_SECONDS);
    const measured = await takeTurns(contestants, rounds, before);
    const table = batchTable(batchSection.name, measured, workers);
    const values = valuesOf(rowOf(table, BATCH), 'toWaves');
    const goal = { figure: 'a batch of 10,000: items/s to waves of 64', relation: '≥', limit: 3, values } as const;
    return { name: batchSection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    await gateway.stop();
    await fpm.running.stop();
  }
};
