/**
 * Workers of a php-fpm: a connection is opened when a call needs one, kept for the next, and let go after a time.
 */
import type { Meta } from './envelope.ts';
import { Line } from './line.ts';
import type { Supply, SupplyOptions } from './supply.ts';
import type { Worker } from './worker.ts';

export interface ConnectedSupplyOptions extends SupplyOptions {
  readonly idleMs: number;
  /** How many there may be, until `resize`: those stay open until then. Undefined: any number, let go one by one. */
  readonly limit: number | undefined;
  /** Its php-fpm starts workers as connections come. */
  readonly forksOnDemand: boolean;
}

const PROBE_FIRST_MS = 50;
const PROBE_MAX_MS = 1000;

type Health =
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly error: unknown; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'stopped' };

export class ConnectedSupply implements Supply<Line> {
  readonly #options: ConnectedSupplyOptions;
  #health: Health = { kind: 'up' };
  #limit: number;
  #usedMs = 0;
  readonly #lines = new Set<Line>();
  /** The most recently used last: the oldest can go. */
  readonly #idle: Line[] = [];
  #lastOpened: Promise<unknown> = Promise.resolve();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: ConnectedSupplyOptions) {
    this.#options = options;
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY;
    this.#sweep = setInterval(() => this.#closeUnused(), options.idleMs / 2);
    this.#sweep.unref();
  }

  get up(): boolean {
    return this.#health.kind === 'up';
  }

  get workers(): number {
    return this.#limit;
  }

  /** They come as they are needed. */
  get capacity(): number {
    return this.#limit;
  }

  /** Why it cannot be reached. */
  get failure(): unknown {
    return this.#health.kind === 'down' ? this.#health.error : undefined;
  }

  get idleSinceMs(): number | undefined {
    return this.#idle[0]?.sinceMs;
  }

  /** When a call on one of its workers ended last. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** Those that are too many are closed, the one idle for longest first, and then those that become idle. */
  resize(limit: number): void {
    this.#limit = limit;
    for (const line of this.#idle.slice(0, Math.max(0, this.#lines.size - limit))) this.#forget(line);
  }

  get idle(): number {
    return this.#idle.length;
  }

  pop(): Line | undefined {
    for (let line = this.#idle.pop(); line; line = this.#idle.pop()) {
      if (line.usable) return line;
    }
    return undefined;
  }

  async obtain(): Promise<Line> {
    if (!this.#options.forksOnDemand) return await this.#open();
    // FPM forks one worker for several connections that come together and leaves the others in its backlog.
    const opened = this.#lastOpened.then(() => this.pop() ?? this.#open());
    this.#lastOpened = opened.catch(() => {});
    return await opened;
  }

  park(line: Line): void {
    this.#usedMs = line.sinceMs;
    // Of the resident engine: one in reserve that is due to go.
    const isDue = line.worker.life?.due(performance.now()) !== undefined;
    if (this.#health.kind === 'stopped' || isDue || this.#lines.size > this.#limit) {
      this.#forget(line);
      return;
    }
    if (line.usable) this.#idle.push(line);
  }

  told(line: Line, meta: Meta): void {
    line.worker.life?.note(meta);
  }

  async probe(): Promise<Worker> {
    const line = await this.#openLine();
    this.park(line);
    return line.worker;
  }

  stop(): void {
    if (this.#health.kind === 'down') clearTimeout(this.#health.timer);
    this.#health = { kind: 'stopped' };
    clearInterval(this.#sweep);
    for (const line of this.#idle.splice(0)) line.destroy();
  }

  async #open(): Promise<Line> {
    // Whoever waited for its turn to connect need not find out again, each for a connectTimeoutMs.
    if (this.#health.kind === 'down') throw this.#health.error;
    try {
      return await this.#openLine();
    } catch (error) {
      this.#markDown(error);
      throw error;
    }
  }

  async #openLine(): Promise<Line> {
    const line = new Line(await this.#options.open(), this.#options);
    this.#lines.add(line);
    // Once for its life: each further reaction would stay in memory as long as the connection does.
    void line.worker.connection.closed.then(() => this.#forget(line));
    return line;
  }

  #forget(line: Line): void {
    line.destroy();
    this.#lines.delete(line);
    const at = this.#idle.indexOf(line);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  #closeUnused(): void {
    const before = performance.now() - this.#options.idleMs;
    const unused = this.#idle.filter(({ sinceMs }) => sinceMs < before);
    // request_terminate_timeout counts the idle time of a kept connection, too: a ping starts its clock anew.
    if (this.#options.limit !== undefined) for (const { worker } of unused) void worker.connection.ping();
    else for (const line of unused) this.#forget(line);
  }

  /** Offers no workers until a probe succeeds, so that calls wait in the gateway's queue and not in a retry loop. */
  #markDown(error: unknown): void {
    if (this.#health.kind !== 'up') return;
    this.#options.log.warn({ err: error }, 'pool unreachable: calls wait while the gateway keeps trying');
    this.#scheduleProbe(error, PROBE_FIRST_MS);
  }

  #scheduleProbe(error: unknown, delayMs: number): void {
    const timer = setTimeout(() => void this.#probeAgain(delayMs), delayMs);
    this.#health = { kind: 'down', error, timer };
  }

  async #probeAgain(delayMs: number): Promise<void> {
    try {
      const line = await this.#openLine();
      if (this.#health.kind === 'down') this.#health = { kind: 'up' };
      this.park(line);
      this.#options.log.info({}, 'pool reachable again');
      this.#options.onUp();
    } catch (error) {
      if (this.#health.kind === 'down') this.#scheduleProbe(error, Math.min(PROBE_MAX_MS, delayMs * 2));
    }
  }
}
