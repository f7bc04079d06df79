/** Carries out one request on the cache of a pool. What has to wait is told by the connection later. */
import type { Holder, Waiter } from './leases.ts';
import { COMMAND, NUMBER_BYTES, type Parts, STATUS, type Status } from './protocol.ts';
import { type SharedCache, SWEEP_EVERY_MS } from './shared.ts';
import { keepValue, type Value } from './value.ts';

/** The one whose request it is. */
export interface Asker extends Holder {
  answer(status: Status, payload: Value): void;
  /** Until the waiter is woken, or for so long. */
  park(key: string, waiter: Waiter, patienceMs: number): void;
  waiter(leaseMs: number): Waiter;
}

const words = Buffer.alloc(16);

/** A token, as PHP sends it back. */
export const tokenBytes = (token: bigint): string => {
  words.writeBigUInt64LE(token, 0);
  return words.toString('latin1', 0, NUMBER_BYTES);
};

export const limitBytes = (limit: number, value: number): string => {
  words.writeDoubleLE(limit, 0);
  words.writeDoubleLE(value, 8);
  return words.toString('latin1', 0, 16);
};

/** 0: none. What is no time, too: never a negative one or NaN, which no comparison would find. */
const ttlOf = (bytes: Buffer, at: number): number => {
  const ttlMs = bytes.readDoubleLE(at);
  return ttlMs > 0 ? ttlMs : Number.POSITIVE_INFINITY;
};

const TIMER_MAX_MS = 2 ** 31 - 1;

/** Within what timers take. */
const durationOf = (bytes: Buffer, at: number): number => {
  const ms = bytes.readDoubleLE(at);
  return ms > 0 ? Math.min(ms, TIMER_MAX_MS) : 0;
};

/** One request, and where it lies. */
export interface Run {
  readonly cache: SharedCache;
  readonly asker: Asker;
  readonly bytes: Buffer;
  readonly parts: Parts;
  /** Where it ends. */
  readonly to: number;
  /** The bytes hold this request alone, and may be kept. */
  readonly isOwn: boolean;
}

type Command = (run: Run, key: string, nowMs: number) => void;

export const carryOut = (run: Run): void => {
  const { cache, asker, bytes, parts } = run;
  const key = bytes.toString('latin1', parts.keyFrom, parts.keyTo);
  if (parts.isFresh && asker.leased.size > 0) cache.leases.releaseAll(asker);
  COMMANDS[parts.command]?.(run, key, cache.now());
};

const get: Command = ({ cache, asker }, key, nowMs) => {
  const value = cache.store.get(key, nowMs);
  if (value === undefined) asker.answer(STATUS.no, '');
  else asker.answer(STATUS.ok, value);
};

const remove: Command = ({ cache, asker }, key, nowMs) => {
  const isGone = cache.store.delete(key, nowMs);
  cache.leases.settle(key, undefined);
  asker.answer(isGone ? STATUS.ok : STATUS.no, '');
};

/** The value of the request, or undefined: it is too large, which was told. */
const valueIn = ({ cache, asker, bytes, parts, to, isOwn }: Run): Value | undefined => {
  const { valueMaxBytes } = cache.store;
  const size = to - parts.keyTo;
  if (size <= valueMaxBytes) return keepValue(bytes, parts.keyTo, to, isOwn);
  asker.answer(STATUS.tooLarge, limitBytes(valueMaxBytes, size));
  return undefined;
};

const stored = ({ cache, asker }: Run, key: string, value: Value, ttlMs: number): void => {
  if (cache.leases.size > 0) cache.leases.settle(key, value);
  if (ttlMs !== Number.POSITIVE_INFINITY) cache.watch(SWEEP_EVERY_MS);
  asker.answer(STATUS.ok, '');
};

const set: Command = (run, key, nowMs) => {
  const value = valueIn(run);
  if (value === undefined) return;
  const ttlMs = ttlOf(run.bytes, run.parts.args);
  run.cache.store.set(key, value, ttlMs, nowMs);
  stored(run, key, value, ttlMs);
};

const add: Command = (run, key, nowMs) => {
  const value = valueIn(run);
  if (value === undefined) return;
  const ttlMs = ttlOf(run.bytes, run.parts.args);
  if (run.cache.store.add(key, value, ttlMs, nowMs)) stored(run, key, value, ttlMs);
  else run.asker.answer(STATUS.no, '');
};

const fill: Command = (run, key, nowMs) => {
  const { cache, asker, bytes, parts } = run;
  const value = valueIn(run);
  if (value === undefined) return;
  const ttlMs = ttlOf(bytes, parts.args + 8);
  if (cache.leases.accepts(key, bytes.readBigUInt64LE(parts.args))) {
    cache.store.set(key, value, ttlMs, nowMs);
    stored(run, key, value, ttlMs);
  } else asker.answer(STATUS.no, '');
};

const increment: Command = ({ cache, asker, bytes, parts }, key, nowMs) => {
  const ttlMs = ttlOf(bytes, parts.args + 8);
  const value = cache.store.increment(key, bytes.readBigInt64LE(parts.args), ttlMs, nowMs);
  if (value === 'not-an-integer') asker.answer(STATUS.notAnInteger, '');
  else if (value === 'overflow') asker.answer(STATUS.overflow, '');
  else {
    if (cache.leases.size > 0) cache.leases.settle(key, value);
    if (ttlMs !== Number.POSITIVE_INFINITY) cache.watch(SWEEP_EVERY_MS);
    asker.answer(STATUS.ok, value);
  }
};

const lease: Command = ({ cache: { store, leases }, asker, bytes, parts }, key, nowMs) => {
  const value = store.get(key, nowMs);
  if (value !== undefined) {
    asker.answer(STATUS.ok, value);
    return;
  }
  const waiter = asker.waiter(durationOf(bytes, parts.args));
  const patienceMs = durationOf(bytes, parts.args + 8);
  const asked = leases.ask(key, waiter);
  if (asked.kind === 'lease') asker.answer(STATUS.leased, tokenBytes(asked.token));
  else if (asked.kind === 'wait') asker.park(key, waiter, patienceMs);
  else asker.answer(STATUS.busy, '');
};

const release: Command = ({ cache, asker, bytes, parts }, key) => {
  cache.leases.release(key, bytes.readBigUInt64LE(parts.args));
  asker.answer(STATUS.ok, '');
};

const COMMANDS: Readonly<Record<number, Command>> = {
  [COMMAND.get]: get,
  [COMMAND.set]: set,
  [COMMAND.add]: add,
  [COMMAND.delete]: remove,
  [COMMAND.increment]: increment,
  [COMMAND.lease]: lease,
  [COMMAND.fill]: fill,
  [COMMAND.release]: release,
};
