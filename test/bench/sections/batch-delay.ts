/** From the end of an item's function to its line at the caller. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { parseCounted } from '../counted.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, SectionResult } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { percentile } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

const IN_FLIGHT = [10, 100] as const;
const MOST = 100;
/** A few more: none of those in flight waits for a worker. */
const WORKERS = 104;
/** For each of those in flight; items sleep 25 ms on average. */
const itemsEach = ({ quick }: Bench['options']): number => (quick ? 20 : 100);
const WARMUP_ITEMS = 10_000;

const COLUMNS: readonly Column[] = [
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 2 },
  { key: 'maxMs', header: 'max ms', digits: 1 },
];

const turnSeconds = (options: Bench['options']): number => itemsEach(options) * 0.03 + 0.3;

export const batchDelaySection: Section = {
  name: 'batch-delay',
  about: 'from the end of an item’s function to its line at the caller, 10 and 100 in flight',
  plannedSeconds: (options) => options.rounds * IN_FLIGHT.length * turnSeconds(options) + 8,
};

interface Said {
  readonly failed: number;
  readonly delaysMs: readonly number[];
}

const measure = async (
  bench: Bench,
  gateway: GatewayPeer,
  items: number,
  inFlight: number,
): Promise<readonly number[]> =>
  parseCounted<Said>(
    await bench.life.run({
      command: 'php',
      args: [join(bench.root, 'batch-delay.php'), ...[gateway.port, items, inFlight].map(String)],
    }),
  ).delaysMs;

const turnOf = async (bench: Bench, gateway: GatewayPeer, inFlight: number): Promise<Record<string, number>> => {
  const all = await measure(bench, gateway, inFlight * itemsEach(bench.options), inFlight);
  return { p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99), maxMs: percentile(all, 1) };
};

const nameOf = (inFlight: number): string => `${inFlight} in flight`;

export const runBatchDelay = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder, options } = bench;
  const gateway = await startGateway(life, folder, { workers: WORKERS });
  try {
    await proveAnswer(gateway, ECHO);
    await measure(bench, gateway, options.quick ? 1000 : WARMUP_ITEMS, MOST);
    const contestants: Contestant[] = IN_FLIGHT.map((inFlight) => ({
      name: nameOf(inFlight),
      turn: () => turnOf(bench, gateway, inFlight),
    }));
    const before = announcing(bench, batchDelaySection.name, options.rounds, turnSeconds(options));
    const rows = await takeTurns(contestants, options.rounds, before);
    const title = `items that sleep for 1 to 50 ms, ${WORKERS} workers`;
    const note = 'From the handler’s last act, which reads the clock, to the read() of its caller that had the line.';
    const table = { name: batchDelaySection.name, title, rowHeader: 'batch', columns: COLUMNS, rows, note };
    const values = valuesOf(rowOf(table, nameOf(MOST)), 'p99Ms');
    const figure = `p99 from an item’s end to its line, ${nameOf(MOST)}`;
    const goal = { figure, relation: '≤', limit: 10, unit: 'ms', values } as const;
    return { name: batchDelaySection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    await gateway.stop();
  }
};
