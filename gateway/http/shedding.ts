/** What keeps the gateway itself from drowning: new calls are refused at once while it has no memory or time for them. */
import { Buffers } from '../buffers.ts';
import type { Settings } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { LoopLag } from '../lag.ts';

const RETRY_AFTER_MS = 1000;
/** Load balancers look elsewhere then (row 61 of the fault catalogue). */
const NOT_READY_MS = 1000;

export class Shedding {
  /** Of request bodies. */
  readonly buffers: Buffers;
  readonly #lagMaxMs: number;
  readonly #lag: LoopLag;

  constructor({ limits, overload }: Pick<Settings, 'limits' | 'overload'>) {
    this.buffers = new Buffers(limits.buffersMaxBytes);
    this.#lagMaxMs = overload.lagMaxMs;
    this.#lag = new LoopLag(() => performance.now());
    if (this.#lagMaxMs > 0) this.#lag.start();
  }

  /**
   * Throws `overloaded` while the event loop is behind. `isInner`: calls under way wait for this one; without it what
   * has been done for them would be lost.
   */
  assertOnTime(isInner: boolean): void {
    if (isInner || this.#lagMaxMs === 0) return;
    const { ms } = this.#lag;
    if (ms <= this.#lagMaxMs) return;
    const detail = `The gateway itself is behind by ${Math.round(ms)} ms; overload.lagMaxMs is ${this.#lagMaxMs}.`;
    throw new GatewayError('overloaded', detail, { retryAfterMs: RETRY_AFTER_MS });
  }

  /** Why callers had better go elsewhere; undefined: they need not. */
  get notReady(): string | undefined {
    if (this.#lagMaxMs === 0 || this.#lag.ms <= NOT_READY_MS) return undefined;
    return `the gateway itself is behind by ${Math.round(this.#lag.ms)} ms`;
  }

  close(): void {
    this.#lag.close();
  }
}
