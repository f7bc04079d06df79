/**
 * FastCGI name-value pairs as PARAMS records. Pure.
 * php-fpm parses each PARAMS record alone, so a pair never spans two of them; a pair that fits no record is refused.
 */
import { GatewayError } from '../errors.ts';
import { FCGI_HEADER_LEN, FCGI_MAX_CONTENT_LEN, RecordType, writeHeader } from './record.ts';

export type Params = Iterable<readonly [name: string, value: string]>;

const lengthBytes = (length: number): number => (length < 128 ? 1 : 4);

const writeLength = (target: Buffer, offset: number, length: number): number =>
  length < 128 ? target.writeUInt8(length, offset) : target.writeUInt32BE((length | 0x80000000) >>> 0, offset);

const pairBytes = (nameBytes: number, valueBytes: number): number =>
  lengthBytes(nameBytes) + lengthBytes(valueBytes) + nameBytes + valueBytes;

/** A NUL cuts the value in PHP: `ok.php\0.png` would run `ok.php`. */
const assertPair = (name: string, value: string, bytes: number): void => {
  if (name === '' || name.includes('\0') || value.includes('\0')) {
    throw new GatewayError('bad-request', `The FastCGI parameter ${JSON.stringify(name)} is empty or holds a NUL.`);
  }
  if (bytes > FCGI_MAX_CONTENT_LEN) {
    throw new GatewayError(
      'headers-too-large',
      `The FastCGI parameter ${name} takes ${bytes} bytes; one record holds ${FCGI_MAX_CONTENT_LEN}.`,
    );
  }
};

interface Pair {
  readonly name: string;
  readonly value: string;
  readonly nameBytes: number;
  readonly valueBytes: number;
  readonly bytes: number;
}

const measure = (name: string, value: string): Pair => {
  const nameBytes = Buffer.byteLength(name);
  const valueBytes = Buffer.byteLength(value);
  const bytes = pairBytes(nameBytes, valueBytes);
  assertPair(name, value, bytes);
  return { name, value, nameBytes, valueBytes, bytes };
};

const writePair = (target: Buffer, start: number, pair: Pair): number => {
  let offset = writeLength(target, start, pair.nameBytes);
  offset = writeLength(target, offset, pair.valueBytes);
  offset += target.write(pair.name, offset);
  return offset + target.write(pair.value, offset);
};

const encodeParamsRecord = (requestId: number, pairs: readonly Pair[], contentBytes: number): Buffer => {
  const record = Buffer.allocUnsafe(FCGI_HEADER_LEN + contentBytes);
  let offset = writeHeader(record, 0, RecordType.PARAMS, requestId, contentBytes);
  for (const pair of pairs) offset = writePair(record, offset, pair);
  return record;
};

/**
 * PARAMS records for these pairs, without the empty record that ends the stream: several results may be sent one
 * after another, so what is the same for every call of a function is encoded once.
 */
export const encodeParams = (requestId: number, params: Params): Buffer => {
  const records: Buffer[] = [];
  let pending: Pair[] = [];
  let pendingBytes = 0;
  for (const [name, value] of params) {
    const pair = measure(name, value);
    if (pendingBytes + pair.bytes > FCGI_MAX_CONTENT_LEN) {
      records.push(encodeParamsRecord(requestId, pending, pendingBytes));
      pending = [];
      pendingBytes = 0;
    }
    pending.push(pair);
    pendingBytes += pair.bytes;
  }
  if (pending.length > 0) records.push(encodeParamsRecord(requestId, pending, pendingBytes));
  return records.length === 1 && records[0] ? records[0] : Buffer.concat(records);
};

/**
 * The same with pairs added at its end, in the same record where they fit: php-fpm reads each record with two system
 * calls.
 */
export const appendParams = (requestId: number, encoded: Buffer, params: Params): Buffer => {
  const first = FCGI_HEADER_LEN + (encoded.length < FCGI_HEADER_LEN ? 0 : encoded.readUInt16BE(4));
  const pairs = [...params].map(([name, value]) => measure(name, value));
  const bytes = pairs.reduce((sum, pair) => sum + pair.bytes, 0);
  const contentBytes = first - FCGI_HEADER_LEN + bytes;
  if (first !== encoded.length || contentBytes > FCGI_MAX_CONTENT_LEN)
    return Buffer.concat([encoded, encodeParams(requestId, params)]);
  const record = Buffer.allocUnsafe(FCGI_HEADER_LEN + contentBytes);
  writeHeader(record, 0, RecordType.PARAMS, requestId, contentBytes);
  let offset = first;
  encoded.copy(record, FCGI_HEADER_LEN, FCGI_HEADER_LEN);
  for (const pair of pairs) offset = writePair(record, offset, pair);
  return record;
};

const cutPair = (): GatewayError =>
  new GatewayError('bad-function-response', 'The FastCGI peer sent a cut name-value pair.');

const readLength = (content: Buffer, offset: number): [length: number, next: number] => {
  const first = content[offset];
  if (first !== undefined && first < 128) return [first, offset + 1];
  if (offset + 4 > content.length) throw cutPair();
  return [content.readUInt32BE(offset) & 0x7fffffff, offset + 4];
};

/** Pairs of one record's content: for `FCGI_GET_VALUES_RESULT`. Throws `bad-function-response` on a cut pair. */
export const decodePairs = (content: Buffer): [name: string, value: string][] => {
  const pairs: [string, string][] = [];
  let offset = 0;
  while (offset < content.length) {
    const [nameBytes, afterName] = readLength(content, offset);
    const [valueBytes, start] = readLength(content, afterName);
    const end = start + nameBytes + valueBytes;
    if (end > content.length) throw cutPair();
    pairs.push([content.toString('utf8', start, start + nameBytes), content.toString('utf8', start + nameBytes, end)]);
    offset = end;
  }
  return pairs;
};
