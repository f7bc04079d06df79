/** Memory of the gateway for a long batch: read at once, and by a caller that sends all of it before it reads. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { announcing, type Bench, type Section } from '../bench.ts';
import { type Counted, parseCounted } from '../counted.ts';
import { forgetPeakRss, peakRssMb, rssMb, watchRss } from '../cpu.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { mostOfHalves } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

/** Two rounds of each row were within 14 % of each other: more would only take longer. */
const roundsOf = ({ rounds }: Bench['options']): number => Math.min(rounds, 2);
const itemsOf = ({ quick }: Bench['options']): number => (quick ? 10_000 : 100_000);
const WARMUP_ITEMS = 10_000;
/** What is let go when a batch ends is gone then, and what is before the next is idle memory. */
const SETTLE_MS = 2000;
const SAMPLE_MS = 50;
const MEMORY_MAX_MB = 64;
/** With 1 kB there and back. */
const ITEMS_PER_SECOND = 3000;

interface Variant {
  readonly name: string;
  readonly reads: 'at-once' | 'afterwards';
  readonly warm: boolean;
}

const VARIANTS: readonly Variant[] = [
  { name: 'read at once, first batch', reads: 'at-once', warm: false },
  { name: 'read at once, after a batch', reads: 'at-once', warm: true },
  { name: 'all sent before reading, first batch', reads: 'afterwards', warm: false },
  { name: 'all sent before reading, after a batch', reads: 'afterwards', warm: true },
];

const COLUMNS: readonly Column[] = [
  { key: 'idleMb', header: 'MB idle', digits: 0 },
  { key: 'aboveMb', header: 'MB above at most', digits: 0 },
  { key: 'firstHalfMb', header: '1st half', digits: 0 },
  { key: 'secondHalfMb', header: '2nd half', digits: 0 },
  { key: 'perSecond', header: 'items/s', digits: 0 },
];

const turnSeconds = (options: Bench['options']): number =>
  (itemsOf(options) + WARMUP_ITEMS / 2) / ITEMS_PER_SECOND + SETTLE_MS / 1000 + 3;

export const batchMemorySection: Section = {
  name: 'batch-memory',
  about: 'memory of the gateway for a batch of 100,000 items of 1 kB',
  plannedSeconds: (options) => roundsOf(options) * VARIANTS.length * turnSeconds(options),
};

const send = async (bench: Bench, gateway: GatewayPeer, items: number, reads: string): Promise<Counted> =>
  parseCounted<Counted>(
    await bench.life.run({
      command: 'php',
      args: [join(bench.root, 'batch-memory.php'), ...[gateway.port, items, reads].map(String)],
    }),
  );

/** A gateway of its own for each turn: memory that another turn needed would still be there. */
const turnOf = async (bench: Bench, { reads, warm }: Variant): Promise<Record<string, number>> => {
  const { life, folder, options } = bench;
  const gateway = await startGateway(life, folder, { workers: options.workers });
  try {
    await proveAnswer(gateway, ECHO);
    if (warm) await send(bench, gateway, WARMUP_ITEMS, reads);
    await delay(SETTLE_MS);
    const idleMb = rssMb(gateway.pid);
    forgetPeakRss(gateway.pid);
    const stopWatch = watchRss(gateway.pid, SAMPLE_MS);
    const { calls, elapsedMs } = await send(bench, gateway, itemsOf(options), reads).finally(() => stopWatch());
    const [first, second] = mostOfHalves(stopWatch());
    return {
      idleMb,
      aboveMb: peakRssMb(gateway.pid) - idleMb,
      firstHalfMb: first - idleMb,
      secondHalfMb: second - idleMb,
      perSecond: (calls * 1000) / elapsedMs,
    };
  } finally {
    await gateway.stop();
  }
};

const goalsOf = (table: Table): Goal[] =>
  VARIANTS.map(({ name }) => ({
    figure: `memory above idle, batch ${name}`,
    relation: '≤',
    limit: MEMORY_MAX_MB,
    unit: 'MB',
    values: valuesOf(rowOf(table, name), 'aboveMb'),
  }));

export const runBatchMemory = async (bench: Bench): Promise<SectionResult> => {
  const rounds = roundsOf(bench.options);
  const contestants: Contestant[] = VARIANTS.map((variant) => ({
    name: variant.name,
    turn: () => turnOf(bench, variant),
  }));
  const before = announcing(bench, batchMemorySection.name, rounds, turnSeconds(bench.options));
  const rows = await takeTurns(contestants, rounds, before);
  const table: Table = {
    name: batchMemorySection.name,
    title: `one batch of ${itemsOf(bench.options).toLocaleString('en-US')} items, 1 kB in and out`,
    rowHeader: 'its reader',
    columns: COLUMNS,
    rows,
    note: `Above idle: the most the gateway’s process had; the halves of the time are sampled every ${SAMPLE_MS} ms.`,
  };
  return { name: batchMemorySection.name, tables: [table], goals: goalsOf(table), facts: {} };
};
