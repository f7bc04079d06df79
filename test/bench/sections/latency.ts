/** Latency at the same load for all: 70 % of what the better nginx can do, on a schedule, from the time a call is due. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { type GeneratorResult, whatFailed } from '../load.ts';
import { GATEWAY, type HttpPeer, NGINX_NAMES, tryOnce } from '../peers/all.ts';
import type { Column, Row, SectionResult } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { bestOf, median, ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

const SHARE_OF_PEAK = 0.7;
/** Enough that calls wait in the server and not for a connection. */
const CONNECTIONS = 64;
const WARMUP_MS = 500;
/** For whoever cannot keep up: what was due is still sent and counted, as late as it is. */
const DRAIN_MS = 20_000;

const COLUMNS: readonly Column[] = [
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'p90Ms', header: 'p90 ms', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 2 },
  { key: 'toBestNginx', header: 'p99 × best nginx', digits: 2 },
  { key: 'p999Ms', header: 'p99.9 ms', digits: 2 },
  { key: 'maxMs', header: 'max ms', digits: 1 },
];

const peakRounds = ({ quick }: Bench['options']): number => (quick ? 1 : 3);

export const latencySection: Section = {
  name: 'latency',
  about: 'p50 to max at 70 % of the better nginx’s peak, open loop: gateway and both nginx',
  plannedSeconds: (options, { latencyMs }) =>
    peakRounds(options) * 2 * 1.3 + options.rounds * 3 * (latencyMs + WARMUP_MS) * 0.00105,
};

const measuredPeak = async (bench: Bench, nginx: readonly HttpPeer[]): Promise<number> => {
  const contestants: Contestant[] = nginx.map(({ name, peer, failure }) => ({
    name,
    failure,
    turn: async () => (peer === undefined ? {} : { perSecond: await tryOnce(bench.load, peer, ECHO) }),
  }));
  const rounds = peakRounds(bench.options);
  const rows = await takeTurns(contestants, rounds, announcing(bench, 'peak of nginx', rounds, 1.3));
  return median(bestOf(rows.map((row) => valuesOf(row, 'perSecond'))));
};

const pick = ({ p50Ms, p90Ms, p99Ms, p999Ms, maxMs }: GeneratorResult): Record<string, number> => ({
  p50Ms,
  p90Ms,
  p99Ms,
  p999Ms,
  maxMs,
});

const contestantAt = (bench: Bench, ratePerSecond: number, { name, peer, failure }: HttpPeer): Contestant => ({
  name,
  failure,
  turn: async () => {
    if (peer === undefined) return {};
    const result = await bench.load.generate(peer.target(ECHO), {
      connections: CONNECTIONS,
      warmupMs: WARMUP_MS,
      durationMs: bench.times.latencyMs,
      drainMs: DRAIN_MS,
      ratePerSecond,
    });
    const failed = whatFailed(result);
    if (failed !== undefined) throw new Error(failed);
    return pick(result);
  },
});

export const runLatency = async (bench: Bench): Promise<SectionResult> => {
  const peers = await bench.httpPeers();
  const nginx = peers.filter(({ name }) => NGINX_NAMES.includes(name));
  const peak = await measuredPeak(bench, nginx);
  if (Number.isNaN(peak))
    throw new Error(`no nginx to compare with: ${nginx.map(({ failure }) => failure).join('; ')}`);
  const rate = Math.round(peak * SHARE_OF_PEAK);
  const { rounds } = bench.options;
  const contestants = peers
    .filter(({ name }) => name === GATEWAY || NGINX_NAMES.includes(name))
    .map((peer) => contestantAt(bench, rate, peer));
  const seconds = (bench.times.latencyMs + WARMUP_MS) / 1000;
  const measured = await takeTurns(contestants, rounds, announcing(bench, latencySection.name, rounds, seconds));
  const better = bestOf(
    measured.filter(({ name }) => NGINX_NAMES.includes(name)).map((row) => valuesOf(row, 'p99Ms')),
    Math.min,
  );
  const rows: Row[] = measured.map((row) => withValues(row, 'toBestNginx', ratios(row.values.p99Ms ?? [], better)));
  const title = `an empty function at ${rate} calls/s, 70 % of the better nginx’s ${Math.round(peak)}`;
  const table = { name: latencySection.name, title, rowHeader: 'peer', columns: COLUMNS, rows };
  const values = valuesOf(rowOf(table, GATEWAY), 'toBestNginx');
  const goal = { figure: 'p99 at 70 % of nginx’s peak, to the better nginx', relation: '≤', limit: 1, values } as const;
  return { name: latencySection.name, tables: [table], goals: [goal], facts: { peak: Math.round(peak), rate } };
};
