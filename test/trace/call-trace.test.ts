import { expect, test } from 'vitest';
import { newCallId } from '../../gateway/ids.ts';
import { CallTrace } from '../../gateway/trace/call-trace.ts';

const make = (): CallTrace =>
  new CallTrace(
    { callId: newCallId(), function: 'f', sampled: true, parent: undefined, link: undefined },
    'a'.repeat(32),
  );

const eventsOf = (trace: CallTrace) => trace.end(undefined).spans[0];

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
