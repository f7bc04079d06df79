/** What an attempt leaves in its trace: the worker, PHP's own figures, its log lines and its STDERR. */
import { type CgiResponse, formatAddress } from '../fastcgi/index.ts';
import type { Envelope, LogEntry } from '../pool/envelope.ts';
import type { Worker } from '../pool/worker.ts';
import { type AttemptTrace, attributes, nowMs } from '../trace/call-trace.ts';
import type { SpanEvent } from '../trace/record.ts';

const logEvent = (entry: LogEntry, phpStartMs: number): SpanEvent => ({
  name: 'log',
  atMs: phpStartMs + entry.atMs,
  attributes: attributes({
    'log.severity': entry.level,
    'log.message': entry.message,
    'log.context': JSON.stringify(entry.context),
  }),
});

export const recordWorker = (attempt: AttemptTrace, worker: Worker): void => {
  const { address } = worker.connection;
  attempt.set({
    'rpc.system.name': 'fastcgi',
    'network.transport': address.kind,
    'server.address': formatAddress(address),
    'fpm_gateway.worker.pid': worker.facts.pid,
    'fpm_gateway.attempt': attempt.number,
  });
};

export const recordAnswer = (
  attempt: AttemptTrace,
  worker: Worker,
  response: CgiResponse,
  envelope: Envelope,
): void => {
  const { stderr, stderrBytes } = response;
  if (stderrBytes > 0)
    attempt.event('stderr', { 'log.message': stderr.trim(), 'fpm_gateway.stderr_bytes': stderrBytes });
  if (envelope.kind === 'none') return;
  const { meta } = envelope;
  const phpStartMs = nowMs() - meta.wallMs;
  const events = (meta.logs ?? []).map((entry) => logEvent(entry, phpStartMs));
  if ('exception' in meta) {
    const { class: type, message, file, line, trace } = meta.exception;
    const values = {
      'exception.type': type,
      'exception.message': message,
      'exception.stacktrace': trace ?? `${file}:${line}`,
    };
    events.push({ name: 'exception', atMs: nowMs(), attributes: attributes(values) });
  }
  attempt.php = {
    wallMs: meta.wallMs,
    error: meta.outcome === 'output' ? undefined : meta.outcome,
    events,
    attributes: attributes({
      'process.pid': meta.pid,
      'process.runtime.name': 'php-fpm',
      'process.runtime.version': worker.facts.phpVersion,
      'fpm_gateway.php.peak_bytes': meta.peakBytes,
      'fpm_gateway.php.cpu_ms': meta.cpuMs,
      'fpm_gateway.php.wall_ms': meta.wallMs,
      'fpm_gateway.php.dropped_logs': meta.droppedLogs || undefined,
    }),
  };
};
