/** The gateway's end of one worker's connection, record by record. */
import { connect, type Socket } from 'node:net';
import { encodeParams, type Params } from '../../gateway/fastcgi/params.ts';
import { RecordParser } from '../../gateway/fastcgi/parser.ts';
import { encodeBeginRequest, encodeRecord, RecordType } from '../../gateway/fastcgi/record.ts';
import { decodeEnvelope, type Meta } from '../../gateway/pool/envelope.ts';
import { FrameParser } from '../../gateway/pool/frames.ts';
import type { Lifetime } from './lifetime.ts';
import { until } from './until.ts';

const NOTHING = Buffer.alloc(0);
const [CALL, CANCEL, ANSWER, PAUSE, RESUME] = [12, 13, 14, 15, 16] as const;
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

export interface RawAnswer {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly protocolStatus: number;
}

export interface ResidentAnswer {
  readonly head: string;
  /** Members this runtime adds are not in the type of the gateway's. */
  readonly meta: Meta & Readonly<Record<string, unknown>>;
  readonly output: unknown;
  readonly bytes: Buffer;
  readonly items: readonly unknown[];
  readonly stderr: string;
}

export interface ResidentWorker {
  readonly pid: number;
  readonly socket: Socket;
  /** Writes a whole request; the answer is asked for by its id. */
  send(params: Params, body: Buffer): number;
  sendCall(functionName: string, input: unknown): number;
  abort(id: number): void;
  /** Any record. */
  record(type: number, id: number, content: Buffer): void;
  /** Waits for a nested call that was not given yet. */
  nested(): Promise<NestedCall>;
  /** Numbers of nested calls that were taken back. */
  cancelled(): readonly number[];
  answerNested(call: NestedCall, status: number, body: unknown): void;
  pause(id: number): void;
  resume(id: number): void;
  raw(id: number): Promise<RawAnswer>;
  answer(id: number): Promise<ResidentAnswer>;
  call(functionName: string, input?: unknown): Promise<ResidentAnswer>;
  prime(): Promise<ResidentAnswer>;
  ping(): Promise<void>;
  /** The connection ended. */
  ended(): Promise<void>;
  isEnded(): boolean;
  isAnswered(id: number): boolean;
  /** Ids in the order of their ends. */
  order(): readonly number[];
  /** Bytes of STDOUT so far. */
  received(id: number): number;
}

/** A call that a call of a concurrent worker makes. */
export interface NestedCall {
  readonly id: number;
  readonly number: number;
  readonly head: { readonly path: string; readonly headers: Readonly<Record<string, string>> };
  readonly body: Buffer;
}

interface Gathered {
  stdout: Buffer[];
  stderr: string;
  status: number | undefined;
}

const decodeStream = (body: Buffer): { items: unknown[]; bytes: Buffer[]; envelope: Buffer } => {
  const found = { items: [] as unknown[], bytes: [] as Buffer[], envelope: NOTHING };
  new FrameParser(1e9, {
    item: (json) => void found.items.push(JSON.parse(json.toString())),
    bytes: (piece) => void found.bytes.push(Buffer.from(piece)),
    end: (envelope) => {
      found.envelope = Buffer.from(envelope);
    },
  }).push(body);
  return found;
};

const decode = (raw: RawAnswer, attemptId: string): ResidentAnswer => {
  const split = raw.stdout.indexOf('\r\n\r\n');
  const head = raw.stdout.toString('latin1', 0, split);
  const body = raw.stdout.subarray(split + 4);
  const stream = head.includes('.stream') ? decodeStream(body) : { items: [], bytes: [], envelope: body };
  const envelope = decodeEnvelope(stream.envelope, attemptId);
  if (envelope.kind === 'none') throw new Error(`No envelope: ${raw.stdout.toString()} ${raw.stderr}`);
  const meta = envelope.meta as ResidentAnswer['meta'];
  const isJson = envelope.payload.length > 0 && (meta.outcome !== 'output' || meta.encoding === 'json');
  return {
    head,
    meta,
    output: isJson ? JSON.parse(envelope.payload.toString()) : undefined,
    bytes: stream.bytes.length > 0 ? Buffer.concat(stream.bytes) : envelope.payload,
    items: stream.items,
    stderr: raw.stderr,
  };
};

export const encodeStdinRecords = (id: number, body: Buffer): Buffer[] => {
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += 65_528)
    records.push(encodeRecord(RecordType.STDIN, id, body.subarray(at, at + 65_528)));
  return [...records, encodeRecord(RecordType.STDIN, id, NOTHING)];
};

