/**
 * Resident workers: as many as load asks for stand ready ahead of need. One that ends is replaced at once; one that
 * is due to go is replaced first, so that no call waits for a worker to load its application.
 */
import { GatewayError, isGatewayError } from '../errors.ts';
import type { Meta } from './envelope.ts';
import type { WorkerLine } from './line.ts';
import { ENDINGS, type Ending } from './recycling.ts';
import { stoppedError } from './stopped.ts';
import type { Supply, SupplyOptions } from './supply.ts';
import type { Worker } from './worker.ts';

export interface WarmSupplyOptions<L extends WorkerLine> extends SupplyOptions {
  readonly makeLine: (worker: Worker) => L;
  /** At first. */
  readonly workers: number;
}

export interface ResidentWorkerStatus {
  readonly pid: number;
  readonly state: 'idle' | 'busy' | 'retiring';
  /** That it runs, or that stand behind others on it. */
  readonly calls: number;
  readonly served: number;
  readonly memoryBytes: number;
  readonly ageMs: number;
}

export interface WarmStatus {
  readonly workers: readonly ResidentWorkerStatus[];
  /** Workers replaced since the start, by reason. */
  readonly restarts: Readonly<Record<Ending, number>>;
  /** Being started now. */
  readonly starting: number;
}

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5000;
/** A worker that is replaced this soon costs more than it brings. */
const FEW_CALLS = 10;
/** Workers that nobody calls grow old, too. */
const AGE_CHECK_MS = 1000;

export class WarmSupply<L extends WorkerLine> implements Supply<L> {
  readonly #options: WarmSupplyOptions<L>;
  /** All that count: neither retiring nor ended. */
  readonly #lines = new Set<L>();
  readonly #idle: L[] = [];
  /** Replaced already; they end when their call does. */
  readonly #retiring = new Set<L>();
  /** Lines for which a spare is being started. */
  readonly #due = new Set<L>();
  readonly #wanted: PromiseWithResolvers<L>[] = [];
  readonly #restarts = Object.fromEntries(ENDINGS.map((ending) => [ending, 0])) as Record<Ending, number>;
  /** That are to stand ready. */
  #workers: number;
  /**
   * As many have been there. A call may be promised one that is started in place of another; one that is to come on top
   * may never come, and calls for it wait where any worker that becomes free serves them.
   */
  #settled: number;
  #starting = 0;
  #usedMs = 0;
  #retryMs = RETRY_FIRST_MS;
  #failure: unknown;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;
  #ages: NodeJS.Timeout | undefined;

  constructor(options: WarmSupplyOptions<L>) {
    this.#options = options;
    this.#workers = options.workers;
    this.#settled = options.workers;
  }

  get up(): boolean {
    return !this.#stopped && this.#lines.size > 0;
  }

