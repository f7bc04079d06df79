/** FastCGI clients alone, without HTTP: the same script behind the same php-fpm. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { announcing, type Bench, type Section } from '../bench.ts';
import type { Command } from '../life.ts';
import { type Fpm, startFpm } from '../peers/fpm.ts';
import type { Column, Row, SectionResult } from '../result.ts';
import { valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { bestOf, ratios } from '../statistics.ts';

const HERE = join(import.meta.dirname, '..');
const CLIENTS = join(HERE, 'clients');
const WARMUP_MS = 300;
/** Of a client in Node, which compiles what is hot only after thousands of calls. */
const nodeWarmupMs = ({ nextWarmupMs }: Bench['times']): number => Math.max(WARMUP_MS, nextWarmupMs);
/** Of a client's process, besides what it measures. */
const START_SECONDS = 0.3;
const WAVE = 64;
/** Fewer than the pool's workers, as the gateway keeps them on two cores. */
const connectionsFor = (workers: number): number => Math.min(3, workers - 1);
/** At most as many as the gateway writes ahead. */
const DEPTHS = [1, 4, 8];
const PHP_CLIENT = `PHP, a connection for each call, waves of ${WAVE}`;

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toPhp', header: '× PHP client', digits: 2 },
];

interface Client {
  readonly name: string;
  /** Ours as the gateway uses it. */
  readonly isOurs?: boolean;
  readonly command: (bench: Bench, fpm: Fpm, script: string) => Command;
}

const inC = (threads: number): Client => ({
  name: `C, blocking, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  command: ({ poolClient, times }, { socket }, script) => ({
    command: poolClient,
    args: [socket, script, threads, WARMUP_MS, times.poolMs].map(String),
  }),
});

const ofNpm = (name: string): Client => ({
  name: `npm ${name}, 4 in flight`,
  command: ({ times }, { socket }, script) => ({
    command: process.execPath,
    args: [
      ...['--no-deprecation', join(CLIENTS, 'run.mjs'), name, socket, script],
      ...[4, nodeWarmupMs(times), times.poolMs].map(String),
    ],
  }),
});

const ours = (connections: number, depth: number, ping: boolean): Client => ({
  name: `ours, ${connections} × ${depth === 1 ? 'one at a time' : `${depth} pipelined`}${ping ? ', pings' : ''}`,
  isOurs: ping,
  command: ({ times }, { socket }, script) => ({
    command: process.execPath,
    args: [
      '--conditions=fpm-gateway-source',
      join(HERE, 'node-client.ts'),
      ...[socket, script, connections, depth, ping ? 'ping' : 'bare', nodeWarmupMs(times), times.poolMs].map(String),
    ],
  }),
});

/** A kept connection without a worker would wait for another's end. */
const clientsFor = ({ workers }: Bench['options']): readonly Client[] => [
  ...[1, 2, 4].filter((threads) => threads <= workers).map(inC),
  {
    name: PHP_CLIENT,
    command: ({ times, root }, { socket }, script) => ({
      command: 'php',
      args: [join(root, 'pool-client.php'), socket, script, WAVE, WARMUP_MS, times.poolMs].map(String),
    }),
  },
  ...['fastcgi-client', 'node-phpfpm'].map(ofNpm),
  ...DEPTHS.flatMap((depth) => [false, true].map((ping) => ours(connectionsFor(workers), depth, ping))),
];

const turnSeconds = (times: Bench['times']): number => (nodeWarmupMs(times) + times.poolMs) / 1000 + START_SECONDS;

export const poolSection: Section = {
  name: 'pool',
  about: 'FastCGI clients in C, PHP and Node against one php-fpm, without HTTP',
  plannedSeconds: (options, times) => options.rounds * clientsFor(options).length * turnSeconds(times) + 2,
};

/** Kept in the benchmark's own folder: the project does not depend on them. */
const installClients = async ({ life, progress }: Bench): Promise<void> => {
  const lock = join(CLIENTS, 'package-lock.json');
  const installed = join(CLIENTS, 'node_modules', '.package-lock.json');
  const wanted = JSON.parse(readFileSync(lock, 'utf8')) as { packages: Record<string, unknown> };
  const isThere = Object.keys(wanted.packages).every((name) => existsSync(join(CLIENTS, name)));
  if (isThere && existsSync(installed)) return;
  progress.step('installing npm clients', 2);
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await life.run({ command: 'npm', args, cwd: CLIENTS });
};

interface Counted {
  readonly calls: number;
  readonly failed: number;
  readonly elapsedMs: number;
}

const turnOf = async (bench: Bench, client: Client, fpm: Fpm): Promise<Record<string, number>> => {
  const output = await bench.life.run(client.command(bench, fpm, join(bench.root, 'echo.php')));
  const { calls, failed, elapsedMs } = JSON.parse(output) as Counted;
  if (failed > 0) throw new Error(`${failed} of ${calls + failed} answers were wrong`);
  return { perSecond: (calls * 1000) / elapsedMs };
};

export const runPool = async (bench: Bench): Promise<SectionResult> => {
  const { rounds, workers } = bench.options;
  const notInstalled = await installClients(bench).then(() => undefined, reason);
  const fpm = await startFpm(bench.life, bench.folder, 'pool', workers);
  const clients = clientsFor(bench.options);
  const contestants: Contestant[] = clients.map((client) => ({
    name: client.name,
    failure: client.name.startsWith('npm ') ? notInstalled : undefined,
    turn: () => turnOf(bench, client, fpm),
  }));
  const before = announcing(bench, poolSection.name, rounds, turnSeconds(bench.times));
  const measured = await takeTurns(contestants, rounds, before);
  await fpm.running.stop();
  const php = valuesOf(
    measured.find(({ name }) => name === PHP_CLIENT),
    'perSecond',
  );
  const rows: Row[] = measured.map((row) => withValues(row, 'toPhp', ratios(row.values.perSecond ?? [], php)));
  const oursWithPings = rows.filter((_, at) => clients[at]?.isOurs === true);
  const values = bestOf(oursWithPings.map((row) => valuesOf(row, 'toPhp')));
  const title = `FastCGI clients on one php-fpm with ${workers} workers, the empty script`;
  return {
    name: poolSection.name,
    tables: [{ name: poolSection.name, title, rowHeader: 'client', columns: COLUMNS, rows }],
    goals: [{ figure: 'pool alone, pings on: calls/s to the PHP client', relation: '≥', limit: 3, values }],
    facts: {},
  };
};
