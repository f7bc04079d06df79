import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { newCallId } from '../../gateway/ids.ts';
import { CallTrace, type CallTraceOptions } from '../../gateway/trace/call-trace.ts';
import { nowMs } from '../../gateway/trace/clock.ts';
import type { TraceRecord } from '../../gateway/trace/record.ts';
import { TraceRing } from '../../gateway/trace/ring.ts';
import { formatTraceparent, parseTraceparent } from '../../gateway/trace/traceparent.ts';
import { parentBasedAlwaysOn, Tracer } from '../../gateway/trace/tracer.ts';

const make = (more: Partial<CallTraceOptions> = {}): CallTrace =>
  new CallTrace({
    traceId: 'a'.repeat(32),
    callId: newCallId(),
    function: 'f',
    sampled: true,
    kind: 'server',
    parent: undefined,
    link: undefined,
    recording: true,
    ...more,
  });

const ended = (trace: CallTrace): TraceRecord => {
  trace.end(undefined);
  return trace.record();
};

const eventsOf = (trace: CallTrace) => ended(trace).spans[0];

test('a span keeps a bounded number of events and counts the rest', () => {
  const trace = make();
  for (let at = 0; at < 200; at += 1) trace.event('log', { at }, at);
  const span = eventsOf(trace);
  expect(span?.events).toHaveLength(128);
  expect(span?.attributes['fpm_gateway.dropped_events']).toBe(72);
});

test('a span keeps a bounded amount of text and counts the rest', () => {
  const trace = make();
  for (let at = 0; at < 100; at += 1) trace.event('log', { text: 'x'.repeat(4000) }, at);
  const span = eventsOf(trace);
  const chars = span?.events.reduce((sum, event) => sum + String(event.attributes.text).length, 0);
  expect(chars).toBeLessThanOrEqual(65_536);
  expect(span?.attributes['fpm_gateway.dropped_events']).toBe(84);
});

test('ids of calls are UUIDs of version 7 that sort by time, and never meet', () => {
  const ids = Array.from({ length: 5000 }, newCallId);
  expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
    true,
  );
  expect(new Set(ids).size).toBe(ids.length);
  const milliseconds = ids.map((id) => id.slice(0, 13));
  expect(milliseconds).toEqual([...milliseconds].sort());
});

test('what a span is told in pieces is one set of attributes, the latest word counts, and undefined says nothing', () => {
  const trace = make();
  trace.set({ a: 1, b: 'first', c: undefined });
  trace.set({ b: 'second' });
  trace.set({ d: false });
  trace.set({ e: 2, a: undefined });
  expect(eventsOf(trace)?.attributes).toEqual({ a: 1, b: 'second', d: false, e: 2 });
});

test('an overlong text is cut, and the words beside it stay', () => {
  const trace = make();
  trace.set({ long: 'x'.repeat(5000), 'http.route': '/', none: undefined });
  trace.event('log', { text: 'ä'.repeat(5000), at: 1 }, 1);
  const span = eventsOf(trace);
  expect(span?.attributes).toEqual({ long: `${'x'.repeat(4096)}…`, 'http.route': '/' });
  expect(span?.events[0]?.attributes).toEqual({ text: `${'ä'.repeat(4096)}…`, at: 1 });
});

test('every span of a call has an id of its own, whichever attempt it belongs to', () => {
  // The last of its neighbourhood: the ids begin again at its other end.
  const spans = Array.from({ length: 200 }, () => {
    const trace = make();
    for (let at = 0; at < 5; at += 1) {
      const attempt = trace.beginAttempt();
      attempt.answered(1, undefined);
      attempt.end(undefined);
    }
    return ended(trace).spans;
  }).flat();
  expect(spans).toHaveLength(2200);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2200);
  expect(spans.every(({ spanId }) => /^[0-9a-f]{16}$/.test(spanId))).toBe(true);
});

