/** What an overload run found, as tables and as goals that are reached or not. Pure. */
import type { Neighbours } from './neighbours.ts';
import type { Overload, Step } from './steps.ts';

export interface Goal {
  readonly name: string;
  readonly limit: string;
  readonly value: number;
  readonly isReached: boolean;
}

export interface Report {
  readonly date: string;
  readonly seed: number;
  readonly seconds: number;
  /** Bounded by workers. */
  readonly workers: Overload;
  /** Bounded by the gateway's one thread. */
  readonly thread: Overload;
  readonly neighbours: Neighbours;
  readonly goals: readonly Goal[];
}

const GOODPUT = 0.95;
const REFUSED_P99_MS = 20;
const RECOVERY_MS = 5000;
const SUCCESS = 0.999;
const P99_RATIO = 1.2;

const atMost = (name: string, value: number, limit: number): Goal => ({
  name,
  limit: `≤ ${limit}`,
  value,
  isReached: value <= limit,
});

const atLeast = (name: string, value: number, limit: number): Goal => ({
  name,
  limit: `≥ ${limit}`,
  value,
  isReached: value >= limit,
});

export const goalsOf = (workers: Overload, neighbours: Neighbours): readonly Goal[] => {
  const peak = Math.max(...workers.steps.map(({ goodPerSecond }) => goodPerSecond));
  const ofStep = (step: Step): Goal[] => [
    // Where less is asked for than can be done, all that was asked for, but for those who left.
    atLeast(`goodput at ${step.times} ×, of peak`, step.goodPerSecond / Math.min(peak, step.stayedPerSecond), GOODPUT),
    atMost(`rejections p99 at ${step.times} ×, ms`, step.refusedP99Ms, REFUSED_P99_MS),
    atMost(`back to normal after ${step.times} ×, ms`, step.recoveryMs, RECOVERY_MS),
    atMost(`begun after the caller left, ${step.times} ×`, step.wasted?.afterLeaving ?? 0, 0),
    atMost(`begun after the deadline, ${step.times} ×`, step.wasted?.afterDeadline ?? 0, 0),
  ];
  return [
    ...workers.steps.flatMap(ofStep),
    atLeast('success beside a noisy neighbour', neighbours.beside.success, SUCCESS),
    atMost('p99 beside a noisy neighbour, × alone', neighbours.p99Ratio, P99_RATIO),
  ];
};

const HEADERS = [
  '×',
  'sent/s',
  'good/s',
  'p50',
  'p99',
  'refused p50',
  'p99',
  'normal after',
  'sent late p99',
  'CPU µs/call',
  'begun late',
  'codes',
];

const cellsOf = (step: Step): readonly string[] => [
  String(step.times),
  step.sentPerSecond.toFixed(0),
  step.goodPerSecond.toFixed(0),
  step.goodP50Ms.toFixed(1),
  step.goodP99Ms.toFixed(1),
  step.refusedP50Ms.toFixed(1),
  step.refusedP99Ms.toFixed(1),
  `${step.recoveryMs.toFixed(0)} ms`,
  step.sentLateP99Ms.toFixed(1),
  step.cpuMicros.toFixed(0),
  step.wasted === undefined
    ? '-'
    : `${step.wasted.afterLeaving + step.wasted.afterDeadline} of ${step.wasted.started} (${step.wasted.latestMs.toFixed(1)} ms)`,
  Object.entries(step.codes)
    .map(([code, count]) => `${code} ${count}`)
    .join(', '),
];

const tableOf = (rows: readonly (readonly string[])[]): string => {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)), []);
  const grown = rows.reduce<number[]>(
    (most, row) => most.map((width, at) => Math.max(width, row[at]?.length ?? 0)),
    widths,
  );
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(grown[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

const overloadText = ({ function: name, capacity, normalP99Ms, steps }: Overload, bound: string): string =>
  `${name}: ${capacity.toFixed(0)} calls/s, bounded by ${bound}; p99 unloaded ${normalP99Ms.toFixed(1)} ms\n${tableOf([HEADERS, ...steps.map(cellsOf)])}`;

export const textOf = ({ seed, workers, thread, neighbours, goals }: Report): string => {
  const { alone, beside, p99Ratio, noisyGoodPerSecond } = neighbours;
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    `seed ${seed}`,
    overloadText(workers, 'workers'),
    overloadText(thread, "the gateway's thread: what is not sent found no connection"),
    `noisy neighbour: others ${percent(beside.success)} of ${beside.calls} (alone ${percent(alone.success)}), p99 ${beside.p99Ms.toFixed(1)} ms (alone ${alone.p99Ms.toFixed(1)}): ${p99Ratio.toFixed(2)} ×; the noisy one ${noisyGoodPerSecond.toFixed(0)} good/s`,
    ...goals
      .filter(({ isReached }) => !isReached)
      .map(({ name, limit, value }) => `NOT REACHED ${name}: ${value.toFixed(3)}, ${limit}`),
    `${goals.filter(({ isReached }) => isReached).length} of ${goals.length} goals`,
  ].join('\n\n');
};
