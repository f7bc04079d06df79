/** Counts the spans of an ExportTraceServiceRequest without decoding them. Pure. */

/** resource_spans (1) → scope_spans (2) → spans (2). */
const PATH = [1, 2, 2];

interface Varint {
  readonly value: number;
  readonly next: number;
}

const readVarint = (bytes: Uint8Array, start: number): Varint => {
  let value = 0;
  for (let at = start; at < start + 10; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value += (byte & 127) * 2 ** (7 * (at - start));
    if (byte < 128) return { value, next: at + 1 };
  }
  throw new Error(`protobuf: a number is cut off at byte ${start}`);
};

const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Throws when the bytes are no such message. */
export const countSpans = (bytes: Uint8Array, depth = 0): number => {
  let count = 0;
  let at = 0;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at);
    const wireType = tag.value & 7;
    const isOnPath = tag.value >>> 3 === PATH[depth];
    if (wireType === 0) at = readVarint(bytes, tag.next).next;
    else if (wireType === 2) {
      const { value: length, next } = readVarint(bytes, tag.next);
      at = next + length;
      if (at > bytes.length) throw new Error(`protobuf: a field of ${length} bytes is cut off`);
      if (isOnPath) count += depth === PATH.length - 1 ? 1 : countSpans(bytes.subarray(next, at), depth + 1);
    } else {
      const length = FIXED_BYTES[wireType];
      if (length === undefined) throw new Error(`protobuf: wire type ${wireType} is not used by OTLP`);
      at = tag.next + length;
    }
  }
  return count;
};
