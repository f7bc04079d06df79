/** Memory and latency with up to 10,000 calls in flight, against what queueing theory allows. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { peakRssMb, rssMb } from '../cpu.ts';
import { whatFailed } from '../load.ts';
import { type GatewayPeer, MANY_CALLS, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, SectionResult } from '../result.ts';
import { rowOf, valuesOf } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { closedSystemMs } from '../statistics.ts';
import { SLEEP } from '../workloads.ts';

const WORKERS = 16;
const COUNTS = [10, 100, 1000, 10_000] as const;
const MOST = COUNTS[COUNTS.length - 1] ?? 0;
/** Of the service time, with as many calls in flight as workers, before and after. */
const serviceTurnMs = (quick: boolean): number => (quick ? 400 : 1000);
const MIN_MS = 1000;

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'p50Ms', header: 'p50 ms', digits: 1 },
  { key: 'p99Ms', header: 'p99 ms', digits: 1 },
  { key: 'serviceMs', header: 'S ms', digits: 2 },
  { key: 'theoryMs', header: 'N × S / W ms', digits: 1 },
  { key: 'toTheory', header: 'p99 / theory', digits: 2 },
  { key: 'idleMb', header: 'MB idle', digits: 0 },
  { key: 'loadedMb', header: 'MB at most', digits: 0 },
];

/** Each call is answered once before it counts, and then, unless it must be quick, twice. */
const generations = (quick: boolean): number => (quick ? 1 : 2);
const secondsOf = (quick: boolean): number => {
  const load = COUNTS.map(
    (count) => Math.max(MIN_MS, (generations(quick) * count * 5.3) / WORKERS) + (count * 7) / WORKERS,
  );
  return load.reduce((total, ms) => total + ms + 3 * serviceTurnMs(quick) + 1500, 0) / 1000;
};

export const inflightSection: Section = {
  name: 'inflight',
  about: 'memory and latency of the gateway with 10 to 10,000 calls in flight',
  plannedSeconds: (options) => options.rounds * secondsOf(options.quick),
};

/** A gateway of its own for each turn: memory that another turn needed would still be counted. */
const turnOf = async (bench: Bench, inFlight: number): Promise<Record<string, number>> => {
  const { life, folder } = bench;
  const gateway = await startGateway(life, folder, { workers: WORKERS, env: MANY_CALLS });
  try {
    await proveAnswer(gateway, SLEEP);
    return await measure(bench, gateway, inFlight);
  } finally {
    await gateway.stop();
  }
};

const serviceMs = async ({ load, options }: Bench, gateway: GatewayPeer): Promise<number> => {
  const durationMs = serviceTurnMs(options.quick);
  const result = await load.generate(gateway.target(SLEEP), {
    connections: WORKERS,
    warmupMs: durationMs / 2,
    durationMs,
  });
  const failed = whatFailed(result);
  if (failed !== undefined) throw new Error(failed);
  return result.meanMs;
};

const measure = async (bench: Bench, gateway: GatewayPeer, inFlight: number): Promise<Record<string, number>> => {
  const idleMb = rssMb(gateway.pid);
  const before = await serviceMs(bench, gateway);
  const guessMs = closedSystemMs(inFlight, WORKERS, before);
  const result = await bench.load.generate(gateway.target(SLEEP), {
    connections: inFlight,
    warmupMs: Math.max(300, guessMs * 1.3),
    durationMs: Math.max(MIN_MS, guessMs * generations(bench.options.quick)),
    drainMs: 60_000,
  });
  const failed = whatFailed(result);
  if (failed !== undefined) throw new Error(failed);
  const loadedMb = peakRssMb(gateway.pid);
  const service = (before + (await serviceMs(bench, gateway))) / 2;
  const theoryMs = closedSystemMs(inFlight, WORKERS, service);
  const { perSecond, p50Ms, p99Ms } = result;
  const toTheory = p99Ms / theoryMs;
  return {
    perSecond,
    p50Ms,
    p99Ms,
    serviceMs: service,
    theoryMs,
    toTheory,
    idleMb,
    loadedMb,
  };
};

const nameOf = (count: number): string => `${count.toLocaleString('en-US')} in flight`;

export const runInflight = async (bench: Bench): Promise<SectionResult> => {
  const { rounds, quick } = bench.options;
  const contestants: Contestant[] = COUNTS.map((count) => ({ name: nameOf(count), turn: () => turnOf(bench, count) }));
  const seconds = secondsOf(quick) / COUNTS.length;
  const rows = await takeTurns(contestants, rounds, announcing(bench, inflightSection.name, rounds, seconds));
  const table = {
    name: inflightSection.name,
    title: `the gateway alone, W = ${WORKERS} workers, functions that wait for 5 ms`,
    rowHeader: 'N',
    columns: COLUMNS,
    rows,
    note: 'N callers who call again at once share W workers first come first served: a call takes N × S / W (S if N ≤ W). S: mean with N = W.',
  };
  const most = rowOf(table, nameOf(MOST));
  const figure = nameOf(MOST);
  return {
    name: inflightSection.name,
    tables: [table],
    goals: [
      { figure: `p99 with ${figure}, to theory`, relation: '≤', limit: 1.2, values: valuesOf(most, 'toTheory') },
      { figure: `memory with ${figure}`, relation: '≤', limit: 256, unit: 'MB', values: valuesOf(most, 'loadedMb') },
    ],
    facts: {},
  };
};
