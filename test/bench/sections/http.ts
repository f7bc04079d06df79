/** Every peer under the same work, as fast as 16 connections go. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { cpuBetween, cpuTimes } from '../cpu.ts';
import { CONNECTIONS } from '../load.ts';
import { describeSetup, fastest, GATEWAY, type HttpPeer, NGINX_NAMES, triesSeconds } from '../peers/all.ts';
import type { NginxPeer } from '../peers/nginx.ts';
import { type Peer, proveAnswer } from '../peers/peer.ts';
import type { Column, Row, SectionResult, Table } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { bestOf, ratios } from '../statistics.ts';
import { cpuWorkload, MEGABYTES, SHORT, type Workload } from '../workloads.ts';

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toBestNginx', header: '× best nginx', digits: 2 },
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'p99Ms', header: 'p99 ms', digits: 2 },
  { key: 'serverUs', header: 'server µs/call', digits: 0 },
  { key: 'phpUs', header: 'PHP µs/call', digits: 0 },
];

const PEERS = 6;
const turnSeconds = ({ times }: Pick<Bench, 'times'>): number => times.turnSeconds + times.warmupMs / 1000 + 0.1;

const plannedSeconds = (workloads: number, { rounds }: Bench['options'], times: Bench['times']): number =>
  workloads * PEERS * (rounds * turnSeconds({ times }) + times.nextWarmupMs / 1000);

/** Starting and warming up the peers, whichever section does it. */
const START_SECONDS = 8;

export const httpSection: Section = {
  name: 'http',
  about: 'the gateway, nginx (new and kept FastCGI connections), Apache and Caddy: short calls, closed loop',
  plannedSeconds: (options, times) =>
    plannedSeconds(4, options, times) + START_SECONDS + (PEERS * times.firstWarmupMs) / 1000 + triesSeconds(options, 5),
};

export const megabyteSection: Section = {
  name: 'megabyte',
  about: 'the same peers sending 1 MB, as a whole and in pieces',
  plannedSeconds: (options, times) => plannedSeconds(2, options, times) + triesSeconds(options, 8),
};

export const turnOf = async (
  { load, times }: Bench,
  peer: Peer,
  workload: Workload,
): Promise<Record<string, number>> => {
  const target = peer.target(workload);
  await load.generate(target, { connections: CONNECTIONS, durationMs: times.warmupMs });
  const before = cpuTimes(peer.pids);
  const { calls, perSecond, p50Ms, p99Ms, invalid } = await load.wrk(target, times.turnSeconds);
  const { serverMs, phpMs } = cpuBetween(before, cpuTimes(peer.pids));
  if (invalid !== undefined) throw new Error(invalid);
  return { perSecond, p50Ms, p99Ms, serverUs: (serverMs * 1000) / calls, phpUs: (phpMs * 1000) / calls };
};

/** One whose answer is wrong does not take part. */
const contestantFor = async (
  bench: Bench,
  { name, peer, failure }: HttpPeer,
  workload: Workload,
): Promise<Contestant> => {
  if (peer === undefined) return { name, failure: failure ?? 'not started', turn: async () => ({}) };
  const wrong = await proveAnswer(peer, workload).then(() => undefined, reason);
  const durationMs = bench.times.nextWarmupMs;
  if (wrong === undefined && durationMs > 0) {
    bench.progress.step(`${workload.name} · warming up ${name}`, durationMs / 1000);
    await bench.load.generate(peer.target(workload), { connections: CONNECTIONS, durationMs });
  }
  return { name, failure: wrong, turn: () => turnOf(bench, peer, workload) };
};

const withRatios = (rows: readonly Row[]): Row[] => {
  const nginx = rows.filter(({ name }) => NGINX_NAMES.includes(name)).map((row) => valuesOf(row, 'perSecond'));
  const best = bestOf(nginx);
  return rows.map((row) => withValues(row, 'toBestNginx', ratios(row.values.perSecond ?? [], best)));
};

export const compare = async (bench: Bench, peers: readonly HttpPeer[], workload: Workload): Promise<Table> => {
  const { rounds } = bench.options;
  const contestants: Contestant[] = [];
  for (const peer of peers) contestants.push(await contestantFor(bench, peer, workload));
  const rows = await takeTurns(contestants, rounds, announcing(bench, workload.name, rounds, turnSeconds(bench)));
  return { name: workload.name, title: workload.title, rowHeader: 'peer', columns: COLUMNS, rows: withRatios(rows) };
};

const toBestNginx = (table: Table | undefined): readonly number[] => valuesOf(rowOf(table, GATEWAY), 'toBestNginx');

const setupsOf = (peers: readonly HttpPeer[]): Record<string, string> =>
  Object.fromEntries(
    peers
      .filter(({ name, peer }) => peer !== undefined && NGINX_NAMES.includes(name))
      .map(({ name, peer }) => [name, describeSetup((peer as NginxPeer).setup)]),
  );

export const runHttp = async (bench: Bench): Promise<SectionResult> => {
  const peers = await bench.httpPeers();
  const calibrated = await bench.life.run({ command: 'php', args: [join(bench.root, 'calibrate.php')] });
  const { iterations } = JSON.parse(calibrated) as { iterations: number };
  const workloads = [...SHORT, cpuWorkload(iterations, digestAfter(iterations))];
  const tables: Table[] = [];
  for (const workload of workloads) tables.push(await compare(bench, peers, workload));
  const goal = { figure: 'empty function: calls/s to best nginx', relation: '≥', limit: 1.3 } as const;
  return {
    name: httpSection.name,
    tables,
    goals: [{ ...goal, values: toBestNginx(tables[0]) }],
    facts: { ...setupsOf(peers), 'hashes in 5 ms': iterations },
  };
};

const digestAfter = (iterations: number): string => {
  let digest = '';
  for (let left = iterations; left > 0; left -= 1) digest = createHash('sha256').update(digest).digest('hex');
  return digest;
};

/** nginx by the way of passing large answers that is the faster one for this work. */
const forLarge = async (bench: Bench, { name, peer, failure }: HttpPeer, workload: Workload): Promise<HttpPeer> => {
  if (peer === undefined || !NGINX_NAMES.includes(name)) return { name, peer, failure };
  const nginx = peer as NginxPeer;
  const ways = (['buffered', 'unbuffered'] as const).map((largeBy) => nginx.passing(largeBy));
  return { name, peer: await fastest(bench, name, ways, workload, ({ setup }) => setup.largeBy) };
};

export const runMegabyte = async (bench: Bench): Promise<SectionResult> => {
  const tables: Table[] = [];
  const facts: Record<string, string> = {};
  for (const workload of MEGABYTES) {
    const peers: HttpPeer[] = [];
    for (const peer of await bench.httpPeers()) peers.push(await forLarge(bench, peer, workload));
    for (const { name, peer } of peers)
      if (peer !== undefined && NGINX_NAMES.includes(name))
        facts[`${workload.name}: ${name}`] = (peer as NginxPeer).setup.largeBy;
    tables.push(await compare(bench, peers, workload));
  }
  const goal = { figure: '1 MB streamed: calls/s to best nginx', relation: '≥', limit: 1 } as const;
  return { name: megabyteSection.name, tables, goals: [{ ...goal, values: toBestNginx(tables[1]) }], facts };
};