  get capacity(): number {
    const promised = Math.min(this.#starting, Math.max(0, this.#settled - this.#lines.size));
    return this.#lines.size + this.#retiring.size + promised;
  }

  get workers(): number {
    return this.#workers;
  }

  /** Of them those that are being started. A spare is none of them, nor one that is too many by now. */
  get starting(): number {
    return Math.min(this.#starting, Math.max(0, this.#workers - this.#lines.size));
  }

  /** A spare is one more only until the one that is due has gone. */
  get #isSurplus(): boolean {
    return this.#lines.size > this.#workers + this.#due.size && this.#wanted.length === 0;
  }

  /** Why one that is missing did not start. */
  get failure(): unknown {
    return this.#lines.size < this.#workers ? this.#failure : undefined;
  }

  get idleSinceMs(): number | undefined {
    return this.#idle[0]?.sinceMs;
  }

  /** When a call on one of its workers ended last. */
  get usedMs(): number {
    return this.#usedMs;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get status(): WarmStatus {
    const nowMs = performance.now();
    const idle = new Set(this.#idle);
    const of = (line: L, state: ResidentWorkerStatus['state']): ResidentWorkerStatus => {
      const { facts, life } = line.worker;
      const { served = 0, memoryBytes = 0, bornMs = nowMs } = life ?? {};
      return { pid: facts.pid, state, calls: line.places, served, memoryBytes, ageMs: Math.round(nowMs - bornMs) };
    };
    return {
      workers: [
        ...[...this.#lines].map((line) => of(line, idle.has(line) ? 'idle' : 'busy')),
        ...[...this.#retiring].map((line) => of(line, 'retiring')),
      ],
      restarts: { ...this.#restarts },
      starting: this.#starting,
    };
  }

  /** Resolves when all stand ready; rejects with the first failure. */
  async start(): Promise<void> {
    this.#ages = setInterval(() => this.#checkDue(), AGE_CHECK_MS).unref();
    await Promise.all(Array.from({ length: this.#workers }, () => this.#startOne()));
  }

  /** More are started at once. Of fewer, those go that are idle for longest, and then those that become idle. */
  resize(workers: number): void {
    this.#workers = workers;
    this.#settled = Math.min(this.#settled, workers);
    while (this.#lines.size > workers && this.#idle.length > 0) this.#dismiss(this.#idle[0]);
    this.#fill();
  }

  /** Those that take calls: of concurrent workers others may have calls already. */
  get lines(): Iterable<L> {
    return this.#lines;
  }

  /** It has a call now. */
  claim(line: L): void {
    const at = this.#idle.indexOf(line);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  pop(): L | undefined {
    for (let line = this.#idle.pop(); line; line = this.#idle.pop()) {
      if (line.usable) return line;
    }
    return undefined;
  }

  /** There is one for each slot, or one is being started. */
  obtain(): Promise<L> {
    const line = this.pop();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#stopped) return Promise.reject(stoppedError());
    const wanted = Promise.withResolvers<L>();
    this.#wanted.push(wanted);
    this.#fill();
    return wanted.promise;
  }

  park(line: L): void {
    this.#usedMs = line.sinceMs;
    if (this.#stopped || this.#retiring.has(line)) {
      line.destroy();
      return;
    }
    if (this.#isSurplus) this.#dismiss(line);
    else if (line.usable) this.#offer(line);
  }

  told(line: L, meta: Meta): void {
    const { life } = line.worker;
    if (life === undefined) return;
    life.note(meta);
    if (life.isOver) {
      // Its process ends behind this answer: the next call, written before that is seen, would be lost with it.
      line.worker.connection.expectEnd();
      // Its shutdown functions may take their time: nobody waits for them.
      line.worker.endSoon();
      this.#lost(line);
      return;
    }
    if (life.isSpoiled) {
      void line.worker.connection.close();
      return;
    }
    const ending = life.due(performance.now());
    if (ending !== undefined) this.#replace(line, ending);
  }

  probe(): Promise<Worker> {
    const [line] = this.#lines;
    return line === undefined ? this.#startOne().then(({ worker }) => worker) : Promise.resolve(line.worker);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ages);
    for (const line of this.#idle.splice(0)) line.destroy();
    for (const { reject } of this.#wanted.splice(0)) reject(stoppedError());
  }

  /** The master that forked them is gone: one after another is replaced by the next one's. */
  renew(): void {
    for (const { worker } of this.#lines) if (worker.life !== undefined) worker.life.masterDied = true;
    this.#checkDue();
  }

  /** It is not needed. */
  #dismiss(line: L | undefined): void {
    if (line === undefined) return;
    this.claim(line);
    this.#lines.delete(line);
    line.destroy();
  }

  #offer(line: L): void {
    const wanted = this.#wanted.shift();
    if (wanted !== undefined) wanted.resolve(line);
    else this.#idle.push(line);
  }

  /** Replaces those that have ended. */
  #fill(): void {
    if (this.#stopped || this.#retry !== undefined) return;
    while (this.#lines.size + this.#starting < this.#workers) {
      this.#startOne().catch((error: unknown) => this.#failed(error));
    }
  }

  async #startOne(): Promise<L> {
    this.#starting += 1;
    try {
      const line = this.#options.makeLine(await this.#options.open());
      if (this.#stopped) {
        line.destroy();
        return line;
      }
      this.#add(line);
      return line;
    } finally {
      this.#starting -= 1;
    }
  }

  #add(line: L): void {
    this.#retryMs = RETRY_FIRST_MS;
    this.#failure = undefined;
    this.#lines.add(line);
    this.#settled = Math.max(this.#settled, Math.min(this.#lines.size, this.#workers));
    void line.worker.connection.closed.then(() => this.#ended(line));
    if (this.#isSurplus) {
      // Its start outlasted the need.
      this.#dismiss(line);
      return;
    }
    this.#offer(line);
    // Also where others were there all the time: while this one could not be started, there was a slot less.
    this.#options.onUp();
  }

  #ended(line: L): void {
    line.destroy();
    const at = this.#idle.indexOf(line);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#retiring.delete(line);
    this.#lost(line);
  }

  /** It serves no more, and nobody had decided so. */
  #lost(line: L): void {
    if (!this.#lines.delete(line) || this.#stopped) return;
    const ending = line.worker.life?.ending ?? 'crashed';
    this.#restarts[ending] += 1;
    const { pid } = line.worker.facts;
    this.#options.log.warn({ pid, reason: ending }, 'a resident worker has ended: another takes its place');
    // What is being started for it is started already.
    this.#fill();
  }

  /** Calls that wait for a worker learn why there is none; the others stay in the gateway's queue. */
  #failed(error: unknown): void {
    const refusal = isGatewayError(error) ? error : unavailable(error);
    for (const { reject } of this.#wanted.splice(0)) reject(refusal);
    this.#failure = error;
    if (this.#stopped || this.#retry !== undefined) return;
    this.#options.log.error({ err: error }, 'a resident worker did not start: trying again');
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#fill();
    }, this.#retryMs);
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }

  /** One after another, so that a pool whose workers are all due does not start as many anew at once. */
  #replace(line: L, ending: Ending): void {
    if (this.#due.size > 0 || !this.#lines.has(line) || this.#stopped || this.#retry !== undefined) return;
    this.#due.add(line);
    this.#startOne()
      .then(() => this.#retire(line, ending))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#due.delete(line);
        // One that was missing all the while was taken to be on its way: that was the spare.
        this.#fill();
        this.#checkDue();
      });
  }

  #retire(line: L, ending: Ending): void {
    // It ended by itself while its spare was being started.
    if (!this.#lines.delete(line)) return;
    this.#restarts[ending] += 1;
    const { pid } = line.worker.facts;
    const { served = 0, memoryBytes } = line.worker.life ?? {};
    if (ending === 'memory' && served < FEW_CALLS) {
      const why = 'a resident worker was replaced after few calls: resident.memoryMaxBytes is below what it needs';
      this.#options.log.warn({ pid, served, memoryBytes }, why);
    } else {
      this.#options.log.debug({ pid, reason: ending }, 'a resident worker was replaced');
    }
    line.keepOthersAway();
    this.#retiring.add(line);
    const at = this.#idle.indexOf(line);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    line.destroy();
  }

  #checkDue(): void {
    const nowMs = performance.now();
    for (const line of this.#lines) {
      const ending = line.worker.life?.due(nowMs);
      if (ending !== undefined) this.#replace(line, ending);
    }
  }
}

/** Nothing was sent, whatever it was. */
const unavailable = (cause: unknown): GatewayError =>
  new GatewayError('pool-unavailable', 'No resident worker can be started.', { executed: 'no', cause });
