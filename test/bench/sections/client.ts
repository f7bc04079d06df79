/** 10,000 calls at once from Node: the gateway's client with batching, without, and bare HTTP. */
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import { type Measured, measureCounted } from '../counted.ts';
import { CONNECTIONS } from '../load.ts';
import { type GatewayPeer, MANY_CALLS, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import type { Column, SectionResult } from '../result.ts';
import { rowOf, valuesOf, withValues } from '../result.ts';
import { type Contestant, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';

const CALLS = 10_000;
const ALONE = 'client, each call alone';
const BATCHING = 'client, batching';
const HTTP = 'node:http, 64 kept connections';
/** How rpc-client.ts calls them. */
const MODES: readonly (readonly [string, string])[] = [
  [ALONE, 'alone'],
  [HTTP, 'http'],
  [BATCHING, 'batching'],
  ['client, batching, all in one batch', 'one-batch'],
];

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toAlone', header: '× alone', digits: 2 },
  { key: 'toHttp', header: '× node:http', digits: 2 },
  { key: 'serverUs', header: 'gateway µs/call', digits: 0 },
];

const TURN_SECONDS = 6;
const warmupTurns = ({ quick }: Bench['options']): number => (quick ? 1 : 5);

export const clientSection: Section = {
  name: 'client',
  about: '10,000 calls at once by the TypeScript client, with and without batching',
  plannedSeconds: ({ rounds }, { firstWarmupMs }) => rounds * MODES.length * TURN_SECONDS + firstWarmupMs / 1000 + 3,
};

/** Warm-up calls of the client's process are the gateway's work, too: its CPU is per call of both. */
const turnOf = async (bench: Bench, gateway: GatewayPeer, mode: string): Promise<Record<string, number>> => {
  const warmups = warmupTurns(bench.options);
  const program = join(import.meta.dirname, '..', 'rpc-client.ts');
  const args = ['--conditions=fpm-gateway-source', program, mode, ...[gateway.port, CALLS, warmups].map(String)];
  const { perSecond, serverUs }: Measured = await measureCounted(bench, gateway.pids, {
    command: process.execPath,
    args,
  });
  return { perSecond, serverUs: (serverUs * CALLS) / (CALLS + warmups * 1000) };
};

export const runClient = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder } = bench;
  const { rounds, workers } = bench.options;
  const gateway = await startGateway(life, folder, { workers, env: MANY_CALLS });
  try {
    await proveAnswer(gateway, ECHO);
    const durationMs = bench.times.firstWarmupMs;
    await bench.load.generate(gateway.target(ECHO), { connections: CONNECTIONS, durationMs });
    const contestants: Contestant[] = MODES.map(([name, mode]) => ({ name, turn: () => turnOf(bench, gateway, mode) }));
    const measured = await takeTurns(contestants, rounds, announcing(bench, clientSection.name, rounds, TURN_SECONDS));
    const perSecond = (name: string): readonly number[] =>
      valuesOf(
        measured.find((row) => row.name === name),
        'perSecond',
      );
    const rows = measured.map((row) => {
      const own = row.values.perSecond ?? [];
      return withValues(
        withValues(row, 'toAlone', ratios(own, perSecond(ALONE))),
        'toHttp',
        ratios(own, perSecond(HTTP)),
      );
    });
    const title = `${CALLS.toLocaleString('en-US')} calls of the empty function begun in one go, ${workers} workers`;
    const table = { name: clientSection.name, title, rowHeader: 'caller', columns: COLUMNS, rows };
    const values = valuesOf(rowOf(table, BATCHING), 'toAlone');
    const figure = '10,000 calls at once, batching: calls/s to each alone';
    const goal = { figure, relation: '≥', limit: 3, values } as const;
    return { name: clientSection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    await gateway.stop();
  }
};
