/** What calls are told that may not go to a worker; executed: no. */
import { GatewayError } from '../errors.ts';
import type { Pool } from '../pool/pool.ts';
import type { OpenCall } from './nesting.ts';
import type { Entry, Waiter } from './rows.ts';

const RETRY_AFTER_MS = 1000;

export const stopping = (): GatewayError =>
  new GatewayError('shutting-down', 'The gateway is stopping.', { retryAfterMs: RETRY_AFTER_MS });

export const overloaded = (pool: string, queueMax: number): GatewayError => {
  const detail = `${queueMax} calls wait for the pool ${pool} already; its queueMax is ${queueMax}.`;
  return new GatewayError('overloaded', detail, { retryAfterMs: RETRY_AFTER_MS });
};

export const aboveCap = ({ name, inFlightMax }: Entry['fn'], inside: number): GatewayError => {
  const detail = `${inside} calls of ${name} are under way; its inFlightMax is ${inFlightMax}.`;
  return new GatewayError('concurrency-limit', detail, { retryAfterMs: RETRY_AFTER_MS });
};

export const tooLate = (
  { name, available, state, failure }: Pick<Pool, 'name' | 'available' | 'state' | 'failure'>,
  { entry: { fn, queueTimeoutMs }, limitMs }: Waiter,
): GatewayError => {
  const sleepy = state === 'awake' ? '' : `, which slept and is ${state} still`;
  const waited = `${fn.name} waited ${Math.round(limitMs)} ms for a worker of the pool ${name}${sleepy}`;
  // For the log and the trace: it may tell of files.
  const cause = failure === undefined ? {} : { privateDetail: failure };
  const again = { ...cause, retryAfterMs: RETRY_AFTER_MS };
  if (!available) return new GatewayError('pool-unavailable', `${waited}, which cannot be reached.`, again);
  if (limitMs < queueTimeoutMs)
    return new GatewayError('deadline-exceeded', `${waited}; its deadline has passed.`, cause);
  return new GatewayError('queue-timeout', `${waited}; its queueTimeoutMs is ${queueTimeoutMs}.`, again);
};

export const saturated = (
  { name, status }: Pick<Pool, 'name' | 'status'>,
  { outer, name: own }: OpenCall,
): GatewayError => {
  const { backends, reserve } = status;
  // All that there are have calls: there may be more, one day.
  const workers = backends.reduce((sum, { taken }) => sum + taken, 0);
  const reserved =
    reserve === undefined
      ? 'only pools that the gateway runs itself have some in reserve'
      : `so are the ${reserve.workers} in reserve`;
  const detail = `All ${workers} workers of the pool ${name} wait for calls that wait for one of them, ${reserved}: ${[...outer, own].join(' → ')} would wait for ever. Give ${name} more workers, or ${own} a pool of its own.`;
  return new GatewayError('rpc-saturated', detail, { retryAfterMs: RETRY_AFTER_MS });
};