export const connectWorker = async (path: string, pid: number, lifetime: Lifetime): Promise<ResidentWorker> => {
  const socket = connect(path);
  lifetime(() => void socket.destroy());
  const gathered = new Map<number, Gathered>();
  const attemptIds = new Map<number, string>();
  let [pongs, ended, lastId] = [0, false, 0];
  const of = (id: number): Gathered => {
    const known = gathered.get(id) ?? { stdout: [], stderr: '', status: undefined };
    gathered.set(id, known);
    return known;
  };
  const [calls, cancelled, order]: [NestedCall[], number[], number[]] = [[], [], []];
  const nestedBytes = new Map<number, Buffer[]>();
  const takeNested = (type: number, id: number, content: Buffer): void => {
    const number = content.readUInt32BE(0);
    if (type === CANCEL) {
      cancelled.push(number);
      return;
    }
    const pieces = [...(nestedBytes.get(number) ?? []), Buffer.from(content.subarray(5))];
    nestedBytes.set(number, pieces);
    if (content.readUInt8(4) !== 1) return;
    const whole = Buffer.concat(pieces);
    const line = whole.indexOf('\n');
    calls.push({ id, number, head: JSON.parse(whole.toString('utf8', 0, line)), body: whole.subarray(line + 1) });
  };
  const record = (type: number, id: number, content: Buffer): void => {
    const header = Buffer.from([1, type, id >> 8, id & 255, content.length >> 8, content.length & 255, 0, 0]);
    socket.write(Buffer.concat([header, content]));
  };
  const parser = new RecordParser();
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let rest = NOTHING;
  // Calls of a worker are none of the parser's.
  const withoutNested = (chunk: Buffer): Buffer => {
    rest = Buffer.concat([rest, chunk]);
    const others: Buffer[] = [];
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt16BE(4) + rest.readUInt8(6)) {
      const [type, id, length] = [rest.readUInt8(1), rest.readUInt16BE(2), rest.readUInt16BE(4)];
      const whole = rest.subarray(0, 8 + length + rest.readUInt8(6));
      if (type === CALL || type === CANCEL) takeNested(type, id, rest.subarray(8, 8 + length));
      else others.push(whole);
      rest = rest.subarray(whole.length);
    }
    return Buffer.concat(others);
  };
  socket.on('data', (chunk: Buffer) =>
    parser.push(withoutNested(chunk), {
      stream: (type, id, piece) => {
        if (type === RecordType.STDOUT) of(id).stdout.push(Buffer.from(piece));
        else of(id).stderr += piece.toString();
      },
      endRequest: (id, _appStatus, protocolStatus) => {
        of(id).status = protocolStatus;
        order.push(id);
      },
      getValuesResult: () => {
        pongs++;
      },
    }),
  );
  const send = (params: Params, body: Buffer): number => {
    const id = ++lastId;
    const records = [
      encodeBeginRequest(id, true),
      encodeParams(id, params),
      encodeRecord(RecordType.PARAMS, id, NOTHING),
    ];
    const begin = records[0];
    begin?.writeUInt16BE(id, 2);
    socket.write(Buffer.concat([...records, ...encodeStdinRecords(id, body)]));
    return id;
  };
  const callParams = (functionName: string): Params => {
    const attemptId = `01900000-0000-7000-8000-${String(lastId + 1).padStart(12, '0')}.1`;
    attemptIds.set(lastId + 1, attemptId);
    return [['FPMG_CALL', `${functionName} ${attemptId} 30000.000 ${TRACEPARENT}`]];
  };
  const raw = async (id: number): Promise<RawAnswer> => {
    await until(`the answer of request ${id}${ended ? ' (the connection ended)' : ''}`, () => {
      if (ended && of(id).status === undefined) throw new Error(`The connection ended before the answer of ${id}.`);
      return of(id).status !== undefined;
    });
    const { stdout, stderr, status } = of(id);
    return { stdout: Buffer.concat(stdout), stderr, protocolStatus: status ?? -1 };
  };
  const answer = async (id: number): Promise<ResidentAnswer> => decode(await raw(id), attemptIds.get(id) ?? '');
  const sendCall = (functionName: string, input: unknown): number => {
    const body = Buffer.from(JSON.stringify(input));
    return send([...callParams(functionName), ['CONTENT_LENGTH', String(body.length)]], body);
  };
  return {
    pid,
    socket,
    send: (params, body) => {
      const own = [...params];
      const call = own.find(([name]) => name === 'FPMG_CALL')?.[1] ?? '';
      attemptIds.set(lastId + 1, call.split(' ')[1] ?? '');
      return send(own, body);
    },
    sendCall,
    record,
    nested: async () => {
      await until('a nested call', () => calls.length > 0 || ended);
      const call = calls.shift();
      if (call === undefined) throw new Error('The connection ended before a nested call came.');
      return call;
    },
    cancelled: () => cancelled,
    answerNested: ({ id, number }, status, body) => {
      const head = JSON.stringify({ status, headers: { 'content-type': 'application/json' } });
      const whole = Buffer.from(`${head}\n${JSON.stringify(body)}`);
      for (let at = 0; at < whole.length; at += 60_000) {
        const front = Buffer.alloc(5);
        front.writeUInt32BE(number);
        front.writeUInt8(at + 60_000 < whole.length ? 0 : 1, 4);
        record(ANSWER, id, Buffer.concat([front, whole.subarray(at, at + 60_000)]));
      }
    },
    pause: (id) => record(PAUSE, id, NOTHING),
    resume: (id) => record(RESUME, id, NOTHING),
    abort: (id) => void socket.write(encodeRecord(RecordType.ABORT_REQUEST, id, NOTHING)),
    raw,
    answer,
    call: (functionName, input = {}) => answer(sendCall(functionName, input)),
    prime: () => {
      attemptIds.set(lastId + 1, 'prime-1');
      return answer(
        send(
          [
            ['FPMG_OPERATION', 'prime'],
            ['FPMG_ATTEMPT_ID', 'prime-1'],
          ],
          NOTHING,
        ),
      );
    },
    ping: async () => {
      const before = pongs;
      socket.write(encodeRecord(RecordType.GET_VALUES, 0, NOTHING));
      await until('the answer to a ping', () => pongs > before);
    },
    ended: () => until('the end of the connection', () => ended),
    isEnded: () => ended,
    order: () => order,
    received: (id) => of(id).stdout.reduce((sum, { length }) => sum + length, 0),
    isAnswered: (id) => gathered.get(id)?.status !== undefined,
  };
};
