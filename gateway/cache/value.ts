/**
 * Values as PHP sends them, which here are bytes: a letter for the type, then the value. Only counters are looked into:
 * `i` and eight bytes, little endian, as `gateway/php/Cache/Values.php` writes integers.
 */

/**
 * Small ones are strings of one byte per character: they cost their bytes, where a slice of the chunk they came in would
 * keep all of that chunk (64 KB for ten bytes), and a buffer of their own takes 200 bytes more and a call to the allocator.
 */
export type Value = string | Buffer;

/** Up to here a copy is cheaper than what a buffer costs besides its bytes. */
const STRING_MAX_BYTES = 4096;

/** What of a request is kept. `isOwn`: nothing else lies in that buffer, and it may be kept as it is. */
export const keepValue = (bytes: Buffer, from: number, to: number, isOwn: boolean): Value => {
  if (to - from <= STRING_MAX_BYTES) return bytes.toString('latin1', from, to);
  if (isOwn) return bytes.subarray(from, to);
  const copy = Buffer.allocUnsafeSlow(to - from);
  bytes.copy(copy, 0, from, to);
  return copy;
};

const COUNTER_BYTES = 9;
const COUNTER_TYPE = 'i';
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

const scratch = Buffer.alloc(COUNTER_BYTES, COUNTER_TYPE, 'latin1');

/** Undefined: this is no integer. */
export const counterOf = (value: Value): bigint | undefined => {
  if (typeof value !== 'string' || value.length !== COUNTER_BYTES || value[0] !== COUNTER_TYPE) return undefined;
  scratch.write(value, 0, 'latin1');
  return scratch.readBigInt64LE(1);
};

/** Undefined: PHP has no integer of that size. */
export const counterValue = (count: bigint): Value | undefined => {
  if (count > INT64_MAX || count < INT64_MIN) return undefined;
  scratch.writeBigInt64LE(count, 1);
  return scratch.toString('latin1', 0, COUNTER_BYTES);
};