test('PHP is told the id that its span of this attempt has', () => {
  const trace = make();
  const told = [1, 2, 3].map(() => {
    const attempt = trace.beginAttempt();
    attempt.answered(1, undefined);
    attempt.end(undefined);
    return parseTraceparent(trace.phpTraceparent(attempt))?.spanId;
  });
  expect(
    ended(trace)
      .spans.filter(({ name }) => name === 'f.php')
      .map(({ spanId }) => spanId),
  ).toEqual(told);
});

test('phases that a retried call meets again add up, and a header tells those that were met', () => {
  const trace = make();
  expect([trace.phases, trace.serverTiming()]).toEqual([{}, '']);
  trace.phase('validate', nowMs());
  trace.phase('php', nowMs() - 1000);
  trace.phase('php', nowMs() - 1000);
  expect(Object.keys(trace.phases)).toEqual(['validate', 'php']);
  expect(trace.phases.php).toBeGreaterThanOrEqual(2000);
  expect(trace.serverTiming()).toMatch(/^validate;dur=[\d.]+, php;dur=2\d{3}(\.\d{1,3})?$/);
});

describe('what is kept of large texts is a copy', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  /** Bytes that 500 of them keep. */
  const keptBytes = (make: (large: string) => unknown): number => {
    const kept: unknown[] = [];
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < 500; at += 1) kept.push(make(`${'x'.repeat(100_000)}${at}`));
    collectGarbage();
    const bytes = process.memoryUsage().heapUsed - before;
    expect(kept).toHaveLength(500);
    return bytes;
  };

  test('the ids of a long traceparent', () => {
    const header = (rest: string): string => `cc-${'a'.repeat(32)}-${'b'.repeat(16)}-01-${rest}`;
    expect(parseTraceparent(header('x'))?.sampled).toBe(true);
    expect(keptBytes((large) => parseTraceparent(header(large)))).toBeLessThan(2_000_000);
  });

  test('texts of events, however short, and of attributes that are cut', () => {
    const told = (large: string): CallTrace => {
      const trace = make();
      trace.event('log', { text: large.slice(50, 100) }, 1);
      trace.set({ large });
      return trace;
    };
    expect(keptBytes(told)).toBeLessThan(6_000_000);
  });
});

describe('without recording', () => {
  const tracer = (): Tracer => new Tracer(new TraceRing(10), parentBasedAlwaysOn, [() => expect.unreachable()], false);
  const begin = (own: Tracer, caller: ReturnType<typeof parseTraceparent>, trusted = true): CallTrace =>
    own.begin({ callId: 'c', function: 'f', caller, trusted });
  const CALLER = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };

  test('a call has a trace id, phases and an end, and nothing is kept or handed on', () => {
    const own = tracer();
    const trace = begin(own, undefined);
    trace.set({ a: 1 });
    trace.event('log', { text: 'x' }, 1);
    trace.phase('queue', nowMs());
    const ending = own.end(trace, 'internal-error');
    expect(trace.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect([ending.function, ending.error, trace.textChars]).toEqual(['f', 'internal-error', 0]);
    expect(ending.endMs).toBeGreaterThanOrEqual(ending.startMs);
    expect(Object.keys(trace.phases)).toEqual(['queue']);
    expect(own.ring.list(10)).toEqual([]);
  });

  test("PHP gets the caller's own span as its parent, since there is none between them", () => {
    const trace = begin(tracer(), CALLER);
    expect(trace.phpTraceparent(trace.beginAttempt())).toBe(formatTraceparent(CALLER));
  });

  test('a trace of our own tells PHP that nobody records it', () => {
    for (const trace of [begin(tracer(), undefined), begin(tracer(), CALLER, false)]) {
      const told = parseTraceparent(trace.phpTraceparent(trace.beginAttempt()));
      expect(told).toEqual({ traceId: trace.traceId, spanId: expect.any(String), sampled: false });
    }
  });
});
