/** What an attempt leaves behind: in its trace the worker, PHP's own figures, STDERR; in trace and log what it logged. */
import { type Log, writes } from '../log.ts';
import type { Leak, Meta, PhpException } from '../pool/envelope.ts';
import type { WorkerLife } from '../pool/recycling.ts';
import type { Worker } from '../pool/worker.ts';
import type { AttemptTrace, PhpTrace } from '../trace/attempt-trace.ts';
import { nowMs } from '../trace/clock.ts';
import type { Values } from '../trace/values.ts';

/** What never changes while a worker lives, made once: the attempts on it share the object. */
const told = new WeakMap<Worker, Values>();

const valuesOf = ({ connection, facts, life }: Worker): Values => {
  const { address } = connection;
  return {
    'fpm_gateway.engine': life === undefined ? 'fpm' : 'resident',
    'rpc.system.name': 'fastcgi',
    'network.transport': address.kind,
    'server.address': address.kind === 'unix' ? address.path : address.host,
    'server.port': address.kind === 'unix' ? undefined : address.port,
    'fpm_gateway.worker.pid': facts.pid,
  };
};

export const recordWorker = (attempt: AttemptTrace, worker: Worker): void => {
  let values = told.get(worker);
  if (values === undefined) {
    values = valuesOf(worker);
    told.set(worker, values);
  }
  attempt.set(values);
};

/** Whose lines the log shows. */
export interface LogContext {
  readonly log: Log;
  readonly function: string;
  readonly callId: string;
  readonly traceId: string;
}

const GOOD = new Set(['output', 'streamed', 'script-ended']);

export interface Answered {
  readonly worker: Worker;
  readonly stderr: string;
  readonly stderrBytes: number;
  /** PHP's own word; undefined when it did not come to give it. */
  readonly meta: Meta | undefined;
}

export const recordAnswer = (attempt: AttemptTrace, answered: Answered, context: LogContext): void => {
  const { worker, stderr, stderrBytes, meta } = answered;
  if (stderr !== '') {
    const values = { 'log.message': stderr.trim(), 'fpm_gateway.stderr_bytes': stderrBytes };
    attempt.event('stderr', values, nowMs());
  }
  if (meta === undefined) return;
  const php = attempt.answered(meta.wallMs, GOOD.has(meta.outcome) ? undefined : meta.outcome);
  if (meta.logs !== undefined) recordLogs(php, meta.logs, context);
  if ('exception' in meta) recordException(php, meta.exception);
  if (meta.leaks !== undefined) recordLeaks(php, meta.leaks);
  php.set({
    'process.pid': meta.pid,
    'process.runtime.name': worker.life === undefined ? 'php-fpm' : 'php',
    'process.runtime.version': worker.facts.phpVersion,
    'fpm_gateway.php.peak_bytes': meta.peakBytes,
    'fpm_gateway.php.cpu_ms': meta.cpuMs,
    'fpm_gateway.php.wall_ms': meta.wallMs,
    'fpm_gateway.php.dropped_logs': meta.droppedLogs || undefined,
  });
  if (worker.life !== undefined) php.set(lifeOf(worker.life, meta));
};

/** Of a worker that stays: how long it has, and what it holds behind this call. */
const lifeOf = ({ bornMs }: WorkerLife, { served, memoryBytes, running }: Meta): Values => ({
  'fpm_gateway.worker.served': served,
  'fpm_gateway.worker.running': running,
  'fpm_gateway.worker.memory_bytes': memoryBytes,
  'fpm_gateway.worker.age_ms': Math.round(performance.now() - bornMs),
});

const recordLeaks = (php: PhpTrace, leaks: readonly Leak[]): void => {
  for (const { kind, name, detail, restored } of leaks) {
    const values = { 'leak.kind': kind, 'leak.name': name, 'leak.detail': detail, 'leak.restored': restored };
    php.event('leak', values, nowMs());
  }
};

const recordLogs = (php: PhpTrace, logs: NonNullable<Meta['logs']>, { log, ...call }: LogContext): void => {
  const startMs = php.endMs - php.wallMs;
  for (const { level, message, context: details, atMs } of logs) {
    const values = { 'log.severity': level, 'log.message': message, 'log.context': JSON.stringify(details) };
    php.event('log', values, startMs + atMs);
    if (writes(log, level)) log[level]({ ...call, context: details }, message);
  }
};

/** PHP's trace begins one frame above the throw, which is put in front of it. */
const recordException = (php: PhpTrace, { class: type, message, file, line, trace }: PhpException): void => {
  const stack = [`${type}: ${message} in ${file}:${line}`, trace].filter(Boolean).join('\n');
  const values = { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack };
  php.event('exception', values, nowMs());
};
