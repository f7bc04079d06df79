/** What is sent when: the same for the same seed. Pure. */

/** Mulberry32: numbers from 0 to 1. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** Calls at random times that come to so many a second in the mean. */
export interface Stream {
  readonly functions: readonly string[];
  readonly perSecond: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of its callers so many leave when they have waited for `LEAVES_AFTER_MS`. */
  readonly leavers: number;
}

export interface Due {
  readonly atMs: number;
  readonly function: string;
  readonly leaves: boolean;
}

export const LEAVES_AFTER_MS = 50;

const ofStream = ({ functions, perSecond, fromMs, toMs, leavers }: Stream, random: () => number): Due[] => {
  const due: Due[] = [];
  for (let atMs = fromMs; ; ) {
    // Callers that know nothing of each other.
    atMs += (-Math.log(1 - random()) * 1000) / perSecond;
    if (atMs >= toMs) return due;
    const name = functions[Math.floor(random() * functions.length)] ?? '';
    due.push({ atMs, function: name, leaves: random() < leavers });
  }
};

export const scheduleOf = (streams: readonly Stream[], seed: number): readonly Due[] => {
  const random = randomFrom(seed);
  return streams.flatMap((stream) => ofStream(stream, random)).sort((one, other) => one.atMs - other.atMs);
};
