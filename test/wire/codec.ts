/**
 * FastCGI a second time, as plainly as the specification says it and without a line of the gateway's: what tests
 * compare with and what the fake server speaks. Slow and simple on purpose.
 */

export interface WireRecord {
  readonly type: number;
  readonly id: number;
  readonly content: Buffer;
  readonly padding: number;
}

export const Type = {
  BEGIN: 1,
  ABORT: 2,
  END: 3,
  PARAMS: 4,
  STDIN: 5,
  STDOUT: 6,
  STDERR: 7,
  GET_VALUES: 9,
  VALUES: 10,
  CALL: 12,
  CANCEL: 13,
  ANSWER: 14,
  PAUSE: 15,
  RESUME: 16,
} as const;

export interface RecordFields {
  readonly version?: number;
  readonly id?: number;
  readonly padding?: number;
}

export const record = (type: number, content: string | Uint8Array = '', fields: RecordFields = {}): Buffer => {
  const { version = 1, id = 1, padding = 0 } = fields;
  const bytes = Buffer.from(content as Uint8Array);
  const head = [version, type, id >> 8, id & 255, bytes.length >> 8, bytes.length & 255, padding, 0];
  return Buffer.concat([Buffer.from(head), bytes, Buffer.alloc(padding, 0xee)]);
};

export const stdout = (content: string | Uint8Array, fields?: RecordFields): Buffer =>
  record(Type.STDOUT, content, fields);
export const stderr = (content: string | Uint8Array, fields?: RecordFields): Buffer =>
  record(Type.STDERR, content, fields);

/** A piece of a nested call or of its answer. */
export const piece = (
  type: number,
  number: number,
  bytes: string | Uint8Array,
  isLast = true,
  fields?: RecordFields,
): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(number);
  head[4] = isLast ? 1 : 0;
  return record(type, Buffer.concat([head, Buffer.from(bytes as Uint8Array)]), fields);
};

/** A whole nested call. */
export const nestedCall = (number: number, message: string | Uint8Array, fields?: RecordFields): Buffer =>
  piece(Type.CALL, number, message, true, fields);
export const cancelCall = (number: number, fields?: RecordFields): Buffer =>
  piece(Type.CANCEL, number, '', true, fields);

export interface WireAnswer {
  readonly id: number;
  readonly number: number;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers to nested calls that are complete, in the order of their ends. */
export const decodeAnswers = (records: readonly WireRecord[]): WireAnswer[] => {
  const begun = new Map<number, Buffer[]>();
  return records.flatMap(({ type, id, content }): WireAnswer[] => {
    if (type !== Type.ANSWER) return [];
    const number = content.readUInt32BE(0);
    const pieces = [...(begun.get(number) ?? []), content.subarray(5)];
    begun.set(number, pieces);
    if (content[4] !== 1) return [];
    begun.delete(number);
    const message = Buffer.concat(pieces);
    const end = message.indexOf(10);
    return [{ id, number, ...JSON.parse(message.toString('utf8', 0, end)), body: message.toString('utf8', end + 1) }];
  });
};

/** With stale memory in the reserved bytes, as php-fpm sends it. */
export const endRequest = (protocolStatus = 0, fields?: RecordFields): Buffer =>
  record(Type.END, Buffer.concat([Buffer.from([0, 0, 0, 0, protocolStatus]), Buffer.from('pm/')]), fields);

export const pairs = (entries: readonly (readonly [string, string])[]): Buffer => {
  const length = (bytes: number): Buffer =>
    bytes < 128
      ? Buffer.from([bytes])
      : Buffer.from([128 + Math.floor(bytes / 2 ** 24), (bytes >> 16) & 255, (bytes >> 8) & 255, bytes & 255]);
  return Buffer.concat(
    entries.flatMap(([name, value]) => {
      const [n, v] = [Buffer.from(name), Buffer.from(value)];
      return [length(n.length), length(v.length), n, v];
    }),
  );
};

/** What php-fpm says to a ping. */
export const pingAnswer = (): Buffer => record(Type.VALUES, pairs([['FCGI_MPXS_CONNS', '0']]), { id: 0, padding: 6 });

/** All whole records at the start of these bytes, and the bytes behind them. */
export const decodeRecords = (bytes: Buffer): { readonly records: WireRecord[]; readonly rest: Buffer } => {
  const records: WireRecord[] = [];
  let at = 0;
  while (bytes.length - at >= 8) {
    const [version, type = 0, idHigh = 0, idLow = 0, high = 0, low = 0, padding = 0] = bytes.subarray(at, at + 8);
    if (version !== 1) throw new Error(`version ${version} at byte ${at}`);
    const length = high * 256 + low;
    if (bytes.length - at < 8 + length + padding) break;
    const content = Buffer.from(bytes.subarray(at + 8, at + 8 + length));
    records.push({ type, id: idHigh * 256 + idLow, content, padding });
    at += 8 + length + padding;
  }
  return { records, rest: bytes.subarray(at) };
};

/** Each record must hold whole pairs: php-fpm parses every PARAMS record alone. */
export const decodePairsOf = (content: Buffer): [string, string][] => {
  const found: [string, string][] = [];
  let at = 0;
  const take = (count: number): Buffer => {
    if (at + count > content.length) throw new Error(`a pair is cut at byte ${at} of ${content.length}`);
    at += count;
    return content.subarray(at - count, at);
  };
  const length = (): number => {
    const [first = 0] = take(1);
    if (first < 128) return first;
    const [a = 0, b = 0, c = 0] = take(3);
    return (first - 128) * 2 ** 24 + a * 65_536 + b * 256 + c;
  };
  while (at < content.length) {
    const [nameBytes, valueBytes] = [length(), length()];
    found.push([take(nameBytes).toString(), take(valueBytes).toString()]);
  }
  return found;
};

export interface WireRequest {
  readonly keepConnection: boolean;
  readonly params: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/** Requests that are complete (empty STDIN), in the order their records came. */
export const decodeRequests = (records: readonly WireRecord[]): WireRequest[] => {
  const requests: WireRequest[] = [];
  let keepConnection = false;
  let params: [string, string][] = [];
  let body: Buffer[] = [];
  for (const { type, content } of records) {
    if (type === Type.BEGIN) keepConnection = content[2] === 1;
    if (type === Type.PARAMS) params.push(...decodePairsOf(content));
    if (type === Type.STDIN) body.push(content);
    if (type === Type.STDIN && content.length === 0) {
      requests.push({ keepConnection, params, body: Buffer.concat(body) });
      params = [];
      body = [];
    }
  }
  return requests;
};
