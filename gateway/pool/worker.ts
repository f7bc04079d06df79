/**
 * One PHP worker we hold: a connection that has been primed, and the process behind it.
 *
 * Priming is a first, harmless call on each fresh connection. It proves that a worker has accepted us (so no real call
 * ever waits in FPM's backlog, where it would run even if we gave up), that our runtime is there in the right
 * version, and it tells the pid, which stays the worker's for the connection's life.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { GatewayError, isGatewayError } from '../errors.ts';
import { collect } from '../fastcgi/collect.ts';
import { type Address, Connection, formatAddress } from '../fastcgi/index.ts';
import { decodeEnvelope, type PrimedMeta, RUNTIME_VERSION } from './envelope.ts';
import type { GraceDir } from './grace.ts';
import { startTicks } from './instance-dir.ts';
import type { WorkerLife } from './recycling.ts';
import { type PhpPaths, primeParams } from './runtime.ts';

export interface Worker {
  readonly connection: Connection;
  readonly facts: PrimedMeta;
  /** The peer answers pings and stays: php-fpm 8.2 and newer, and resident workers. */
  readonly pings: boolean;
  /** Of a resident worker. */
  readonly life: WorkerLife | undefined;
  /** When the process of a resident worker began, as `startTicks` tells: its number may be another's later. */
  readonly born: string | undefined;
  /** Its process is to end by itself now; if it does not, it is ended. Nothing for php-fpm's, which are its own to end. */
  readonly endSoon: () => void;
  /** Where its handlers ask for time to clean up; undefined: they cannot. */
  readonly grace: GraceDir | undefined;
}

export interface WorkerSource {
  readonly address: Address;
  readonly paths: PhpPaths;
  readonly connectTimeoutMs: number;
  readonly grace: GraceDir | undefined;
}

const PRIME_LIMITS = { headMaxBytes: 16_384, bodyMaxBytes: 65_536, stderrMaxBytes: 4096 };
const EMPTY_INPUT = Buffer.from('null');

interface Reason {
  /** Callers read it. */
  readonly why: string;
  readonly forOperators?: string;
  readonly cause?: unknown;
}

const unusable = (source: WorkerSource, { why, forOperators, cause }: Reason): GatewayError => {
  const privateDetail = `The peer is ${formatAddress(source.address)}. ${forOperators ?? ''}`.trim();
  return new GatewayError('pool-unavailable', `php-fpm cannot serve: ${why}`, { executed: 'no', privateDetail, cause });
};

const factsOf = (source: WorkerSource, body: Buffer, stderr: string, attemptId: string): PrimedMeta => {
  const envelope = decodeEnvelope(body, attemptId);
  const script = `${source.paths.runtime}/run.php`;
  if (envelope.kind === 'none' || envelope.meta.outcome !== 'primed') {
    const said = (stderr || envelope.stray).trim().slice(0, 300);
    throw unusable(source, {
      why: "it does not run the gateway's runtime.",
      forOperators: `It does not run ${script} (it said: ${said || 'nothing'}). Check root, runtime and file access.`,
    });
  }
  const { runtimeVersion } = envelope.meta;
  if (runtimeVersion !== RUNTIME_VERSION) {
    throw unusable(source, {
      why: 'its runtime has another version than this gateway.',
      forOperators: `${script} has version ${runtimeVersion}, this gateway needs ${RUNTIME_VERSION}. Deploy both together.`,
    });
  }
  return envelope.meta;
};

const openOnce = async (source: WorkerSource, ping: boolean, timeoutMs: number): Promise<Worker> => {
  const startedMs = performance.now();
  const connection = await Connection.open(source.address, { timeoutMs });
  const attemptId = randomUUID();
  const request = { params: primeParams(source.paths, attemptId), body: EMPTY_INPUT, ping, keepConnection: true };
  const leftMs = Math.max(1, timeoutMs - (performance.now() - startedMs));
  const { exchange, response } = collect(connection, request, PRIME_LIMITS);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    connection.destroy();
  }, leftMs);
  try {
    const { body, stderr } = await response;
    return {
      connection,
      facts: factsOf(source, body, stderr, attemptId),
      pings: ping,
      life: undefined,
      born: undefined,
      endSoon,
      grace: source.grace,
    };
  } catch (error) {
    connection.destroy();
    if (timedOut) {
      const why = `no worker answered within ${timeoutMs} ms: are all of them busy or stopped?`;
      throw unusable(source, { why, cause: error });
    }
    const { progress } = exchange;
    // php-fpm before 8.2 closes the connection once it has answered a ping.
    if (progress.ping === 'answered' && progress.bytesReceived === 0 && !progress.ended) throw new PingUnsupported();
    if (isGatewayError(error) && error.code === 'pool-unavailable') throw error;
    throw unusable(source, { why: 'it did not answer as it should.', forOperators: String(error), cause: error });
  } finally {
    clearTimeout(timer);
  }
};

