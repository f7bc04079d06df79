/** Calls at a steady rate over kept connections, each answer looked at: nothing may fail, and no versions may mix. */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface LoadReport {
  readonly calls: number;
  /** By status or by the code of the socket's error. */
  readonly failures: ReadonlyMap<string, number>;
  /** Answers whose parts are of different versions. */
  readonly mixed: number;
  readonly versions: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const FUNCTIONS = ['version', 'outer', 'stays', 'version'];
const BODY = '{}';

interface Answer {
  readonly status: number;
  readonly text: string;
}

const ask = (agent: Agent, url: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
    const asked = request(url, { method: 'POST', agent, headers }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (piece: string) => (text += piece));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
      incoming.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(BODY);
  });

export class SteadyLoad {
  readonly #url: string;
  readonly #agent: Agent;
  readonly #failures = new Map<string, number>();
  readonly #versions = new Set<number>();
  readonly #latenciesMs: number[] = [];
  readonly #ends: Promise<void>[] = [];
  #mixed = 0;
  #calls = 0;
  #stopped = false;

  /** In turn over all its connections: each hears soon that another process serves. */
  constructor(url: string, connections: number) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  }

  /** `everyMs`: between two calls of one connection; 0: at once. */
  start(connections: number, everyMs: number): void {
    for (let n = 0; n < connections; n += 1) this.#ends.push(this.#loop(n, everyMs));
  }

  get calls(): number {
    return this.#calls;
  }

  get failed(): number {
    return [...this.#failures.values()].reduce((sum, times) => sum + times, 0);
  }

  async stop(): Promise<LoadReport> {
    this.#stopped = true;
    await Promise.all(this.#ends);
    this.#agent.destroy();
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return {
      calls: this.#calls,
      failures: this.#failures,
      mixed: this.#mixed,
      versions: this.#versions.size,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? 0,
    };
  }

  async #loop(n: number, everyMs: number): Promise<void> {
    let nextMs = performance.now() + (everyMs * n) / 8;
    for (let turn = n; !this.#stopped; turn += 1) {
      const waitMs = nextMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      nextMs = Math.max(nextMs + everyMs, performance.now() - 1000);
      await this.#call(FUNCTIONS[turn % FUNCTIONS.length] ?? 'version');
    }
  }

  async #call(name: string): Promise<void> {
    const startedMs = performance.now();
    this.#calls += 1;
    try {
      const { status, text } = await ask(this.#agent, `${this.#url}/functions/${name}`);
      this.#latenciesMs.push(performance.now() - startedMs);
      if (status === 200) this.#look(JSON.parse(text) as number[]);
      else this.#failed(`${status} ${(JSON.parse(text) as { code?: string }).code ?? ''}`);
    } catch (error) {
      this.#failed(String((error as NodeJS.ErrnoException).code ?? error));
    }
  }

  #look(parts: readonly number[]): void {
    for (const part of parts) this.#versions.add(part);
    if (new Set(parts).size !== 1) this.#mixed += 1;
  }

  #failed(what: string): void {
    this.#failures.set(what, (this.#failures.get(what) ?? 0) + 1);
  }
}
