/** From the end of an item's function to its line at the caller, beside the same by FastCGI without a gateway. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { parseCounted } from '../counted.ts';
import { cpuBetween, cpuTimes } from '../cpu.ts';
import { type Fpm, startFpm } from '../peers/fpm.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, SectionResult } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { percentile } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

interface Load {
  readonly inFlight: number;
  /** Items sleep between 1 ms and this. */
  readonly maxMs: number;
}

/** 100 of up to 50 ms are some 3,800 a second: with PHP and the gateway that is all there is of 2 cores. */
const FULL: Load = { inFlight: 100, maxMs: 50 };
const LOADS: readonly Load[] = [{ inFlight: 10, maxMs: 50 }, { inFlight: 100, maxMs: 200 }, FULL];
/** A few more: none of those in flight waits for a worker. */
const WORKERS = 104;
/** For each of those in flight. */
const itemsEach = ({ quick }: Bench['options']): number => (quick ? 20 : 100);
const WARMUP_ITEMS = 10_000;

const COLUMNS: readonly Column[] = [
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 2 },
  { key: 'maxMs', header: 'max ms', digits: 1 },
  { key: 'serverUs', header: 'gateway µs/item', digits: 0 },
  { key: 'phpUs', header: 'PHP µs/item', digits: 0 },
];

/** Of the three in the mean. */
const turnSeconds = (options: Bench['options']): number => itemsEach(options) * 0.05 + 0.3;

export const batchDelaySection: Section = {
  name: 'batch-delay',
  about: 'from the end of an item’s function to its line at the caller, 10 and 100 in flight',
  plannedSeconds: (options) => options.rounds * 2 * LOADS.length * turnSeconds(options) + 8,
};

interface Said {
  readonly failed: number;
  readonly delaysMs: readonly number[];
}

type Measure = (items: number, load: Load) => Promise<readonly number[]>;

const measureBy =
  ({ life, root }: Bench, script: string, ...words: readonly (string | number)[]): Measure =>
  async (items, { inFlight, maxMs }) => {
    const args = [join(root, script), ...[...words, items, inFlight, maxMs * 1000].map(String)];
    return parseCounted<Said>(await life.run({ command: 'php', args })).delaysMs;
  };

const byBatch = (bench: Bench, { port }: GatewayPeer): Measure => measureBy(bench, 'batch-delay.php', port);

const byFastCgi = (bench: Bench, { socket }: Fpm): Measure =>
  measureBy(bench, 'fastcgi-delay.php', socket, join(bench.root, 'sleep-finish.php'));

const nameOf = (what: string, { inFlight, maxMs }: Load): string => `${what}, ${inFlight} of 1–${maxMs} ms`;

const contestantsOf = ({ options }: Bench, what: string, pids: readonly number[], measure: Measure): Contestant[] =>
  LOADS.map((load) => ({
    name: nameOf(what, load),
    turn: async () => {
      const before = cpuTimes(pids);
      const all = await measure(load.inFlight * itemsEach(options), load);
      const { serverMs, phpMs } = cpuBetween(before, cpuTimes(pids));
      return {
        p50Ms: percentile(all, 0.5),
        p99Ms: percentile(all, 0.99),
        maxMs: percentile(all, 1),
        serverUs: (serverMs * 1000) / all.length,
        phpUs: (phpMs * 1000) / all.length,
      };
    },
  }));

export const runBatchDelay = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder, options } = bench;
  const gateway = await startGateway(life, folder, { workers: WORKERS });
  const fpm = await startFpm(life, folder, 'delay', WORKERS);
  try {
    await proveAnswer(gateway, ECHO);
    const batch = byBatch(bench, gateway);
    await batch(options.quick ? 1000 : WARMUP_ITEMS, FULL);
    const contestants = [
      ...contestantsOf(bench, 'batch', gateway.pids, batch),
      ...contestantsOf(bench, 'FastCGI, no gateway', [fpm.pid], byFastCgi(bench, fpm)),
    ];
    const before = announcing(bench, batchDelaySection.name, options.rounds, turnSeconds(options));
    const rows = await takeTurns(contestants, options.rounds, before);
    const title = `so many items in flight that sleep that long, ${WORKERS} workers`;
    const note = 'From the handler’s last act, which reads the clock, to the read() of its caller that had the line.';
    const table = { name: batchDelaySection.name, title, rowHeader: 'caller', columns: COLUMNS, rows, note };
    const values = valuesOf(rowOf(table, nameOf('batch', FULL)), 'p99Ms');
    const figure = `p99 from an item’s end to its line, ${FULL.inFlight} in flight`;
    const goal = { figure, relation: '≤', limit: 10, unit: 'ms', values } as const;
    return { name: batchDelaySection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    await gateway.stop();
    await fpm.running.stop();
  }
};
