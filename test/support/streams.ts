/** Functions that stream, and readers of what they send. */
import { handler } from './project.ts';
import { openRaw, rawPost } from './raw-http.ts';

/** `output`: source text, such as `stream(z.any())`. */
export const streamContract = (output: string, more = ''): string => `
import { z } from 'zod';
import { binary, defineFunction, stream } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: ${output}, ${more} });
`;

export interface StreamSource {
  /** What is streamed, as source text; default `z.any()`. */
  readonly item?: string;
  /** More settings of the contract. */
  readonly contract?: string;
}

/** Files of a handler that streams. */
export const streamHandler = (name: string, body: string, { item = 'z.any()', contract = '' }: StreamSource = {}) => ({
  [`functions/${name}.php`]: handler(body),
  [`schemas/${name}.ts`]: streamContract(`stream(${item})`, contract),
});

/** Files of a script that streams. */
export const streamScript = (name: string, code: string, { item = 'z.any()', contract = '' }: StreamSource = {}) => ({
  [`functions/${name}.php`]: `<?php ${code}`,
  [`schemas/${name}.ts`]: streamContract(`stream(${item})`, `script: '${name}.php', ${contract}`),
});

/** A body as its reader sees it, piece by piece. */
export class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  text = '';

  constructor({ body }: Response) {
    if (body === null) throw new Error('It has no body.');
    this.#reader = body.getReader();
  }

  /** Reads on until this text has come. */
  async until(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      if (!(await this.#more())) throw new Error(`It ended without ${JSON.stringify(text)}: ${this.text}`);
    }
  }

  /** Reads to the end: `cut` when the connection broke before. */
  async rest(): Promise<'whole' | 'cut'> {
    try {
      while (await this.#more());
      return 'whole';
    } catch {
      return 'cut';
    }
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    if (value !== undefined) this.text += this.#decoder.decode(value, { stream: true });
    return !done;
  }
}

export interface RawStream {
  readonly status: number;
  /** The lines of its head. */
  readonly head: string;
  /** Without the framing of chunks. */
  readonly body: string;
  /** Whether the chunk that ends a body has come. */
  readonly whole: boolean;
}

const unchunk = (text: string): { body: string; whole: boolean } => {
  let body = '';
  for (let at = 0; at < text.length; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) break;
    const length = Number.parseInt(text.slice(at, lineEnd), 16);
    if (length === 0) return { body, whole: text.slice(lineEnd) === '\r\n\r\n' };
    body += text.slice(lineEnd + 2, lineEnd + 2 + length);
    at = lineEnd + 2 + length + 2;
  }
  return { body, whole: false };
};

/** One call over a bare socket, read until the server ends the connection. */
export const rawStream = async (
  url: string,
  name: string,
  input: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawStream> => {
  const { socket, send, ended } = await openRaw(url);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  send(rawPost(`/functions/${name}`, JSON.stringify(input), { connection: 'close', ...headers }));
  await ended;
  const headEnd = text.indexOf('\r\n\r\n');
  const head = text.slice(0, headEnd).toLowerCase();
  const rest = text.slice(headEnd + 4);
  const framed = head.includes('transfer-encoding: chunked') ? unchunk(rest) : { body: rest, whole: true };
  return { status: Number(text.split(' ')[1]), head, ...framed };
};
