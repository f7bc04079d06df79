/** Batches as their callers send and read them. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type Lifetime, thisTest } from './lifetime.ts';
import { until } from './until.ts';

type Headers = Readonly<Record<string, string>>;

/** One line, or one element, of the answer. */
export interface BatchLine {
  readonly id: string | null;
  readonly index: number | null;
  readonly status: 'succeeded' | 'failed' | 'cancelled';
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  readonly output?: any;
  readonly encoding?: 'base64';
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  readonly error?: any;
  readonly executed: string;
  readonly replayed?: true;
  readonly attempts: number;
  readonly timing: { readonly queueMs: number; readonly phpMs: number; readonly totalMs: number } | null;
  readonly spanId: string | null;
  readonly traceId?: string;
}

export const NDJSON = 'application/x-ndjson';

/** Items as they are; text for a line that is none. */
export const linesOf = (items: readonly unknown[]): string =>
  items.map((item) => `${typeof item === 'string' ? item : JSON.stringify(item)}\n`).join('');

export const readLines = (text: string): BatchLine[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as BatchLine);

export interface BatchAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly lines: readonly BatchLine[];
}

export interface BatchRequestParts {
  /** `/batch?order=input`. */
  readonly path?: string;
  readonly headers?: Headers;
}

/** Sends all of it, then reads. `items`: one line each, or bytes as they are. */
export const batch = async (
  url: string,
  items: readonly unknown[] | string,
  { path = '/batch', headers = {} }: BatchRequestParts = {},
): Promise<BatchAnswer> => {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': NDJSON, ...headers },
    body: typeof items === 'string' ? items : linesOf(items),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const lines =
    type === 'application/json' ? (JSON.parse(text) as BatchLine[]) : type === NDJSON ? readLines(text) : [];
  return { status: response.status, headers: Object.fromEntries(response.headers), text, lines };
};

/** By the ids of their items. */
export const byId = ({ lines }: BatchAnswer): Readonly<Record<string, BatchLine>> =>
  Object.fromEntries(lines.map((line) => [line.id ?? `index ${line.index}`, line]));

/** A batch whose items are sent one by one, while results are read. */
export class OpenBatch {
  readonly #request: ClientRequest;
  #response: IncomingMessage | undefined;
  #text = '';
  #paused = false;
  #state: 'open' | 'whole' | 'cut' = 'open';

  constructor(url: string, { path = '/batch', headers = {} }: BatchRequestParts = {}, lifetime: Lifetime = thisTest) {
    const { hostname, port } = new URL(url);
    this.#request = request(
      { hostname, port, path, method: 'POST', headers: { 'content-type': NDJSON, ...headers } },
      (response) => {
        this.#response = response;
        response.setEncoding('utf8').on('data', (text: string) => {
          this.#text += text;
        });
        if (this.#paused) response.pause();
        response.once('end', () => {
          this.#state = 'whole';
        });
        response.once('error', () => {
          this.#state = 'cut';
        });
      },
    );
    this.#request.on('error', () => {
      this.#state = 'cut';
    });
    this.#request.flushHeaders();
    lifetime(() => {
      this.#request.destroy();
    });
  }

  /** Of the answer, once its head has come. */
  get status(): number | undefined {
    return this.#response?.statusCode;
  }

  get lines(): readonly BatchLine[] {
    const end = this.#text.lastIndexOf('\n') + 1;
    return readLines(this.#text.slice(0, end));
  }

  send(...items: readonly unknown[]): void {
    this.#request.write(linesOf(items));
  }

  /** Nothing follows. */
  end(): void {
    this.#request.end();
  }

  /** Reads nothing until `readOn()`. */
  stopReading(): void {
    this.#paused = true;
    this.#response?.pause();
  }

  readOn(): void {
    this.#paused = false;
    this.#response?.resume();
  }

  whenSent(listener: (value?: unknown) => void): void {
    this.#request.once('finish', listener);
  }

  leave(): void {
    this.#request.destroy();
  }

  async count(lines: number): Promise<void> {
    await until(`${lines} results have come`, () => this.lines.length >= lines);
  }

  /** How the answer ended. */
  async ended(): Promise<'whole' | 'cut'> {
    await until('the answer ends', () => this.#state !== 'open');
    return this.#state === 'whole' ? 'whole' : 'cut';
  }
}
