/** A trace as a tree for terminals. Pure: `colour` decides whether it holds escape codes. */
import { styleText } from 'node:util';
import { round } from './clock.ts';
import type { SpanEvent, SpanRecord, TraceRecord } from './record.ts';

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const PHASES = ['validate', 'queue', 'connect', 'php', 'output'];
const BAR_CHARS = 24;
const TEXT_MAX_CHARS = 160;

const duration = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;

/** Control characters would let what a function says write anywhere on the operator's terminal. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ');

const clean = (text: unknown): string => printable(String(text).slice(0, TEXT_MAX_CHARS));

/** Where in the call's time a span lies: `··██████····`. */
const bar = (span: SpanRecord, trace: TraceRecord): string => {
  const total = Math.max(trace.endMs - trace.startMs, 0.001);
  const from = Math.min(BAR_CHARS - 1, Math.floor(((span.startMs - trace.startMs) / total) * BAR_CHARS));
  const to = Math.max(from + 1, Math.min(BAR_CHARS, Math.ceil(((span.endMs - trace.startMs) / total) * BAR_CHARS)));
  return '·'.repeat(from) + '█'.repeat(to - from) + '·'.repeat(BAR_CHARS - to);
};

const details = ({ attributes: all, kind }: SpanRecord): string => {
  if (kind === 'server') {
    const phases = PHASES.filter((phase) => all[`fpm_gateway.${phase}_ms`] !== undefined);
    return phases.map((phase) => `${phase} ${round(Number(all[`fpm_gateway.${phase}_ms`]))}`).join(' · ');
  }
  if (kind === 'client') return `worker ${all['fpm_gateway.worker.pid'] ?? 'none'}`;
  const peakMb = Number(all['fpm_gateway.php.peak_bytes'] ?? 0) / 1_048_576;
  return `cpu ${duration(Number(all['fpm_gateway.php.cpu_ms'] ?? 0))} · peak ${peakMb.toFixed(1)} MB`;
};

const eventLine = (event: SpanEvent, paint: Paint): string => {
  const { attributes: all } = event;
  const text =
    all['log.message'] ?? all['exception.message'] ?? all['fpm_gateway.detail'] ?? all['fpm_gateway.code'] ?? '';
  const label =
    event.name === 'exception'
      ? `${event.name} ${all['exception.type']}`
      : `${event.name} ${all['log.severity'] ?? ''}`.trim();
  const context =
    all['log.context'] === undefined || all['log.context'] === '[]' ? '' : ` ${clean(all['log.context'])}`;
  const bad = event.name === 'exception' || event.name === 'error' || all['log.severity'] === 'error';
  return `${paint(bad ? 'red' : 'yellow', `◆ ${clean(label)}`)} ${clean(text)}${paint('dim', context)}`;
};

export const renderTrace = (trace: TraceRecord, colour: boolean): string => {
  const paint: Paint = (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
  const status =
    Number(trace.spans[0]?.attributes['http.response.status_code'] ?? 0) || (trace.error ? 'failed' : 'ok');
  const outcome = trace.error === undefined ? paint('green', String(status)) : paint('red', `${status} ${trace.error}`);
  const head = `${paint('bold', trace.function)} ${outcome} ${duration(trace.endMs - trace.startMs)} ${paint('dim', `trace ${trace.traceId}`)}`;
  const children = (parent: string): SpanRecord[] => trace.spans.filter((span) => span.parentSpanId === parent);
  const branch = (span: SpanRecord, indent: string): string[] => {
    const lines: string[] = span.events.map((event) => `${indent}${eventLine(event, paint)}`);
    for (const child of children(span.spanId)) {
      const name = child.error === undefined ? child.name : paint('red', `${child.name} ${child.error}`);
      lines.push(
        `${indent}└ ${paint('cyan', bar(child, trace))} ${name} ${duration(child.endMs - child.startMs)} ${paint('dim', details(child))}`,
      );
      lines.push(...branch(child, `${indent}  `));
    }
    return lines;
  };
  const server = trace.spans[0];
  const lines = server === undefined ? [] : [`  ${paint('dim', details(server))}`, ...branch(server, '  ')];
  return [head, ...lines].join('\n');
};