const endSoon = (): void => {};

class PingUnsupported extends Error {}

/** Rejects with `pool-unavailable`, executed: no. */
export const openWorker = async (source: WorkerSource): Promise<Worker> => {
  try {
    return await openOnce(source, true, source.connectTimeoutMs);
  } catch (error) {
    if (!(error instanceof PingUnsupported)) throw error;
    return await openOnce(source, false, source.connectTimeoutMs);
  }
};

/** As Runtime::namespaceId() in PHP. Empty where /proc is absent: then nothing is ever killed. */
const ownPidNamespace = ((): string => {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
})();

const CHECK_EVERY_MS = 50;
const KILL_AFTER_MS = 1000;

/** False where we may not (another user) or nobody is there. */
const signal = (pid: number, name: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGPROF'): boolean => {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
};

/** An application may have a handler for the polite one, and a worker that goes on would be taken for a good one. */
const endingSignal = ({ life }: Worker): 'SIGTERM' | 'SIGKILL' => (life === undefined ? 'SIGTERM' : 'SIGKILL');

/** False for another machine, pid namespace or kernel: its pids are not ours to signal. */
const isWithinReach = ({ facts, born }: Worker): boolean =>
  ownPidNamespace !== '' &&
  facts.pidNamespace === ownPidNamespace &&
  (born === undefined || startTicks(facts.pid) === born);

/**
 * Ends the process behind a connection that is open and unanswered: its pid cannot have been reused then. php-fpm
 * starts another in about 2 ms. Returns false where we may not (another machine, pid namespace or user): then the
 * worker stays counted as busy until it answers.
 */
export const stopWorker = (worker: Worker): boolean => {
  const { connection, facts } = worker;
  if (!isWithinReach(worker) || !connection.busy) return false;
  if (worker.life !== undefined) worker.life.stopped = true;
  const born = startTicks(facts.pid);
  if (born !== undefined && !signal(facts.pid, endingSignal(worker))) return false;
  const killAtMs = performance.now() + KILL_AFTER_MS;
  let isGone = false;
  const check = (): void => {
    // A program that the worker started holds its socket open: the end of the process is the end of the worker. Not before
    // the next look: on a busy machine a timer comes before the end that is there to be read, which proves more.
    if (isGone) connection.destroy();
    else if (born === undefined || startTicks(facts.pid) !== born) isGone = true;
    // A stopped process (SIGSTOP, a debugger) takes no SIGTERM.
    else if (performance.now() > killAtMs) signal(facts.pid, 'SIGKILL');
  };
  const timer = setInterval(check, CHECK_EVERY_MS);
  timer.unref();
  void connection.closed.then(() => clearInterval(timer));
  return true;
};

/** It runs no further until `letGo`. False where we may not. */
export const holdWorker = (worker: Worker): boolean =>
  isWithinReach(worker) && worker.connection.busy && signal(worker.facts.pid, 'SIGSTOP');

export const letGo = (worker: Worker): void => {
  signal(worker.facts.pid, 'SIGCONT');
};

/**
 * PHP takes it for the end of its time limit, whatever max_execution_time says: the call ends in a fatal error at its next
 * step, and what shutdown functions do is done. `sleep()` and `stream_select()` come back for it; a read that blocks does
 * not. For a worker that is held: one between two calls would lose the next.
 */
export const askToEnd = (worker: Worker): boolean => {
  if (!isWithinReach(worker) || !worker.connection.busy) return false;
  // PHP's command line program ends with it.
  if (worker.life !== undefined) worker.life.stopped = true;
  return signal(worker.facts.pid, 'SIGPROF');
};

/**
 * Ends the process whose answer we have just cut off, in the same turn of the event loop. It was alive and writing
 * then, and nothing but a priming can have reached it since: its pid is still right, and no call is hit.
 */
export const stopSender = (worker: Worker): void => {
  if (isWithinReach(worker)) signal(worker.facts.pid, endingSignal(worker));
};
