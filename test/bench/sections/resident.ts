/** An empty function on resident workers, beside the same on php-fpm and the better nginx: short calls, closed loop. */
import type { Bench, Section } from '../bench.ts';
import { CONNECTIONS } from '../load.ts';
import { GATEWAY, type HttpPeer, NGINX_NAMES } from '../peers/all.ts';
import { residentEnv, startGateway } from '../peers/gateway.ts';
import { proveAnswer } from '../peers/peer.ts';
import { rowOf, type SectionResult, valuesOf, withValues } from '../result.ts';
import { reason } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';
import { compare } from './http.ts';

export const RESIDENT = 'fpm-gateway, resident';
const PEERS = 4;

export const residentSection: Section = {
  name: 'resident',
  about: 'an empty function on resident workers, on our php-fpm and behind the better nginx: short calls, closed loop',
  plannedSeconds: ({ rounds }, { turnSeconds, warmupMs, nextWarmupMs, firstWarmupMs }) =>
    PEERS * (rounds * (turnSeconds + warmupMs / 1000 + 0.1) + nextWarmupMs / 1000) + firstWarmupMs / 1000 + 5,
};

/** A gateway of its own: neither engine then idles beside the other's load. */
const startResident = async (bench: Bench): Promise<HttpPeer> => {
  const { life, folder, options, times, load } = bench;
  try {
    const env = residentEnv(ECHO.name, options.workers);
    const peer = await startGateway(life, folder, { name: RESIDENT, workers: options.workers, env });
    await proveAnswer(peer, ECHO);
    bench.progress.step(`warming up ${RESIDENT}`, times.firstWarmupMs / 1000);
    await load.generate(peer.target(ECHO), { connections: CONNECTIONS, durationMs: times.firstWarmupMs });
    return { name: RESIDENT, peer };
  } catch (error) {
    return { name: RESIDENT, peer: undefined, failure: reason(error) };
  }
};

export const runResident = async (bench: Bench): Promise<SectionResult> => {
  const others = (await bench.httpPeers()).filter(({ name }) => name === GATEWAY || NGINX_NAMES.includes(name));
  const resident = await startResident(bench);
  try {
    const measured = await compare(bench, [resident, ...others], ECHO);
    const fpm = valuesOf(rowOf(measured, GATEWAY), 'perSecond');
    const table = {
      ...measured,
      name: residentSection.name,
      title: `${ECHO.title}, validated and traced by the gateway`,
      columns: [...measured.columns, { key: 'toFpm', header: '× our php-fpm', digits: 2 }],
      rows: measured.rows.map((row) => withValues(row, 'toFpm', ratios(row.values.perSecond ?? [], fpm))),
    };
    const values = valuesOf(rowOf(table, RESIDENT), 'toBestNginx');
    const goal = {
      figure: 'empty function, resident: calls/s to best nginx',
      relation: '≥',
      limit: 1.6,
      values,
    } as const;
    return { name: residentSection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    await resident.peer?.stop();
  }
};
