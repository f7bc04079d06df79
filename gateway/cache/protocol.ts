/**
 * What PHP (`gateway/php/Cache/Connection.php`) and the gateway say to each other about the cache. All numbers little endian.
 *
 *     request: u32 bytes that follow · 8 bytes number · u8 command · u8 bytes of the key · arguments · key · value
 *     answer:  u32 bytes that follow · the same 8 bytes · u8 status · what the status brings along
 *
 * Requests are answered in their order. The number lets a client tell an answer that was meant for another.
 */
export const COMMAND = {
  get: 1,
  /** f64 TTL in ms, 0: none · value */
  set: 2,
  /** as `set` */
  add: 3,
  delete: 4,
  /** i64 by · f64 TTL in ms, 0: none */
  increment: 5,
  /** f64 lease in ms · f64 patience in ms: answered when there is a value, a lease, or no patience left */
  lease: 6,
  /** u64 token · f64 TTL in ms · value */
  fill: 7,
  /** u64 token */
  release: 8,
} as const;

/** Added to the first command of a PHP request: what the one before on this connection has left open is over. */
export const FRESH = 0x80;

export const STATUS = {
  /** `get`, `lease`, `increment`: the value */
  ok: 0,
  /** `get`, `delete`: there is none; `add`: there is one; `fill`: it does not count */
  no: 1,
  /** `lease`: u64 token; make it */
  leased: 2,
  /** `lease`: make it, and do not store it */
  busy: 3,
  notAnInteger: 16,
  overflow: 17,
  /** f64 the limit · f64 the value's bytes */
  tooLarge: 18,
  /** a text; the connection ends */
  malformed: 19,
} as const;

export type Status = (typeof STATUS)[keyof typeof STATUS];

export const LENGTH_BYTES = 4;
export const NUMBER_BYTES = 8;
/** Number, command and length of the key. */
export const HEAD_BYTES = 10;
const KEY_MAX_BYTES = 250;
const ARGUMENTS_MAX_BYTES = 16;
/** All of a request but its value. */
export const REQUEST_EXTRA_BYTES = HEAD_BYTES + ARGUMENTS_MAX_BYTES + KEY_MAX_BYTES;
/** What is longer is no request with too large a value, but no request: it is not read to its end. */
export const REQUEST_SANE_BYTES = 256 * 1_048_576;

/** By command: bytes of its arguments. */
const ARGUMENT_BYTES: readonly (number | undefined)[] = [undefined, 0, 8, 8, 0, 16, 16, 16, 8];
const WITH_VALUE: readonly number[] = [COMMAND.set, COMMAND.add, COMMAND.fill];

/** Where a request has its parts. One object for all: a request is read to its end before the next one is looked at. */
export interface Parts {
  command: number;
  isFresh: boolean;
  /** Where the arguments begin. */
  args: number;
  keyFrom: number;
  keyTo: number;
}

export const noParts = (): Parts => ({ command: 0, isFresh: false, args: 0, keyFrom: 0, keyTo: 0 });

/** Reads the request between `from` (its number) and `to`; what is wrong with it, or undefined. */
export const readParts = (bytes: Buffer, from: number, to: number, parts: Parts): string | undefined => {
  if (to - from < HEAD_BYTES) return `a request has at least ${HEAD_BYTES} bytes, this one ${to - from}`;
  const byte = bytes[from + NUMBER_BYTES] ?? 0;
  const keyBytes = bytes[from + NUMBER_BYTES + 1] ?? 0;
  const command = byte & ~FRESH;
  const argumentBytes = ARGUMENT_BYTES[command];
  if (argumentBytes === undefined) return `there is no command ${command}`;
  if (keyBytes < 1 || keyBytes > KEY_MAX_BYTES) return `a key has 1 to ${KEY_MAX_BYTES} bytes, this one ${keyBytes}`;
  parts.command = command;
  parts.isFresh = byte !== command;
  parts.args = from + HEAD_BYTES;
  parts.keyFrom = parts.args + argumentBytes;
  parts.keyTo = parts.keyFrom + keyBytes;
  if (parts.keyTo > to) return `it ends ${parts.keyTo - to} bytes before its key does`;
  if (WITH_VALUE.includes(command) === parts.keyTo < to) return undefined;
  return parts.keyTo < to ? `command ${command} takes no value` : `command ${command} takes a value`;
};

/** Of a request of which only the head was kept. */
export const valueBytes = (head: Buffer, length: number): number =>
  length - HEAD_BYTES - (ARGUMENT_BYTES[(head[NUMBER_BYTES] ?? 0) & ~FRESH] ?? 0) - (head[NUMBER_BYTES + 1] ?? 0);
