/** Where the workers behind one address come from: connected when they are needed, or kept warm ahead of need. */
import type { Log } from '../log.ts';
import type { Meta } from './envelope.ts';
import type { WorkerLine } from './line.ts';
import type { Worker } from './worker.ts';

export interface Supply<L extends WorkerLine> {
  /** Workers can be had. */
  readonly up: boolean;
  /** That there may be now; without an end where nobody has said. */
  readonly workers: number;
  /** Workers that are there or on their way; without an end where they are connected as they are needed. */
  readonly capacity: number;
  /** How many stand idle. */
  readonly idle: number;
  /** Takes an idle one. */
  pop(): L | undefined;
  /** One for a call that has a slot already: connected, or idle meanwhile. Rejects with `pool-unavailable`. */
  obtain(): Promise<L>;
  /** It is idle again. */
  park(line: L): void;
  /** What a call on it has told of its worker. */
  told(line: L, meta: Meta): void;
  /** Resolves with a worker that has answered; rejects with `pool-unavailable`. */
  probe(): Promise<Worker>;
  /** No further ones; those that are idle end, and those that become idle. */
  stop(): void;
}

export interface SupplyOptions {
  /** Connects a worker and hears from it. Rejects with `pool-unavailable`, executed: no. */
  readonly open: () => Promise<Worker>;
  /** Of a line's calls. */
  readonly connectTimeoutMs: number;
  readonly log: Log;
  /** Workers can be had again. */
  readonly onUp: () => void;
}
