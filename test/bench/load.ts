/** Load on a server of this machine: wrk, and our own generator. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Life } from './life.ts';
import { parseWrk, type WrkResult, wrkScript } from './wrk.ts';

/** What is sent: with several paths they take turns. */
export interface Target {
  readonly port: number;
  readonly paths: readonly string[];
  readonly body: string;
}

export interface GeneratorOptions {
  readonly connections: number;
  readonly durationMs: number;
  readonly warmupMs?: number;
  /** Calls due per second. Without it every connection always has one in flight. */
  readonly ratePerSecond?: number;
  readonly drainMs?: number;
}

export interface GeneratorResult {
  readonly due: number;
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly unanswered: number;
  /** All answers of the run, warm-up and drain included. */
  readonly served: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly badStatus: number;
  readonly error: string;
}

/** Why its figures do not count, if they do not. */
export const whatFailed = ({
  failed,
  unanswered,
  badStatus,
  error,
  ok,
  due,
  sent,
}: GeneratorResult): string | undefined => {
  if (failed > 0) return `${failed} calls failed (${badStatus > 0 ? `status ${badStatus}: ` : ''}${error})`;
  if (unanswered > 0) return `${unanswered} calls were not answered`;
  if (due - sent > 1) return `${due - sent} calls that were due found no free connection`;
  return ok === 0 ? 'no call was answered' : undefined;
};

export const CONNECTIONS = 16;

export class Load {
  readonly #life: Life;
  readonly #folder: string;
  readonly #generator: string;
  #files = 0;

  constructor(life: Life, folder: string, generator: string) {
    this.#life = life;
    this.#folder = folder;
    this.#generator = generator;
  }

  /** Closed loop for whole seconds: as fast as 16 connections go. */
  async wrk({ port, paths, body }: Target, seconds: number): Promise<WrkResult> {
    const script = this.#write(wrkScript(paths, body));
    const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}`];
    return parseWrk(await this.#life.run({ command: 'wrk', args }));
  }

  async generate(target: Target, options: GeneratorOptions): Promise<GeneratorResult> {
    const words: Record<string, number | string | undefined> = {
      port: target.port,
      requests: this.#write(target.paths.map((path) => counted(rawRequest(path, target.body))).join('')),
      connections: options.connections,
      'duration-ms': Math.round(options.durationMs),
      'warmup-ms': Math.round(options.warmupMs ?? 0),
      rate: options.ratePerSecond?.toFixed(3),
      'drain-ms': options.drainMs,
    };
    const args = Object.entries(words).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    );
    return JSON.parse(await this.#life.run({ command: this.#generator, args })) as GeneratorResult;
  }

  #write(text: string): string {
    const file = join(this.#folder, `load-${this.#files++}`);
    writeFileSync(file, text);
    return file;
  }
}

export const rawRequest = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** As open-loop.c reads it: the length, a line feed, the bytes. */
const counted = (request: string): string => `${Buffer.byteLength(request)}\n${request}`;
