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
  raw(id: number): Promise<RawAnswer>;
  answer(id: number): Promise<ResidentAnswer>;
  call(functionName: string, input?: unknown): Promise<ResidentAnswer>;
  prime(): Promise<ResidentAnswer>;
  ping(): Promise<void>;
  /** The connection ended. */
  ended(): Promise<void>;
  isEnded(): boolean;
  isAnswered(id: number): boolean;
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
  const parser = new RecordParser();
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('data', (chunk: Buffer) =>
    parser.push(chunk, {
      stream: (type, id, piece) => {
        if (type === RecordType.STDOUT) of(id).stdout.push(Buffer.from(piece));
        else of(id).stderr += piece.toString();
      },
      endRequest: (id, _appStatus, protocolStatus) => {
        of(id).status = protocolStatus;
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
    isAnswered: (id) => gathered.get(id)?.status !== undefined,
  };
};
