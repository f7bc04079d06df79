/** One fuzzed conversation, made from a seed alone: what a peer sends for one to four requests, well formed or not. */
import { endRequest, piece, pingAnswer, record, stderr, stdout, Type } from '../../wire/codec.ts';
import { Random } from './random.ts';

/** `ordered`: php-fpm's way. `multiplexed`: a resident worker's. `concurrent`: one that makes calls itself. */
export type Mode = 'ordered' | 'multiplexed' | 'concurrent';

export interface FuzzCase {
  readonly seed: number;
  readonly mode: Mode;
  readonly requests: number;
  /** Ordered: a ping is written in front of each. */
  readonly pings: boolean;
  readonly input: Buffer;
  readonly chunks: readonly Buffer[];
  /** Nothing was changed: every answer must be accepted. */
  readonly isValid: boolean;
}

/** Records of one answer, in order; the last is its END_REQUEST. */
const answerOf = (random: Random, id: number, marker: string): Buffer[] => {
  const body = Buffer.concat([Buffer.from(marker), random.bytes(random.below(60)), Buffer.from(marker)]);
  const whole = Buffer.concat([Buffer.from(random.pick(['\r\n', 'A: b\r\n\r\n', 'Status: 404 x\nA: b\n\n'])), body]);
  const records: Buffer[] = [];
  const fields = (): { id: number; padding: number } => ({
    id,
    padding: random.percent(50) ? random.below(random.percent(90) ? 8 : 256) : 0,
  });
  if (random.percent(20)) records.push(stderr(random.bytes(1 + random.below(30)), fields()));
  for (let at = 0; at < whole.length; ) {
    const length = random.percent(40) ? whole.length : 1 + random.below(40);
    records.push(stdout(whole.subarray(at, at + length), fields()));
    at += length;
  }
  if (random.percent(20)) records.push(stdout('', fields()));
  if (random.percent(10)) records.push(stderr('', fields()));
  records.push(endRequest(0, fields()));
  return records;
};

/** Takes from each in turn, at random, keeping the order within each. */
const interleave = (random: Random, answers: readonly Buffer[][]): Buffer[] => {
  const left = answers.map((records) => [...records]).filter((records) => records.length > 0);
  const all: Buffer[] = [];
  while (left.length > 0) {
    const from = random.below(left.length);
    const next = left[from]?.shift();
    if (next !== undefined) all.push(next);
    if (left[from]?.length === 0) left.splice(from, 1);
  }
  return all;
};

const anyRecord = (random: Random): Buffer => {
  const type = random.percent(90) ? random.pick(Object.values(Type)) : random.below(256);
  const id = random.percent(80) ? 1 + random.below(5) : random.below(65_536);
  if (type >= 12 && type <= 16 && random.percent(80))
    return piece(type, random.below(4), random.bytes(random.below(20)), random.percent(70), { id });
  const version = random.percent(97) ? 1 : random.below(256);
  return record(type, random.bytes(random.below(30)), { id, version, padding: random.below(9) });
};

/** Changes the list of records in one way. */
const mutateRecords = (random: Random, records: Buffer[]): void => {
  const at = random.below(records.length);
  const one = records[at] ?? Buffer.alloc(8);
  switch (random.below(9)) {
    case 0:
      records.splice(at, 1);
      break;
    case 1:
      records.splice(at, 0, one);
      break;
    case 2: {
      const to = random.below(records.length);
      records.splice(at, 1);
      records.splice(to, 0, one);
      break;
    }
    case 3:
      records.splice(at, 0, anyRecord(random));
      break;
    case 4:
      records.splice(at, 0, endRequest(random.percent(50) ? 0 : random.below(6), { id: 1 + random.below(4) }));
      break;
    case 5:
      records.splice(at, 0, pingAnswer());
      break;
    case 6: {
      // For another request, or for none.
      const changed = Buffer.from(one);
      changed.writeUInt16BE(random.percent(80) ? random.below(6) : random.below(65_536), 2);
      records[at] = changed;
      break;
    }
    case 7: {
      const changed = Buffer.from(one);
      changed[1] = random.below(18);
      records[at] = changed;
      break;
    }
    default: {
      const changed = Buffer.from(one);
      const field = random.pick([0, 4, 5, 6, 7]);
      changed[field] = random.percent(50) ? random.below(256) : ((changed[field] ?? 0) + 1) & 255;
      records[at] = changed;
    }
  }
};

const mutateBytes = (random: Random, input: Buffer): Buffer => {
  if (input.length === 0) return input;
  const at = random.below(input.length);
  const length = 1 + random.below(16);
  switch (random.below(5)) {
    case 0: {
      const changed = Buffer.from(input);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      return changed;
    }
    case 1:
      return input.subarray(0, at);
    case 2:
      return Buffer.concat([input.subarray(0, at), input.subarray(at + length)]);
    case 3:
      return Buffer.concat([input.subarray(0, at), random.bytes(length), input.subarray(at)]);
    default:
      return Buffer.concat([input.subarray(0, at), input.subarray(Math.max(0, at - length))]);
  }
};

const chunked = (random: Random, input: Buffer): Buffer[] => {
  if (random.percent(25)) return [input];
  const most = random.pick([1, 7, 9, 40, 400]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const length = 1 + random.below(most);
    chunks.push(input.subarray(at, at + length));
    at += length;
  }
  return chunks;
};

/** What surrounds the answer to the nth request of a case, and no other's. */
export const markerOf = (seed: number, request: number): string => `<${seed >>> 0}/${request}>`;

export const makeCase = (seed: number): FuzzCase => {
  const random = new Random(seed);
  const mode = random.pick(['ordered', 'ordered', 'multiplexed', 'concurrent'] as const);
  const requests = 1 + random.below(mode === 'ordered' ? 3 : 4);
  const pings = mode === 'ordered' && random.percent(80);
  const answers = Array.from({ length: requests }, (_, at) => {
    const records = answerOf(random, mode === 'ordered' ? 1 : at + 1, markerOf(seed, at));
    return pings ? [pingAnswer(), ...records] : records;
  });
  const records = mode === 'ordered' ? answers.flat() : interleave(random, answers);
  const times = random.percent(15) ? 0 : 1 + random.below(3);
  let input: Buffer | undefined;
  for (let time = 0; time < times; time += 1) {
    if (input === undefined && random.percent(65)) mutateRecords(random, records);
    else input = mutateBytes(random, input ?? Buffer.concat(records));
  }
  input ??= Buffer.concat(records);
  return { seed, mode, requests, pings, input, chunks: chunked(random, input), isValid: times === 0 };
};
