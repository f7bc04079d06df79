/** What an attempt leaves behind: in its trace the worker, PHP's own figures, STDERR; in trace and log what it logged. */
import type { Log } from '../log.ts';
import type { Meta, PhpException } from '../pool/envelope.ts';
import type { Worker } from '../pool/worker.ts';
import { type AttemptTrace, nowMs, type PhpTrace } from '../trace/call-trace.ts';

export const recordWorker = (attempt: AttemptTrace, worker: Worker): void => {
  const { address } = worker.connection;
  attempt.set({
    'rpc.system.name': 'fastcgi',
    'network.transport': address.kind,
    'server.address': address.kind === 'unix' ? address.path : address.host,
    'server.port': address.kind === 'unix' ? undefined : address.port,
    'fpm_gateway.worker.pid': worker.facts.pid,
    'fpm_gateway.attempt': attempt.number,
  });
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
  const { php } = attempt;
  php.wallMs = meta.wallMs;
  php.endMs = nowMs();
  php.error = GOOD.has(meta.outcome) ? undefined : meta.outcome;
  const startMs = php.endMs - meta.wallMs;
  const { log, ...call } = context;
  for (const { level, message, context: details, atMs } of meta.logs ?? []) {
    const values = { 'log.severity': level, 'log.message': message, 'log.context': JSON.stringify(details) };
    php.event('log', values, startMs + atMs);
    log[level]({ ...call, context: details }, message);
  }
  if ('exception' in meta) recordException(php, meta.exception);
  php.set({
    'process.pid': meta.pid,
    'process.runtime.name': 'php-fpm',
    'process.runtime.version': worker.facts.phpVersion,
    'fpm_gateway.php.peak_bytes': meta.peakBytes,
    'fpm_gateway.php.cpu_ms': meta.cpuMs,
    'fpm_gateway.php.wall_ms': meta.wallMs,
    'fpm_gateway.php.dropped_logs': meta.droppedLogs || undefined,
  });
};

/** PHP's trace begins one frame above the throw, which is put in front of it. */
const recordException = (php: PhpTrace, { class: type, message, file, line, trace }: PhpException): void => {
  const stack = [`${type}: ${message} in ${file}:${line}`, trace].filter(Boolean).join('\n');
  const values = { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack };
  php.event('exception', values, nowMs());
};
