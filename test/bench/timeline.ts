/** How many workers there were, and why, over the time of a turn. Pure. */
export interface Moment {
  readonly atMs: number;
  readonly workers: number;
  /** Of the step that made it so many, as the status tells it. */
  readonly reason?: string | undefined;
}

export interface Timeline {
  readonly name: string;
  /** Only where the number changed. */
  readonly moments: readonly Moment[];
  /** When there was load. */
  readonly loads: readonly (readonly [fromMs: number, toMs: number])[];
  readonly endMs: number;
}

/** Samples without those that say what the one before said. */
export const changesOf = (samples: readonly Moment[]): Moment[] =>
  samples.filter(({ workers }, at) => at === 0 || workers !== samples[at - 1]?.workers);

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
