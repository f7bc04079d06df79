/** The gateway as people start it: the command, in a process of its own. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import type { Life, Running } from '../life.ts';
import type { Peer } from './peer.ts';

export const REPOSITORY = join(import.meta.dirname, '..', '..', '..');
/** As `npm start` does. */
const FROM_SOURCE = ['--conditions=fpm-gateway-source', join(REPOSITORY, 'gateway', 'cli', 'main.ts')];
const PROJECT = join(import.meta.dirname, '..', 'project');
/** The classes of the PHP client. */
export const PHP_AUTOLOAD = join(REPOSITORY, 'gateway', 'php', 'autoload.php');
const START_MAX_MS = 60_000;

/** For 10,000 calls at once, which wait for each other. */
export const MANY_CALLS: Readonly<Record<string, string>> = {
  FPMG_HTTP__MAX_CONNECTIONS: '20000',
  FPMG_POOLS__DEFAULT__QUEUE_MAX: '20000',
  FPMG_DEFAULTS__QUEUE_TIMEOUT_MS: '60000',
  FPMG_DEFAULTS__TIMEOUT_MS: '60000',
  // On a slow machine 10,000 requests that come at once are not read within the usual 30 s.
  FPMG_HTTP__REQUEST_TIMEOUT_MS: '120000',
  FPMG_HTTP__HEADERS_TIMEOUT_MS: '120000',
};

/** Lets a function run on resident workers instead, as many as the pool has of php-fpm's. */
export const residentEnv = (functionName: string, workers: number): Readonly<Record<string, string>> => ({
  [`FPMG_FUNCTIONS__${functionName.toUpperCase()}__ENGINE`]: 'resident',
  FPMG_POOLS__DEFAULT__RESIDENT__WORKERS: String(workers),
});

export interface GatewayOptions {
  readonly name?: string;
  readonly project?: string;
  /** php-fpm's in the pool `default`; undefined: the settings say. */
  readonly workers: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** What Node runs; left out: the source. */
  readonly program?: readonly string[];
}

export interface GatewayPeer extends Peer {
  readonly pid: number;
  readonly port: number;
  readonly adminUrl: string;
  /** From the command to its line that says it serves. */
  readonly startMs: number;
  readonly running: Running;
}

const readyEvent = (running: Running): { url: string; adminUrl: string } | undefined =>
  running
    .out()
    .split('\n')
    .filter((line) => line.includes('"ready"'))
    .map((line) => JSON.parse(line) as { event: string; url: string; adminUrl: string })
    .find(({ event }) => event === 'ready');

export const startGateway = async (life: Life, folder: string, options: GatewayOptions): Promise<GatewayPeer> => {
  const { name = 'fpm-gateway', project = PROJECT, workers, env = {}, program = FROM_SOURCE } = options;
  const startedMs = performance.now();
  const running = life.start({
    command: process.execPath,
    args: ['--max-semi-space-size=16', ...program, '--project', project, 'start', '--json'],
    cwd: project,
    env: {
      PORT: '0',
      FPMG_ADMIN__PORT: '0',
      FPMG_LOG__LEVEL: 'warn',
      FPMG_RUNTIME_DIR: mkdtempSync(join(folder, 'gw-')),
      ...(workers === undefined ? {} : { FPMG_POOLS__DEFAULT__WORKERS: String(workers) }),
      // As in the php-fpm of the peers, where it is off by default.
      FPMG_POOLS__DEFAULT__CATCH_OUTPUT: 'false',
      // The peers close no connection in the middle of the load either.
      FPMG_HTTP__MAX_REQUESTS_PER_SOCKET: '0',
      ...env,
    },
  });
  await until(
    'the gateway is ready',
    () => {
      if (running.hasEnded()) throw new Error(`it did not start: ${running.said().trim().slice(0, 160)}`);
      return readyEvent(running) !== undefined;
    },
    START_MAX_MS,
  );
  const startMs = performance.now() - startedMs;
  const { url = '', adminUrl = '' } = readyEvent(running) ?? {};
  const port = Number(new URL(url).port);
  return {
    name,
    pid: running.pid,
    port,
    adminUrl,
    startMs,
    running,
    pids: [running.pid],
    target: (workload) => ({ port, paths: [`/functions/${workload.name}`], body: workload.body }),
    stop: running.stop,
  };
};
