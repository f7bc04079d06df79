/**
 * Callers in a process of their own: `callers.ts <order as JSON>` sends what is due, whether or not answers have come,
 * and prints what became of each call. A latency counts from when it was sent: what this process itself is late by is told
 * apart, so that a busy machine is not taken for a slow gateway.
 */
import { readFileSync } from 'node:fs';
import { KeptConnection } from './kept-connection.ts';
import { type Due, LEAVES_AFTER_MS, type Stream, scheduleOf } from './schedule.ts';

export interface Order {
  readonly port: number;
  readonly seed: number;
  readonly name: string;
  readonly timeoutMs: number;
  readonly connectionsMax: number;
  /** Own address, so that it is a caller of its own. */
  readonly from: string;
  readonly streams: readonly Stream[];
  /** Instead of streams: so many call this function again and again. */
  readonly closed?: { readonly callers: number; readonly function: string; readonly ms: number };
}

export interface Called {
  readonly id: string;
  readonly function: string;
  /** From the beginning of the run, ms. */
  readonly atMs: number;
  readonly latencyMs: number;
  /** Sent so long after it was due. */
  readonly lateMs: number;
  /** 0: no answer. */
  readonly status: number;
  readonly code: string;
  /** On the wall clock, ms; undefined: it stayed. */
  readonly leftAtMs?: number;
  readonly sentAtMs: number;
}

const wallMs = (): number => performance.timeOrigin + performance.now();
const DRAIN_MS = 3000;

const codeOf = (body: string): string => {
  const code = /"code":"([a-z-]+)"/.exec(body)?.[1] ?? 'ok';
  const reason = /"reason":"([a-z-]+)"/.exec(body)?.[1];
  return reason === undefined ? code : `${code} (${reason})`;
};

class Callers {
  readonly called: Called[] = [];
  readonly #order: Order;
  readonly #idle: KeptConnection[] = [];
  #open = 0;
  #number = 0;
  #underWay = 0;
  readonly #startMs = performance.now();

  constructor(order: Order) {
    this.#order = order;
  }

  get #sinceMs(): number {
    return performance.now() - this.#startMs;
  }

  #connection(): KeptConnection | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (!kept.isOver) return kept;
      this.#open -= 1;
    }
    if (this.#open >= this.#order.connectionsMax) return undefined;
    this.#open += 1;
    return new KeptConnection(this.#order.port, this.#order.from);
  }

  async call(due: Due): Promise<void> {
    this.#number += 1;
    const id = `${this.#order.name}-${this.#number}`;
    const lateMs = this.#sinceMs - due.atMs;
    const facts = { id, function: due.function, atMs: due.atMs, lateMs };
    const sentAtMs = wallMs();
    const connection = this.#connection();
    if (connection === undefined) {
      this.called.push({ ...facts, latencyMs: 0, status: 0, code: 'not-sent', sentAtMs });
      return;
    }
    this.#underWay += 1;
    let leftAtMs: number | undefined;
    const leave = (): void => {
      leftAtMs = wallMs();
      connection.leave();
    };
    const timer = due.leaves ? setTimeout(leave, LEAVES_AFTER_MS) : undefined;
    const headers = `x-request-id: ${id}\r\nx-request-timeout-ms: ${this.#order.timeoutMs}\r\n`;
    const answer = await connection.call(`/functions/${due.function}`, `{"id":"${id}"}`, headers);
    clearTimeout(timer);
    this.#underWay -= 1;
    if (connection.isOver) this.#open -= 1;
    else this.#idle.push(connection);
    const latencyMs = wallMs() - sentAtMs;
    const code = answer === undefined ? 'none' : codeOf(answer.body);
    const left = leftAtMs === undefined ? {} : { leftAtMs };
    this.called.push({ ...facts, latencyMs, status: answer?.status ?? 0, code, ...left, sentAtMs });
  }

  async runSchedule(): Promise<void> {
    const schedule = scheduleOf(this.#order.streams, this.#order.seed);
    for (let at = 0; at < schedule.length; ) {
      const nowMs = this.#sinceMs;
      for (let due = schedule[at]; due !== undefined && due.atMs <= nowMs; at += 1, due = schedule[at])
        void this.call(due);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const endMs = this.#sinceMs + this.#order.timeoutMs + DRAIN_MS;
    while (this.#underWay > 0 && this.#sinceMs < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async runClosed({ callers, function: name, ms }: NonNullable<Order['closed']>): Promise<void> {
    const again = async (): Promise<void> => {
      while (this.#sinceMs < ms) await this.call({ atMs: this.#sinceMs, function: name, leaves: false });
    };
    await Promise.all(Array.from({ length: callers }, again));
  }
}

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Order;
const callers = new Callers(order);
await (order.closed === undefined ? callers.runSchedule() : callers.runClosed(order.closed));
process.stdout.write(JSON.stringify(callers.called), () => process.exit(0));
