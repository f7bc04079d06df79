/** Identifiers of calls, traces and spans. Random bytes are fetched in bulk: a system call for each id was 4 % of a call. */
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const pool = Buffer.alloc(4096);
let used = pool.length;

const take = (bytes: number): number => {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    digits = pool.toString('hex');
    used = 0;
  }
  used += bytes;
  return used - bytes;
};

/** The same bytes are hex digits in one go: an id of its own costs 200 ns, a piece of many 20. */
let digits = '';

const randomHex = (bytes: number): string => {
  const start = take(bytes) * 2;
  return digits.slice(start, start + bytes * 2);
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
