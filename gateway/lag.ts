/**
 * How far the event loop is behind: all calls share it, and while it is busy with something else none gets on. A timer is
 * due every 100 ms; what it comes late by is the lag, and so is what it is overdue by when somebody asks, who may come
 * before it when the loop goes on. One stall is no lag: what came meanwhile is a burst, which the queues take, and loading
 * a release stalls for most of a second on a busy machine. Who is late again the next time is behind. Asking costs one look at the clock, 0.2 µs. Node's own monitorEventLoopDelay() keeps a
 * histogram of the past from a timer just like this one, and does not tell what is now.
 */
const TICK_MS = 100;
/** Nobody has asked for so many ticks: a gateway that rests has no timer. The next to ask finds it on time. */
const REST_TICKS = 50;

export class LoopLag {
  readonly #clock: () => number;
  #dueMs: number;
  #lastMs = 0;
  #beforeMs = 0;
  #quietTicks = 0;
  #rests = false;
  #timer: NodeJS.Timeout | undefined;

  /** `clock`: ms, monotonic. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#dueMs = clock() + TICK_MS;
  }

  /** Keeps no process alive. */
  start(): this {
    this.#dueMs = this.#clock() + TICK_MS;
    this.#timer ??= setInterval(() => this.#tickOrRest(), TICK_MS).unref();
    return this;
  }

  #tickOrRest(): void {
    this.tick();
    this.#quietTicks += 1;
    if (this.#quietTicks <= REST_TICKS) return;
    this.#rests = true;
    this.close();
  }

  #wake(): void {
    this.#rests = false;
    this.#beforeMs = 0;
    this.#lastMs = 0;
    this.start();
  }

  /** The timer has come. On time, all is well again. */
  tick(): void {
    const nowMs = this.#clock();
    this.#beforeMs = this.#lastMs;
    this.#lastMs = Math.max(0, nowMs - this.#dueMs);
    this.#dueMs = nowMs + TICK_MS;
  }

  /** What requests that arrive now may have waited already, ms. */
  get ms(): number {
    this.#quietTicks = 0;
    if (this.#rests) this.#wake();
    return Math.min(this.#lastMs, Math.max(this.#beforeMs, this.#clock() - this.#dueMs));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
