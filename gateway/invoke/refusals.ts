/** What calls are told that may not go to a worker; executed: no. */
import { GatewayError } from '../errors.ts';
import type { Pool } from '../pool/pool.ts';
import type { OpenCall } from './nesting.ts';
import type { Entry, Waiter } from './rows.ts';
import type { Foreseen } from './standing.ts';

/** Where nothing better is known. */
const RETRY_AFTER_MS = 1000;

/** When it is worth another try, ms; undefined: nothing is known. The HTTP answer says it in whole seconds, give or take a fifth. */
type AgainMs = number | undefined;

const again = (ms: AgainMs): { readonly retryAfterMs: number } => ({
  retryAfterMs: ms === undefined ? RETRY_AFTER_MS : Math.max(1, Math.ceil(ms)),
});

export const stopping = (): GatewayError =>
  new GatewayError('shutting-down', 'The gateway is stopping.', { retryAfterMs: RETRY_AFTER_MS });

export const overloaded = (pool: string, queueMax: number, againMs: AgainMs): GatewayError => {
  const detail = `${queueMax} calls wait for the pool ${pool} already; its queueMax is ${queueMax}.`;
  return new GatewayError('overloaded', detail, again(againMs));
};

/** It is not let in, because it would wait for too long. */
export const standsInQueue = (
  pool: string,
  { ahead, waitMs }: Foreseen,
  limit: string,
  againMs: AgainMs,
): GatewayError => {
  const detail = `${ahead} calls for the pool ${pool} would go first, about ${Math.ceil(waitMs)} ms; ${limit}.`;
  return new GatewayError('overloaded', detail, { ...again(againMs), reason: 'standing-queue' });
};

/** It was let in, and waited for longer than was foreseen. */
export const waitedTooLong = (pool: string, waitedMs: number, againMs: AgainMs): GatewayError => {
  const detail = `It waited ${Math.round(waitedMs)} ms for the pool ${pool}, three times as long as was foreseen, and more calls came.`;
  return new GatewayError('overloaded', detail, { ...again(againMs), reason: 'waited-too-long' });
};

/** `wallMs`: how long its calls take; 0: not known. */
export const aboveCap = ({ name, inFlightMax }: Entry['fn'], inside: number, wallMs: number): GatewayError => {
  const detail = `${inside} calls of ${name} are under way; its inFlightMax is ${inFlightMax}.`;
  return new GatewayError('concurrency-limit', detail, again(wallMs === 0 ? undefined : wallMs));
};

export const tooLate = (
  { name, available, state, failure }: Pick<Pool, 'name' | 'available' | 'state' | 'failure'>,
  { entry: { fn, queueTimeoutMs }, limitMs }: Waiter,
  againMs: AgainMs,
): GatewayError => {
  const sleepy = state === 'awake' ? '' : `, which slept and is ${state} still`;
  const waited = `${fn.name} waited ${Math.round(limitMs)} ms for a worker of the pool ${name}${sleepy}`;
  // For the log and the trace: it may tell of files.
  const cause = failure === undefined ? {} : { privateDetail: failure };
  const later = { ...cause, ...again(againMs) };
  if (!available) return new GatewayError('pool-unavailable', `${waited}, which cannot be reached.`, later);
  if (limitMs < queueTimeoutMs)
    return new GatewayError('deadline-exceeded', `${waited}; its deadline has passed.`, cause);
  return new GatewayError('queue-timeout', `${waited}; its queueTimeoutMs is ${queueTimeoutMs}.`, later);
};

export const saturated = (
  { name, status }: Pick<Pool, 'name' | 'status'>,
  { outer, name: own }: OpenCall,
  againMs: AgainMs,
): GatewayError => {
  const { backends, reserve } = status;
  // All that there are have calls: there may be more, one day.
  const workers = backends.reduce((sum, { taken }) => sum + taken, 0);
  const reserved =
    reserve === undefined
      ? 'only pools that the gateway runs itself have some in reserve'
      : `so are the ${reserve.workers} in reserve`;
  const detail = `All ${workers} workers of the pool ${name} wait for calls that wait for one of them, ${reserved}: ${[...outer, own].join(' → ')} would wait for ever. Give ${name} more workers, or ${own} a pool of its own.`;
  return new GatewayError('rpc-saturated', detail, again(againMs));
};
