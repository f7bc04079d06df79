/**
 * One resident worker we hold. Priming tells the same of it as of a worker of php-fpm, and how each handler loaded:
 * a worker that has not loaded its application yet does so before it answers.
 */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { GatewayError, isGatewayError } from '../errors.ts';
import {
  type Address,
  type CgiResponse,
  type ConcurrentPeer,
  Connection,
  collect,
  formatAddress,
} from '../fastcgi/index.ts';
import { begunIds } from './begun.ts';
import { decodeEnvelope, type PhpException, type PrimedMeta, RUNTIME_VERSION } from './envelope.ts';
import type { GraceDir } from './grace.ts';
import { startTicks } from './instance-dir.ts';
import type { WorkerLife } from './recycling.ts';
import { RESIDENT_PRIME } from './runtime.ts';
import type { Worker } from './worker.ts';

/** A use of something that means another thing in a worker that stays. */
export interface Habit {
  readonly line: number;
  readonly what: string;
  readonly instead: string;
}

/** How a worker took the handler of one function. */
export interface LoadedHandler {
  readonly name: string;
  /** The class it takes as its input, where it takes no array. */
  readonly inputClass: string | null;
  /** Why it did not load. */
  readonly exception: PhpException | null;
  /** What it printed meanwhile. */
  readonly stray: string;
  readonly habits?: readonly Habit[];
}

export interface ResidentSource {
  readonly address: Address;
  /** Of the process that was started. */
  readonly pid: number;
  /** Whom the workers run as; undefined: as we do. */
  readonly uid: number | undefined;
  /** For connecting, and for the application to load where the worker does so itself. */
  readonly timeoutMs: number;
  /** It runs many calls at once. */
  readonly concurrent: ConcurrentPeer | undefined;
  readonly endSoon: () => void;
  readonly grace: GraceDir | undefined;
  readonly makeLife: (meta: PrimedMeta) => WorkerLife;
  /** Each time, because each worker loads them, or had them loaded before it was forked. */
  readonly loaded: (handlers: readonly LoadedHandler[]) => void;
}

const PRIME_LIMITS = { headMaxBytes: 16_384, bodyMaxBytes: 16 * 1_048_576, stderrMaxBytes: 16_384 };
const NOTHING = Buffer.alloc(0);

/** Why a worker cannot serve; `exception`: the application did not load. */
export class ResidentFailure extends GatewayError {
  readonly exception: PhpException | undefined;

  constructor(why: string, forOperators: string, exception: PhpException | undefined, cause?: unknown) {
    const privateDetail = forOperators;
    super('pool-unavailable', `A resident worker cannot serve: ${why}`, { executed: 'no', privateDetail, cause });
    this.exception = exception;
  }
}

const primed = ({ body, stderr }: CgiResponse, attemptId: string): { meta: PrimedMeta; payload: Buffer } => {
  const envelope = decodeEnvelope(body, attemptId);
  if (envelope.kind === 'none') {
    const said = (stderr || envelope.stray).trim().slice(0, 300) || 'nothing';
    throw new ResidentFailure("it does not run the gateway's runtime.", `It said: ${said}`, undefined);
  }
  const { meta, payload } = envelope;
  if (meta.outcome === 'primed') {
    if (meta.runtimeVersion === RUNTIME_VERSION) return { meta, payload };
    const detail = `It has version ${meta.runtimeVersion}, this gateway needs ${RUNTIME_VERSION}. Deploy both together.`;
    throw new ResidentFailure('its runtime has another version than this gateway.', detail, undefined);
  }
  if ('exception' in meta) {
    const { class: type, message, file, line } = meta.exception;
    throw new ResidentFailure(
      'its application did not load.',
      `${type}: ${message} in ${file}:${line}`,
      meta.exception,
    );
  }
  throw new ResidentFailure('its application did not load.', 'The bootstrap calls exit() or die().', undefined);
};

/** The folder is the workers' user's: what lies there instead could be another's socket, which only root may open. */
const assertTheirs = ({ address, uid }: ResidentSource): void => {
  if (address.kind !== 'unix') return;
  const stat = lstatSync(address.path, { throwIfNoEntry: false });
  if (stat?.isSocket() && stat.uid === (uid ?? process.getuid?.())) return;
  throw new ResidentFailure('its socket is not there.', `${address.path} is no socket of its user.`, undefined);
};

/** Rejects with `pool-unavailable`, executed: no. */
export const openResident = async (source: ResidentSource): Promise<Worker> => {
  const { address, pid, timeoutMs, concurrent, endSoon, grace, makeLife, loaded } = source;
  assertTheirs(source);
  const connection = await Connection.open(address, {
    timeoutMs,
    multiplexed: true,
    concurrent: concurrent && { ...concurrent, begun: () => begunIds(address) },
  });
  const peer = `The worker is ${formatAddress(address)}.`;
  const attemptId = randomUUID();
  const params = [...RESIDENT_PRIME, ['FPMG_ATTEMPT_ID', attemptId] as const];
  const request = { params, body: NOTHING, ping: false, keepConnection: true };
  const { response } = collect(connection, request, PRIME_LIMITS);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    connection.destroy();
  }, timeoutMs);
  try {
    const { meta, payload } = primed(await response, attemptId);
    if (meta.pid !== pid) throw new ResidentFailure('another process answered for it.', peer, undefined);
    loaded(JSON.parse(payload.toString()) as LoadedHandler[]);
    return { connection, facts: meta, pings: true, life: makeLife(meta), born: startTicks(pid), endSoon, grace };
  } catch (error) {
    connection.destroy();
    if (timedOut) throw new ResidentFailure(`it was not ready within ${timeoutMs} ms.`, peer, undefined, error);
    if (isGatewayError(error) && error.code === 'pool-unavailable') throw error;
    throw new ResidentFailure('it did not answer as it should.', `${peer} ${String(error)}`, undefined, error);
  } finally {
    clearTimeout(timer);
  }
};
