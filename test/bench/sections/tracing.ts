/** What tracing costs: off, every call recorded, and some or all calls exported to a collector. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { type Collector, startCollector, untilQuiet } from '../collecting.ts';
import { cpuBetween, cpuTimes } from '../cpu.ts';
import { CONNECTIONS, whatFailed } from '../load.ts';
import { type GatewayPeer, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, Goal, Row, SectionResult } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

/** Server, attempt, PHP. */
const SPANS_PER_CALL = 3;
/** What is exported in the background must not run in somebody else's turn. */
const quietMs = ({ quick }: Bench['options']): number => (quick ? 200 : 1000);
const OFF = 'tracing off';
const RECORDED = 'recorded (default)';

interface Variant {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of calls that are exported; 0: no collector. */
  readonly share: number;
}

const exported = (percent: number): Variant => ({
  name: `exported, ${percent} %`,
  env: {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(percent / 100),
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
  },
  share: percent / 100,
});

const VARIANTS: readonly Variant[] = [
  { name: OFF, env: { FPMG_TRACE__ENABLED: 'false' }, share: 0 },
  { name: RECORDED, env: {}, share: 0 },
  ...[1, 5, 100].map(exported),
];

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toOff', header: '× off', digits: 2 },
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 2 },
  { key: 'serverUs', header: 'gateway µs/call', digits: 0 },
  { key: 'spansDue', header: 'spans due', digits: 0 },
  { key: 'spansReceived', header: 'received', digits: 0 },
];

const turnSeconds = ({ turnSeconds: seconds, warmupMs }: Bench['times']): number => seconds + warmupMs / 1000 + 0.1;

export const tracingSection: Section = {
  name: 'tracing',
  about: 'the gateway with tracing off, recorded, and exported by OTLP: 1 %, 5 %, all',
  plannedSeconds: ({ rounds }, times) =>
    rounds * (VARIANTS.length * turnSeconds(times) + 5) + (VARIANTS.length * times.firstWarmupMs) / 1000 + 10,
};

interface Tried {
  readonly variant: Variant;
  readonly gateway: GatewayPeer;
  readonly collector: Collector | undefined;
  /** Before the first turn. */
  readonly callsBefore: number;
}

const turnOf = async (
  { load, times, options }: Bench,
  { variant, gateway, collector }: Tried,
): Promise<Record<string, number>> => {
  const before = cpuTimes(gateway.pids);
  const result = await load.generate(gateway.target(ECHO), {
    connections: CONNECTIONS,
    warmupMs: times.warmupMs,
    durationMs: times.turnSeconds * 1000,
  });
  const failed = whatFailed(result);
  if (failed !== undefined) throw new Error(failed);
  const { serverMs } = cpuBetween(before, cpuTimes(gateway.pids));
  await untilQuiet(collector, quietMs(options));
  const { perSecond, p50Ms, p99Ms, served } = result;
  const spansDue = served * SPANS_PER_CALL * variant.share;
  return { perSecond, p50Ms, p99Ms, serverUs: (serverMs * 1000) / served, spansDue };
};

const startVariant = async (bench: Bench, variant: Variant): Promise<Tried> => {
  const { life, folder, options } = bench;
  const collector = variant.share > 0 ? await startCollector(life) : undefined;
  const endpoint = collector === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const env = { ...variant.env, ...endpoint };
  const gateway = await startGateway(life, folder, { name: variant.name, workers: options.workers, env });
  await proveAnswer(gateway, ECHO);
  const { served } = await bench.load.generate(gateway.target(ECHO), {
    connections: CONNECTIONS,
    durationMs: bench.times.firstWarmupMs,
  });
  return { variant, gateway, collector, callsBefore: served + 1 };
};

/** What it logged about traces it lost, in its own words. */
const saidDropped = ({ gateway }: Tried): string =>
  gateway.running
    .out()
    .split('\n')
    .filter((line) => /drop/i.test(line))
    .at(-1) ?? '';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** After the load: the gateway stops, which sends what is left, and the spans of all rounds are counted. */
const countedRow = async (row: Row, tried: Tried | undefined): Promise<Row> => {
  if (tried?.collector === undefined) return { ...row, values: { ...row.values, spansDue: [] } };
  await tried.gateway.stop();
  const spans = await tried.collector.spans();
  const due = sum(row.values.spansDue ?? []) + SPANS_PER_CALL * tried.variant.share * tried.callsBefore;
  return { ...row, values: { ...row.values, spansDue: [due], spansReceived: [spans] } };
};

const goalsOf = (rows: readonly Row[]): Goal[] => {
  const table = { name: '', title: '', rowHeader: '', columns: COLUMNS, rows };
  const toOff = (name: string): readonly number[] => valuesOf(rowOf(table, name), 'toOff');
  const all = rowOf(table, exported(100).name);
  const complete = ratios(valuesOf(all, 'spansReceived'), valuesOf(all, 'spansDue'));
  return [
    { figure: 'every call recorded, to tracing off', relation: '≥', limit: 0.95, values: toOff(RECORDED) },
    { figure: '5 % exported, to tracing off', relation: '≥', limit: 0.93, values: toOff(exported(5).name) },
    { figure: 'all exported, to tracing off', relation: '≥', limit: 0.75, values: toOff(exported(100).name) },
    { figure: 'all exported: spans received of those due', relation: '≥', limit: 1, values: complete },
  ];
};

export const runTracing = async (bench: Bench): Promise<SectionResult> => {
  const { rounds } = bench.options;
  const tried = new Map<string, Tried>();
  const contestants: Contestant[] = [];
  for (const variant of VARIANTS) {
    const failure = await startVariant(bench, variant).then((started) => {
      tried.set(variant.name, started);
    }, reason);
    const turn = async (): Promise<Record<string, number>> => turnOf(bench, tried.get(variant.name) as Tried);
    contestants.push({ name: variant.name, failure: failure ?? undefined, turn });
  }
  const before = announcing(bench, tracingSection.name, rounds, turnSeconds(bench.times) + 1);
  const measured = await takeTurns(contestants, rounds, before);
  const off = valuesOf(
    measured.find(({ name }) => name === OFF),
    'perSecond',
  );
  const rows: Row[] = [];
  for (const row of measured)
    rows.push(withValues(await countedRow(row, tried.get(row.name)), 'toOff', ratios(row.values.perSecond ?? [], off)));
  const facts = Object.fromEntries(
    [...tried.values()]
      .map((one) => [`${one.variant.name}, logged`, saidDropped(one)])
      .filter(([, said]) => said !== ''),
  );
  for (const { gateway } of tried.values()) await gateway.stop();
  const title = 'the gateway alone, an empty function';
  const note = `Spans: ${SPANS_PER_CALL} per call, all rounds and warm-ups; below 100 % “due” is what the share makes on average.`;
  return {
    name: tracingSection.name,
    tables: [{ name: tracingSection.name, title, rowHeader: 'tracing', columns: COLUMNS, rows, note }],
    goals: goalsOf(rows),
    facts,
  };
};
