/** HTTP over a bare socket: bytes out as the test writes them, answers in as the server framed them. */
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawConnection {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** The next complete answer; rejects when the connection ends before it. */
  answer(): Promise<RawAnswer>;
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>;
}

const parse = (bytes: Buffer): { answer: RawAnswer; rest: Buffer } | undefined => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const length = Number(headers['content-length'] ?? 0);
  if (headers['transfer-encoding'] !== undefined) throw new Error('chunked answers are not expected here');
  if (bytes.length < end + 4 + length) return undefined;
  const body = bytes.subarray(end + 4, end + 4 + length).toString('utf8');
  return {
    answer: { status: Number(statusLine.split(' ')[1]), headers, body },
    rest: bytes.subarray(end + 4 + length),
  };
};

/** `url`: of a server, `http://…` or `unix:…`. */
export const openRaw = async (url: string): Promise<RawConnection> => {
  const { hostname, port } = url.startsWith('unix:') ? { hostname: '', port: '' } : new URL(url);
  const socket = url.startsWith('unix:') ? connect(url.slice('unix:'.length)) : connect(Number(port), hostname);
  onTestFinished(() => {
    socket.destroy();
  });
  let received: Buffer = Buffer.alloc(0);
  let closed = false;
  let wake = (): void => {};
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      closed = true;
      wake();
      resolve();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', end);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const answer = async (): Promise<RawAnswer> => {
    for (;;) {
      const parsed = parse(received);
      if (parsed !== undefined) {
        received = parsed.rest;
        return parsed.answer;
      }
      if (closed) throw new Error(`The connection ended before an answer; received: ${received.toString('latin1')}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { socket, send: (bytes) => void socket.write(bytes), answer, ended };
};

/** One request, one answer. */
export const rawRequest = async (url: string, bytes: string | Uint8Array): Promise<RawAnswer> => {
  const connection = await openRaw(url);
  connection.send(bytes);
  const answer = await connection.answer();
  connection.socket.destroy();
  return answer;
};

/** A POST of JSON to a function; `headers` replace or add to the usual ones, undefined leaves one out. */
export const rawPost = (
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string | undefined>> = {},
): Buffer => {
  const bytes = Buffer.from(body);
  const all = {
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': String(bytes.length),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
};
