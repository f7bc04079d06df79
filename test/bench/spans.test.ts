import { describe, expect, test } from 'vitest';
import { countSpans } from './spans.ts';

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
const field = (number: number, bytes: readonly number[]): number[] => [
  ...varint(number * 8 + 2),
  ...varint(bytes.length),
  ...bytes,
];
/** A span with a name and a fixed64 start, as they come. */
const span = [...field(5, [115, 112, 97, 110]), 7 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8];
const long = [
  ...field(
    5,
    Array.from({ length: 300 }, () => 120),
  ),
];
const scopeSpans = (...spans: number[][]): number[] => [
  ...field(1, field(1, [120])),
  ...spans.flatMap((one) => field(2, one)),
];
const resourceSpans = (...scopes: number[][]): number[] => [
  ...field(1, [8, 1]),
  ...scopes.flatMap((scope) => field(2, scope)),
  ...field(3, [104]),
];
const message = (...resources: number[][]): Uint8Array =>
  Uint8Array.from(resources.flatMap((resource) => field(1, resource)));

describe('spans of an ExportTraceServiceRequest', () => {
  test('are counted over all resources and scopes', () => {
    const bytes = message(
      resourceSpans(scopeSpans(span, span, long), scopeSpans(span)),
      resourceSpans(scopeSpans()),
      resourceSpans(scopeSpans(span)),
    );
    expect(countSpans(bytes)).toBe(5);
  });

  test('are none in an empty message', () => {
    expect(countSpans(new Uint8Array())).toBe(0);
  });

  test('fields of other numbers and wire types are passed over', () => {
    const others = [9 * 8, ...varint(300), 10 * 8 + 5, 1, 2, 3, 4, ...field(200, [1, 2, 3])];
    expect(countSpans(Uint8Array.from([...others, ...message(resourceSpans(scopeSpans(span)))]))).toBe(1);
  });

  test('a message that is cut off is no message', () => {
    const whole = message(resourceSpans(scopeSpans(span)));
    expect(() => countSpans(whole.subarray(0, whole.length - 1))).toThrow(/cut off/);
    expect(() => countSpans(Uint8Array.from([0x0a]))).toThrow(/cut off/);
    expect(() => countSpans(Uint8Array.from([0x0b]))).toThrow(/wire type 3/);
  });
});
