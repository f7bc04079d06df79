/** What happens to a gateway under soak, at random, and which failures that explains. */
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { kill, workersOf } from '../../support/php-processes.ts';
import type { Random } from '../fuzz/random.ts';
import { send } from '../http.ts';
import type { Told } from './callers.ts';
import type { SoakGateway } from './child.ts';

const CODES = {
  'worker killed': ['worker-crashed'],
  'master killed': ['worker-crashed', 'pool-unavailable'],
  'resident worker killed': ['worker-crashed', 'pool-unavailable'],
  'worker stopped': ['function-timeout', 'worker-crashed', 'queue-timeout'],
  'caller left': [],
  'slow reader': [],
  reload: [],
} as const satisfies Record<string, readonly string[]>;
export type FaultKind = keyof typeof CODES;

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
}

/** A stopped worker is late for as long as its call may run, and a master is replaced meanwhile. */
const EFFECT_MAX_MS = 8000;

/** What becomes of a function whose inner call fails. */
const FROM_WITHIN = ['function-error', 'function-timeout'];

export const isExplained = ({ kind, code, fromMs, toMs }: Told, faults: readonly Fault[]): boolean =>
  faults.some((fault) => {
    const codes: readonly string[] = CODES[fault.kind];
    const leadsTo = codes.includes(code) || (kind === 'outer' && codes.length > 0 && FROM_WITHIN.includes(code));
    return leadsTo && fault.atMs <= toMs && fault.atMs >= fromMs - EFFECT_MAX_MS;
  });

const masters = async (gateway: SoakGateway, engine: string): Promise<readonly number[]> =>
  (await gateway.pools())
    .filter((pool) => pool.engine === engine)
    .flatMap(({ masterPid }) => (masterPid === undefined ? [] : [masterPid]));

const oneWorker = async (gateway: SoakGateway, random: Random, engine = 'fpm'): Promise<number | undefined> => {
  const workers = (await masters(gateway, engine)).flatMap((pid) => workersOf(pid));
  return workers.length === 0 ? undefined : random.pick(workers);
};

const tryKill = (pid: number | undefined, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
};

/** Asks for a stream, and stops reading for a while. */
const readSlowly = async (url: string): Promise<void> => {
  await new Promise<void>((resolve) => {
    const asked = request(`${url}/functions/flood`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
    });
    asked.once('error', () => resolve());
    asked.once('response', (response) => {
      response.pause();
      response.once('error', () => {}).once('close', () => resolve());
      void pause(1000).then(() => response.resume());
    });
    asked.end('1');
  });
};

const inflict: Readonly<Record<FaultKind, (gateway: SoakGateway, random: Random) => Promise<void>>> = {
  'worker killed': async (gateway, random) => tryKill(await oneWorker(gateway, random), 'SIGKILL'),
  'resident worker killed': async (gateway, random) => tryKill(await oneWorker(gateway, random, 'resident'), 'SIGKILL'),
  'master killed': async (gateway) => tryKill((await masters(gateway, 'fpm'))[0], 'SIGKILL'),
  'worker stopped': async (gateway, random) => {
    const pid = await oneWorker(gateway, random);
    tryKill(pid, 'SIGSTOP');
    await pause(500 + random.below(1500));
    tryKill(pid, 'SIGCONT');
  },
  'caller left': async ({ url }, random) => {
    const leaving = new AbortController();
    const calls = Array.from({ length: 6 }, () => send(`${url}/functions/slow`, { n: 1 }, { signal: leaving.signal }));
    await pause(random.below(300));
    leaving.abort();
    await Promise.all(calls);
  },
  'slow reader': async ({ url }) => await readSlowly(url),
  reload: async ({ adminUrl }) => void (await send(`${adminUrl}/admin/reload`, undefined, { raw: '' })),
};

/** Inflicts one after the other until `isOver`. `mayReload`: Node keeps the modules of each release, so that growth is measured without. */
export const faulty = async (
  gateway: SoakGateway,
  random: Random,
  { isOver, mayReload, faults }: { isOver: () => boolean; mayReload: () => boolean; faults: Fault[] },
): Promise<void> => {
  const kinds = Object.keys(CODES) as FaultKind[];
  while (!isOver()) {
    await pause(1000 + random.below(3000));
    const kind = random.pick(kinds);
    if (isOver() || (kind === 'reload' && !mayReload())) continue;
    const atMs = performance.now();
    faults.push({ kind, atMs });
    await inflict[kind](gateway, random);
  }
};
