/** What is said about several rounds. Pure. */

/** Of an even number of values the mean of the two in the middle; NaN of none. */
export const median = (values: readonly number[]): number => {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};

/**
 * Each round's value over the same round's reference: a slow minute of the machine slows both. A round in which either
 * is missing gives none.
 */
export const ratios = (values: readonly number[], references: readonly number[]): number[] =>
  values
    .map((value, round) => value / (references[round] ?? Number.NaN))
    .map((ratio) => (Number.isFinite(ratio) ? ratio : Number.NaN));

/** The better of several peers in each round. */
export const bestOf = (
  peers: readonly (readonly number[])[],
  better: (...values: number[]) => number = Math.max,
): number[] => {
  const rounds = Math.max(0, ...peers.map((values) => values.length));
  return Array.from({ length: rounds }, (_, round) => {
    const measured = peers.map((values) => values[round] ?? Number.NaN).filter((value) => !Number.isNaN(value));
    return measured.length === 0 ? Number.NaN : better(...measured);
  });
};

/** The smallest value that is not below so much of all (0.99: p99); NaN of none. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

/** The largest of the first half and of the second, which has the one in the middle. */
export const mostOfHalves = (values: readonly number[]): readonly [number, number] => {
  const middle = values.length >> 1;
  const most = (half: readonly number[]): number => (half.length === 0 ? Number.NaN : Math.max(...half));
  return [most(values.slice(0, middle)), most(values.slice(middle))];
};

/** Every peer is first, second, … as often as the others: whoever follows a hot or noisy one is not always the same. */
export const rotated = <T>(items: readonly T[], round: number): T[] => {
  const start = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
};

/**
 * How long a call takes when `inFlight` callers of a closed system share `workers` in the order they came: they finish
 * `workers / serviceMs` calls a millisecond (Little's law), so each waits for N × S / W. Fewer callers than workers
 * wait for nobody.
 */
export const closedSystemMs = (inFlight: number, workers: number, serviceMs: number): number =>
  Math.max(1, inFlight / workers) * serviceMs;
