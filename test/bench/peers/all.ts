/** Every peer that answers HTTP, nginx by the best configuration of several that were tried here. */
import type { Bench } from '../bench.ts';
import { CONNECTIONS, type Load } from '../load.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { median } from '../statistics.ts';
import { ECHO, type Workload } from '../workloads.ts';
import { startApache } from './apache.ts';
import { startCaddy } from './caddy.ts';
import { startGateway } from './gateway.ts';
import { type NginxPeer, type NginxSetup, startNginx } from './nginx.ts';
import { type Peer, proveAnswer } from './peer.ts';

/** In the order of the tables. One that could not be started says why. */
export interface HttpPeer {
  readonly name: string;
  readonly peer: Peer | undefined;
  readonly failure?: string | undefined;
}

export const GATEWAY = 'fpm-gateway';
/** By its own default php-fpm's master is woken for each call. */
export const GATEWAY_CATCHING = 'fpm-gateway, catchOutput';
export const NGINX_NEW = 'nginx, new connections';
export const NGINX_KEPT = 'nginx, kept connections';
export const NGINX_NAMES: readonly string[] = [NGINX_NEW, NGINX_KEPT];

const largeBy = 'buffered';
/** The likeliest to be fastest on two cores first. */
const newConnections: readonly NginxSetup[] = [2, 1].map((processes) => ({
  name: NGINX_NEW,
  processes,
  keepalive: 0,
  largeBy,
}));

/** Always fewer than there are workers: nginx's idle connections pin the rest, and requests on new ones starve. */
const keptConnections = (workers: number): readonly NginxSetup[] => {
  const perProcess = Math.max(1, Math.floor((workers - 1) / 2));
  const counts = [...new Set([Math.min(2, workers - 1), workers - 1])];
  return [
    ...counts.map((keepalive) => ({ name: NGINX_KEPT, processes: 1, keepalive, largeBy }) as const),
    ...(workers > 2 ? [{ name: NGINX_KEPT, processes: 2, keepalive: perProcess, largeBy } as const] : []),
  ];
};

export const describeSetup = ({ processes, keepalive }: NginxSetup): string =>
  `${processes} ${processes === 1 ? 'process' : 'processes'}${keepalive > 0 ? `, keepalive ${keepalive}` : ''}`;

/** Calls per second of a second or two; throws when some were not answered well. */
export const tryOnce = async (load: Load, peer: Peer, workload: Workload): Promise<number> => {
  const target = peer.target(workload);
  await load.generate(target, { connections: CONNECTIONS, durationMs: 150 });
  const { perSecond, invalid } = await load.wrk(target, 1);
  if (invalid !== undefined) throw new Error(invalid);
  return perSecond;
};

const TRIES = 3;
const TRY_SECONDS = 1.3;

export const triesSeconds = ({ quick }: Bench['options'], candidates: number): number =>
  quick ? 0 : TRIES * TRY_SECONDS * candidates;

/** The fastest of several by this workload; in a hurry the first. Throws when none of them works. */
export const fastest = async <T extends Peer>(
  bench: Bench,
  what: string,
  candidates: readonly T[],
  workload: Workload,
  describe: (peer: T) => string,
): Promise<T> => {
  if (bench.options.quick && candidates[0] !== undefined) return candidates[0];
  const contestants: Contestant[] = candidates.map((peer) => ({
    name: describe(peer),
    turn: async () => ({ perSecond: await tryOnce(bench.load, peer, workload) }),
  }));
  const trying = ({ name }: Contestant): void => bench.progress.step(`trying ${what}: ${name}`, TRY_SECONDS);
  const rows = await takeTurns(contestants, TRIES, trying);
  const speeds = rows.map(({ failure, values }) => (failure === undefined ? median(values.perSecond ?? []) : 0));
  const best = candidates[speeds.indexOf(Math.max(...speeds))];
  if (best === undefined || Math.max(...speeds) === 0) throw new Error(rows[0]?.failure ?? 'it answered nothing');
  return best;
};

const bestNginx = async (bench: Bench, setups: readonly NginxSetup[]): Promise<NginxPeer> => {
  const { life, folder, root, options } = bench;
  const started: NginxPeer[] = [];
  for (const setup of options.quick ? setups.slice(0, 1) : setups)
    started.push(await startNginx(life, folder, root, options.workers, setup));
  const name = setups[0]?.name ?? 'nginx';
  const best = await fastest(bench, name, started, ECHO, ({ setup }) => describeSetup(setup));
  await Promise.all(started.filter((peer) => peer !== best).map((peer) => peer.stop()));
  return best;
};

const CATCHING = { FPMG_POOLS__DEFAULT__CATCH_OUTPUT: 'true' };

export const startHttpPeers = async (bench: Bench): Promise<HttpPeer[]> => {
  const { life, folder, root, options } = bench;
  const starters: readonly (readonly [string, () => Promise<Peer>])[] = [
    [GATEWAY, () => startGateway(life, folder, { workers: options.workers })],
    [
      GATEWAY_CATCHING,
      () => startGateway(life, folder, { name: GATEWAY_CATCHING, workers: options.workers, env: CATCHING }),
    ],
    [NGINX_NEW, () => bestNginx(bench, newConnections)],
    [NGINX_KEPT, () => bestNginx(bench, keptConnections(options.workers))],
    ['Apache', () => startApache(life, folder, root, options.workers)],
    ['Caddy', () => startCaddy(life, folder, root, options.workers)],
  ];
  const peers: HttpPeer[] = [];
  for (const [name, start] of starters) {
    try {
      const peer = await start();
      await proveAnswer(peer, ECHO);
      bench.progress.step(`warming up ${name}`, bench.times.firstWarmupMs / 1000);
      await bench.load.generate(peer.target(ECHO), { connections: CONNECTIONS, durationMs: bench.times.firstWarmupMs });
      peers.push({ name, peer });
    } catch (error) {
      peers.push({ name, peer: undefined, failure: reason(error) });
    }
  }
  return peers;
};
