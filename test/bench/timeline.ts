/** How many workers there were, and why, over the time of a turn. Pure. */
export interface Moment {
  readonly atMs: number;
  readonly workers: number;
  /** Of the step that made it so many, as the status tells it. */
  readonly reason?: string | undefined;
}

export interface Timeline {
  readonly name: string;
  /** The first is what there were in the beginning. */
  readonly moments: readonly Moment[];
  /** When there was load. */
  readonly loads: readonly (readonly [fromMs: number, toMs: number])[];
  readonly endMs: number;
}

/** From the steps that a status told, which may be older than the turn; `startedAtMs` is on the clock of `Date.now()`. */
export const momentsOf = (
  workers: number,
  steps: readonly { readonly at: string; readonly to: number; readonly reason: string }[],
  startedAtMs: number,
): Moment[] => {
  const moments = steps
    .map(({ at, to, reason }): Moment => ({ atMs: Date.parse(at) - startedAtMs, workers: to, reason }))
    .filter(({ atMs }) => atMs >= 0)
    .sort((one, other) => one.atMs - other.atMs);
  return [{ atMs: 0, workers }, ...moments];
};

export interface Steps {
  readonly up: number;
  readonly down: number;
  readonly most: number;
}

export const stepsOf = (moments: readonly Moment[]): Steps => {
  const differences = moments.slice(1).map(({ workers }, at) => workers - (moments[at]?.workers ?? workers));
  return {
    up: differences.filter((difference) => difference > 0).length,
    down: differences.filter((difference) => difference < 0).length,
    most: Math.max(0, ...moments.map(({ workers }) => workers)),
  };
};
