/** What looking for leaks after every call costs: the leak sentinel as it is by default, and off. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { CONNECTIONS } from '../load.ts';
import { residentEnv, startGateway } from '../peers/gateway.ts';
import { type Peer, proveAnswer } from '../peers/peer.ts';
import { type Column, rowOf, type SectionResult, valuesOf, withValues } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ratios } from '../statistics.ts';
import { ECHO } from '../workloads.ts';
import { turnOf } from './http.ts';

const WATCHED = 'sentinel as by default';
const UNWATCHED = 'sentinel off';

const VARIANTS: readonly (readonly [name: string, env: Readonly<Record<string, string>>])[] = [
  [WATCHED, {}],
  [UNWATCHED, { FPMG_POOLS__DEFAULT__RESIDENT__LEAKS: 'off' }],
];

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', header: 'calls/s', digits: 0 },
  { key: 'toOff', header: '× off', digits: 3 },
  { key: 'p50Ms', header: 'p50 ms', digits: 2 },
  { key: 'phpUs', header: 'PHP µs/call', digits: 1 },
  { key: 'serverUs', header: 'gateway µs/call', digits: 0 },
];

const turnSeconds = ({ turnSeconds: seconds, warmupMs }: Bench['times']): number => seconds + warmupMs / 1000 + 0.1;
/** A difference of a few percent takes more turns to be seen. */
const roundsOf = ({ rounds, quick }: Bench['options']): number => (quick ? rounds : 2 * rounds);

export const sentinelSection: Section = {
  name: 'sentinel',
  about: 'what looking for leaks after every call costs an empty function on resident workers',
  plannedSeconds: (options, times) =>
    VARIANTS.length * (roundsOf(options) * turnSeconds(times) + times.firstWarmupMs / 1000 + 3),
};

export const runSentinel = async (bench: Bench): Promise<SectionResult> => {
  const { life, folder, options, times, load } = bench;
  const started: Peer[] = [];
  try {
    const contestants: Contestant[] = [];
    for (const [name, more] of VARIANTS) {
      const env = { ...residentEnv(ECHO.name, options.workers), ...more };
      try {
        const peer = await startGateway(life, folder, { name, workers: options.workers, env });
        started.push(peer);
        await proveAnswer(peer, ECHO);
        await load.generate(peer.target(ECHO), { connections: CONNECTIONS, durationMs: times.firstWarmupMs });
        contestants.push({ name, turn: () => turnOf(bench, peer, ECHO) });
      } catch (error) {
        contestants.push({ name, failure: reason(error), turn: async () => ({}) });
      }
    }
    const rounds = roundsOf(options);
    const measured = await takeTurns(
      contestants,
      rounds,
      announcing(bench, sentinelSection.name, rounds, turnSeconds(times)),
    );
    const off = valuesOf(
      measured.find(({ name }) => name === UNWATCHED),
      'perSecond',
    );
    const rows = measured.map((row) => withValues(row, 'toOff', ratios(row.values.perSecond ?? [], off)));
    const title = 'the empty function on resident workers';
    const table = { name: sentinelSection.name, title, rowHeader: 'leaks', columns: COLUMNS, rows };
    const values = valuesOf(rowOf(table, WATCHED), 'toOff');
    const goal = { figure: 'sentinel on: calls/s to off', relation: '≥', limit: 0.95, values } as const;
    return { name: sentinelSection.name, tables: [table], goals: [goal], facts: {} };
  } finally {
    for (const peer of started) await peer.stop();
  }
};
