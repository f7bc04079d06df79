/** The front door without PHP: reads the input of calls and answers with what it read. */

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Hono } from 'hono';
import { Buffers } from '../../gateway/buffers.ts';
import { configSchema, type GatewayConfig } from '../../gateway/config.ts';
import type { Contract } from '../../gateway/contract.ts';
import { toGatewayError } from '../../gateway/errors.ts';
import { readCallInput } from '../../gateway/http/call-input.ts';
import { callRequest, type HttpEnv } from '../../gateway/http/context.ts';
import { openListener } from '../../gateway/http/listener.ts';
import { problemResponse } from '../../gateway/http/problem.ts';
import { type GatewayFunction, resolveFunction } from '../../gateway/invoke/function.ts';
import type { FieldTexts, Written } from '../../gateway/invoke/written.ts';
import { silentLog } from '../../gateway/log.ts';
import { Spool } from '../../gateway/spool.ts';
import { Upload } from '../../gateway/upload.ts';
import { type Lifetime, temporaryFolder, thisTest } from './lifetime.ts';

/** What was read, as JSON tells it. */
export interface Told {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  readonly value: any;
  readonly written: { content: Written['content']; contentType?: string; query: Pairs; body: Pairs };
  readonly bodyBytes: number;
}

type Pairs = Readonly<Record<string, readonly (readonly [string, string])[]>>;

export interface InputServer {
  readonly url: string;
  readonly spool: Spool;
  readonly buffers: WatchedBuffers;
  readonly fetch: (request: Request) => Promise<Response>;
  /** Files on disk now. */
  waitingFiles(): string[];
  /** How many reads have ended, well or badly. */
  readonly reads: { ended: number; readonly codes: string[] };
}

const describe = async (value: unknown): Promise<unknown> => {
  if (value instanceof Upload) {
    const { name, mediaType, size, content } = value;
    const bytes = content.kind === 'memory' ? content.bytes : await readFile(content.path);
    return { name, mediaType, size, kept: content.kind, text: bytes.subarray(0, 1000).toString('latin1') };
  }
  if (Array.isArray(value)) return await Promise.all(value.map(describe));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(async ([name, member]) => [name, await describe(member)] as const);
  return Object.fromEntries(await Promise.all(members));
};

const pairs = (texts: FieldTexts): Pairs => Object.fromEntries(texts.pairs);

export const gatewayFunction = (contract: Contract, config: GatewayConfig = {}): GatewayFunction => {
  const source = { name: 'test', file: 'schemas/test.ts', exported: contract };
  const { fn, problems } = resolveFunction(source, configSchema.parse(config));
  if (fn === undefined) throw new Error(JSON.stringify(problems));
  return fn;
};

/** Remembers the most that was held. */
export class WatchedBuffers extends Buffers {
  peakBytes = 0;

  override take(bytes: number): void {
    super.take(bytes);
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
  }
}

export const inputServer = async (
  contract: Contract,
  config: GatewayConfig = {},
  lifetime: Lifetime = thisTest,
): Promise<InputServer> => {
  const settings = configSchema.parse(config);
  const fn = gatewayFunction(contract, config);
  const dir = join(temporaryFolder(lifetime), 'spool');
  const { spoolAfterBytes, spoolMaxBytes } = settings.limits;
  const spool = new Spool(dir, { afterBytes: spoolAfterBytes, maxBytes: spoolMaxBytes });
  const buffers = new WatchedBuffers(settings.limits.buffersMaxBytes);
  const reads = { ended: 0, codes: [] as string[] };
  const app = new Hono<HttpEnv>();
  app.all('*', async (c) => {
    try {
      const { input, bodyBytes, heldBytes, dispose } = await readCallInput(callRequest(c), fn, {
        settings,
        spool,
        buffers,
      });
      const { content, query, body, contentType } = input.written;
      const written = { content, contentType, query: pairs(query), body: pairs(body) };
      const told = { value: await describe(input.value), written, bodyBytes };
      await dispose();
      buffers.give(heldBytes);
      return c.json(told);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      reads.codes.push(error.code);
      return problemResponse(error, { callId: undefined, traceId: undefined, expose: true }, {});
    } finally {
      reads.ended += 1;
    }
  });
  const listener = await openListener({
    ...settings.http,
    longestArrivalMs: settings.http.uploadTimeoutMs,
    at: { host: '127.0.0.1', port: 0 },
    setting: 'test',
    log: silentLog,
    fetch: (request, env) => app.fetch(request, env),
  });
  lifetime(() => listener.destroy());
  return {
    url: listener.url,
    spool,
    buffers,
    fetch: async (request) => await app.fetch(request),
    waitingFiles: () => (existsSync(dir) ? readdirSync(dir) : []),
    reads,
  };
};
