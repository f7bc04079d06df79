/** One HTTP request on a connection of its own: any verb with any body, and the answer's headers as they came. */
import { request } from 'node:http';

export type HeaderPairs = readonly (readonly [name: string, value: string])[];

export interface Asked {
  readonly method: string;
  /** Names in any case; `Host` and the length of a body come by themselves. */
  readonly headers?: HeaderPairs;
  readonly body?: string | Uint8Array;
}

export interface Answered {
  readonly status: number;
  /** In the order sent, names in lower case, repeated ones apart. */
  readonly headers: HeaderPairs;
  readonly body: Buffer;
  /** Of a JSON body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  json(): any;
}

const pairsOf = (raw: readonly string[]): HeaderPairs =>
  Array.from({ length: raw.length / 2 }, (_, at) => [(raw[2 * at] ?? '').toLowerCase(), raw[2 * at + 1] ?? '']);

/** Rejects when the connection breaks before the answer's proper end. */
export const exchange = async (url: string, { method, headers = [], body }: Asked): Promise<Answered> =>
  await new Promise((resolve, reject) => {
    const { host } = new URL(url);
    const bytes = Buffer.from(body ?? '');
    const bodiless = bytes.length === 0 && !['POST', 'PUT', 'PATCH'].includes(method);
    const length: HeaderPairs = bodiless ? [] : [['Content-Length', String(bytes.length)]];
    const named = headers.some(([name]) => name.toLowerCase() === 'host');
    const all = [...(named ? [] : [['Host', host] as const]), ...headers, ...length];
    const sending = request(url, { method, headers: all.flat(), agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const answer = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: pairsOf(incoming.rawHeaders),
          body: answer,
          json: () => JSON.parse(answer.toString()),
        });
      });
    });
    sending.on('error', reject);
    sending.end(bytes);
  });

/** All values of a header. */
export const valuesOf = ({ headers }: Answered, name: string): string[] =>
  headers.filter(([each]) => each === name).map(([, value]) => value);
