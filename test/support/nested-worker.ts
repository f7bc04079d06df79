/** A concurrent worker without PHP: makes calls over its connection to a real gateway when a test says so. */
import { createServer, type Socket } from 'node:net';
import { Connection, collect } from '../../gateway/fastcgi/index.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import {
  cancelCall,
  decodeAnswers,
  decodeRecords,
  endRequest,
  nestedCall,
  stdout,
  type WireAnswer,
  type WireRecord,
} from '../wire/codec.ts';
import { socketPath } from './fake-fastcgi.ts';
import { type Lifetime, thisTest } from './lifetime.ts';
import { until } from './until.ts';

export type Headers = Readonly<Record<string, string>>;

export interface NestedWorker {
  /** Its number. */
  send(path: string, body: string | Uint8Array, headers?: Headers): number;
  sendMessage(message: string | Uint8Array): number;
  answer(number: number): Promise<WireAnswer>;
  isAnswered(number: number): boolean;
  call(path: string, input: unknown, headers?: Headers): Promise<WireAnswer>;
  cancel(number: number): void;
  /** The call inside of which all are made. */
  end(): void;
  die(): void;
}

const LIMITS = { headMaxBytes: 16_384, bodyMaxBytes: 1_000_000, stderrMaxBytes: 4096 };
const REQUEST = { params: [], body: Buffer.alloc(0), ping: false, keepConnection: true };

export const nestedWorker = async (gateway: Gateway, lifetime: Lifetime = thisTest): Promise<NestedWorker> => {
  const path = socketPath();
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => connected.resolve(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  lifetime(() => void server.close());
  const concurrent = { messageMaxBytes: 70_000_000, onCall: gateway.internal.nested };
  const connection = await Connection.open({ kind: 'unix', path }, { timeoutMs: 10_000, concurrent });
  lifetime(() => connection.destroy());
  const { response } = collect(connection, REQUEST, LIMITS);
  response.catch(() => {});
  const socket = await connected.promise;
  socket.on('error', () => {});
  const records: WireRecord[] = [];
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const decoded = decodeRecords(Buffer.concat([rest, chunk]));
    records.push(...decoded.records);
    rest = decoded.rest;
  });
  let lastNumber = 0;
  const find = (number: number): WireAnswer | undefined =>
    decodeAnswers(records).find((answer) => answer.number === number);
  const sendMessage = (message: string | Uint8Array): number => {
    lastNumber += 1;
    socket.write(nestedCall(lastNumber, message));
    return lastNumber;
  };
  const send = (target: string, body: string | Uint8Array, headers: Headers = {}): number => {
    const all = { 'content-type': 'application/json', accept: '*/*', ...headers };
    return sendMessage(
      Buffer.concat([
        Buffer.from(`${JSON.stringify({ path: target, headers: all })}\n`),
        Buffer.from(body as Uint8Array),
      ]),
    );
  };
  const answer = async (number: number): Promise<WireAnswer> => {
    await until(`call ${number} is answered`, () => find(number) !== undefined);
    return find(number) as WireAnswer;
  };
  return {
    send,
    sendMessage,
    answer,
    isAnswered: (number) => find(number) !== undefined,
    call: async (target, input, headers) => await answer(send(target, JSON.stringify(input), headers)),
    cancel: (number) => void socket.write(cancelCall(number)),
    end: () => void socket.write(Buffer.concat([stdout('\r\n'), endRequest()])),
    die: () => void socket.destroy(),
  };
};
