/**
 * How many attempts a pool gets that is down, for each call that wants it: a scripted worker that ends the connection
 * whenever it gets a call, because real ones cannot be made to fail like that a thousand times.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayConfig } from '../../gateway/config.ts';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { RUNTIME_VERSION } from '../../gateway/pool/envelope.ts';
import { decodeRecords, decodeRequests, endRequest, pingAnswer, stdout, Type, type WireRecord } from '../wire/codec.ts';

/** `before`: nothing proves that it began, so anything may be repeated; `within`: it had begun, and only what is idempotent may. */
export type Fault = 'none' | 'before' | 'within';

export interface Amplification {
  readonly calls: number;
  readonly attempts: number;
  readonly ratio: number;
}

const USAGE = { pid: 1, peakBytes: 0, cpuMs: 0, wallMs: 0, waits: 0 };
const LIMITS = { postMaxBytes: 0, uploadMaxBytes: 0, uploadsMax: 1000, inputVarsMax: 100_000 };
const PRIMED = {
  outcome: 'primed',
  runtimeVersion: RUNTIME_VERSION,
  phpVersion: '8.3.0',
  opcache: true,
  pidNamespace: 'elsewhere',
  limits: LIMITS,
};

export const FAILING_WORKERS = 4;
const AT_ONCE = 4;

const CONTRACT = `
import { z } from 'zod';
import { defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: z.any(), idempotent: true });
`;

/** Says what the runtime says when it is asked for; ends the connection on a call while `fault` says so. */
export class FailingWorkers {
  fault: Fault = 'none';
  /** Calls that arrived whole. */
  attempts = 0;
  readonly #server = net.createServer({ noDelay: true }, (socket) => this.#serve(socket));
  readonly #sockets = new Set<net.Socket>();

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket);
    let rest: Buffer = Buffer.alloc(0);
    let records: WireRecord[] = [];
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const read = decodeRecords(Buffer.concat([rest, chunk]));
      rest = read.rest;
      records.push(...read.records);
      const last = records.at(-1);
      if (last?.type !== Type.STDIN || last.content.length > 0) return;
      const params = new Map(decodeRequests(records)[0]?.params);
      records = [];
      this.#answer(socket, params);
    });
  }

  #answer(socket: net.Socket, params: ReadonlyMap<string, string>): void {
    const operation = params.get('FPMG_OPERATION');
    const isCall = operation !== 'prime' && operation !== 'check';
    if (isCall) this.attempts += 1;
    if (isCall && this.fault === 'before') {
      socket.end();
    } else if (isCall && this.fault === 'within') {
      socket.end(pingAnswer());
    } else {
      const attemptId = params.get('FPMG_ATTEMPT_ID') ?? '';
      const outcome = operation === 'prime' ? PRIMED : { outcome: isCall ? 'output' : 'checked' };
      const meta = JSON.stringify({ ...USAGE, ...outcome });
      const payload = isCall ? '1' : '';
      const body = `\r\nFPMG1 ${attemptId} ${meta.length} ${payload.length}\n${meta}${payload}`;
      socket.write(Buffer.concat([pingAnswer(), stdout(body), endRequest()]));
    }
  }
}

const callAll = async (gateway: Gateway, calls: number): Promise<void> => {
  let left = calls;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await gateway.invoke('any', null).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
};

export interface AmplificationOptions {
  readonly fault: Fault;
  readonly calls: number;
  /** Answered before the pool goes down. */
  readonly before: number;
}

/** A gateway on such workers; `config` is added to what they need. */
export const withFailingPool = async <T>(
  config: GatewayConfig,
  run: (gateway: Gateway, workers: FailingWorkers) => Promise<T>,
): Promise<T> => {
  const base = join(import.meta.dirname, '..', '.tmp');
  mkdirSync(base, { recursive: true });
  // Below the repository its contract finds what it imports.
  const project = mkdtempSync(join(base, 'retries-'));
  // A socket's path must be short.
  const folder = mkdtempSync(join(tmpdir(), 'fpmg-'));
  const workers = new FailingWorkers();
  let gateway: Gateway | undefined;
  try {
    for (const name of ['functions', 'schemas']) mkdirSync(join(project, name));
    writeFileSync(join(project, 'functions/any.php'), '<?php return fn () => 1;');
    writeFileSync(join(project, 'schemas/any.ts'), CONTRACT);
    const address = join(folder, 'peer.sock');
    await workers.listen(address);
    const pool = { address: `unix:${address}`, workers: FAILING_WORKERS, root: project, runtime: '/runtime' };
    gateway = await createGateway({ runtimeDir: folder, pools: { default: pool }, ...config }, { project, env: {} });
    return await run(gateway, workers);
  } finally {
    await gateway?.destroy();
    await workers.close();
    rmSync(project, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
};

/** With the circuit breaker off, which would keep most attempts from the pool. */
export const amplificationOf = async ({ fault, calls, before }: AmplificationOptions): Promise<Amplification> => {
  const config = { breaker: { errorRate: 0 }, defaults: { retry: { attempts: 10, baseMs: 0, maxMs: 0 } } };
  return await withFailingPool(config, async (gateway, workers) => {
    await callAll(gateway, before);
    workers.attempts = 0;
    workers.fault = fault;
    await callAll(gateway, calls);
    return { calls, attempts: workers.attempts, ratio: workers.attempts / calls };
  });
};

const CALLS = 500;

/** The worse of both faults. */
export const retryAmplification = async (): Promise<Amplification> => {
  const before = await amplificationOf({ fault: 'before', calls: CALLS, before: 0 });
  const within = await amplificationOf({ fault: 'within', calls: CALLS, before: 0 });
  return before.ratio > within.ratio ? before : within;
};
