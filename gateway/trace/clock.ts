/** The clock of traces. */

const ORIGIN_MS = performance.timeOrigin;

/** Epoch ms on the monotonic clock: a step of the system clock cannot make a span end before it began. */
export const nowMs = (): number => ORIGIN_MS + performance.now();

export const round = (ms: number): number => Math.round(ms * 1000) / 1000;
