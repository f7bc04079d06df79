/** Calls of the harness: one connection each, so that none of its own is counted as a leak. */
import { type IncomingMessage, request } from 'node:http';

export interface Answer {
  /** 0: the connection broke. */
  readonly status: number;
  /** Of the problem; `ok`, or `broken`. */
  readonly code: string;
  readonly executed: string | undefined;
  readonly traceId: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Of JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: rows look into any shape
  readonly body: any;
  readonly ms: number;
  /** The body ended in order. */
  readonly isWhole: boolean;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As it is, instead of JSON. */
  readonly raw?: string | Buffer;
  readonly signal?: AbortSignal;
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const read = (response: IncomingMessage): Promise<{ text: string; isWhole: boolean }> =>
  new Promise((resolve) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      text += piece;
    });
    response.once('end', () => resolve({ text, isWhole: response.complete }));
    response.once('error', () => resolve({ text, isWhole: false }));
    response.once('close', () => resolve({ text, isWhole: response.complete }));
  });

/** Never rejects: what breaks is an answer, too. */
export const send = (url: string, input: unknown, options: CallOptions = {}): Promise<Answer> => {
  const { method = 'POST', headers = {}, raw, signal } = options;
  const startedMs = performance.now();
  const body = raw ?? (method === 'GET' ? '' : JSON.stringify(input ?? null));
  return new Promise((resolve) => {
    const broken = (error: Error): void =>
      resolve({
        status: 0,
        code: 'broken',
        executed: undefined,
        traceId: undefined,
        headers: {},
        text: error.message,
        body: undefined,
        ms: performance.now() - startedMs,
        isWhole: false,
      });
    const own = { 'content-type': 'application/json', connection: 'close' };
    const length = method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const asked = request(url, {
      method,
      agent: false,
      headers: { ...own, ...length, ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
    asked.once('error', broken);
    asked.once('response', (response) => {
      void read(response).then(({ text, isWhole }) => {
        const value = parsed(text) as { code?: string; executed?: string; traceId?: string } | undefined;
        const isProblem = String(response.headers['content-type']).startsWith('application/problem+json');
        resolve({
          status: response.statusCode ?? 0,
          code: isProblem ? String(value?.code) : 'ok',
          executed: isProblem ? value?.executed : undefined,
          traceId: response.headers['trace-id'] as string | undefined,
          headers: response.headers as Record<string, string>,
          text,
          body: value,
          ms: performance.now() - startedMs,
          isWhole,
        });
      });
    });
    asked.end(body);
  });
};
