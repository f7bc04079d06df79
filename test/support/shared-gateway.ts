/** One gateway for all tests of a file, where what they look at is one call each. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import type { SpanEvent } from '../../gateway/trace/record.ts';
import { anyContract, handler, post } from './project.ts';

const BASE = join(import.meta.dirname, '..', '.tmp');

/** Handler body, or [handler body, contract settings]; a name with a dot is a file and is written as it is. */
export type Sources = Readonly<Record<string, string | readonly [body: string, contract: string]>>;

export const projectFiles = (sources: Sources): [path: string, text: string][] =>
  Object.entries(sources).flatMap(([name, source]): [string, string][] => {
    const [body, contract] = typeof source === 'string' ? [source, ''] : source;
    if (name.includes('/')) return [[name, body]];
    return [
      [`functions/${name}.php`, handler(body)],
      [`schemas/${name}.ts`, anyContract(contract)],
    ];
  });

export const sharedGateway = (sources: Sources, config: GatewayConfig = {}): (() => Gateway) => {
  let gateway: Gateway | undefined;
  let project = '';
  beforeAll(async () => {
    mkdirSync(BASE, { recursive: true });
    project = mkdtempSync(join(BASE, 't-'));
    for (const [path, text] of projectFiles(sources)) {
      mkdirSync(dirname(join(project, path)), { recursive: true });
      writeFileSync(join(project, path), text);
    }
    gateway = await createGateway(config, { env: {}, project });
  });
  afterAll(async () => {
    await gateway?.destroy();
    rmSync(project, { recursive: true, force: true });
  });
  return () => {
    if (gateway === undefined) throw new Error('The gateway is started before the first test.');
    return gateway;
  };
};

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** Of a JSON answer. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  readonly body: any;
  readonly events: readonly SpanEvent[];
}

/** Calls a function over HTTP and reads its answer and what its trace tells. */
export const ask = async (gateway: Gateway, name: string, input: unknown = null): Promise<Answer> => {
  const response = await post(gateway, name, JSON.stringify(input));
  const text = await response.text();
  const type = response.headers.get('content-type');
  const [record] = gateway.tracer.ring.get(response.headers.get('trace-id') ?? '');
  const events = record?.spans.flatMap((span) => span.events) ?? [];
  return { status: response.status, type, text, body: type?.includes('json') ? JSON.parse(text) : undefined, events };
};
