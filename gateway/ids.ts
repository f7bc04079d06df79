/** Identifiers of calls, traces and spans. Random bytes are fetched in bulk: a system call for each id was 4 % of a call. */
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const pool = Buffer.alloc(4096);
let used = pool.length;

const take = (bytes: number): number => {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return used - bytes;
};

/** A text of its own: a slice of many digits would keep them all alive for as long as the trace is kept. */
const randomHex = (bytes: number): string => {
  const start = take(bytes);
  return pool.toString('hex', start, start + bytes);
};

/** W3C trace id: 32 hex digits. */
export const newTraceId = (): string => randomHex(16);

/** W3C parent id: 16 hex digits. */
export const newSpanId = (): string => randomHex(8);

/** UUIDv7: ids of one gateway sort by time. */
export const newCallId = (): string => {
  const start = take(16);
  return v7({ random: pool.subarray(start, start + 16) });
};
