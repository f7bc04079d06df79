/**
 * How many more files and sockets this process may open. Without one left, a connection cannot even be told so: the
 * system call that accepts it fails, and libuv closes it without an answer (Node 24 has no way to leave connections in
 * the kernel's queue: nothing stops a listening socket from being read but to close it). So some are kept back, of which
 * newcomers get an answer, calls their workers, and files their place.
 *
 * Looking costs 0.1 ms for 30 open files, 4 ms for 10,000: once a second at most, and in between connections are counted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { GatewayError } from './errors.ts';

const LOOK_EVERY_MS = 1000;
const RETRY_AFTER_MS = 1000;

/** What the system says of this process; undefined where it says nothing. */
export interface OpenFiles {
  readonly open: number;
  /** The soft limit. */
  readonly limit: number;
}

/** Linux has /proc; elsewhere nothing is watched. */
export const readOpenFiles = (): OpenFiles | undefined => {
  let limit = Number.NaN;
  try {
    limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    return Number.isNaN(limit) ? undefined : { open: readdirSync('/proc/self/fd').length, limit };
  } catch {
    // Reading them takes one, and the limit may be known already.
    return Number.isNaN(limit) ? undefined : { open: limit, limit };
  }
};

export interface DescriptorsOptions {
  /** To be kept back. */
  readonly reserve: number;
  readonly read: () => OpenFiles | undefined;
  /** ms, monotonic. */
  readonly clock: () => number;
}

/** `refuse`: there is room for an answer; `drop`: not even that. */
export type Admittance = 'admit' | 'refuse' | 'drop';

export class Descriptors {
  readonly #options: DescriptorsOptions;
  #seen: OpenFiles | undefined;
  #seenMs = Number.NEGATIVE_INFINITY;
  /** Opened since, less those closed. */
  #more = 0;

  constructor(options: DescriptorsOptions) {
    this.#options = options;
  }

  /** A connection has opened. */
  opened(): Admittance {
    this.#more += 1;
    const { reserve } = this.#options;
    const free = this.#free();
    if (free >= reserve) return 'admit';
    return free >= reserve / 2 ? 'refuse' : 'drop';
  }

  closed(): void {
    this.#more -= 1;
  }

  refusal(): GatewayError {
    const { limit = 0 } = this.#seen ?? {};
    const detail = `The gateway may open ${limit} files, and all but ${this.#options.reserve} of them are open (overload.descriptorsFree).`;
    return new GatewayError('overloaded', detail, {
      retryAfterMs: RETRY_AFTER_MS,
      privateDetail: 'raise ulimit -n, or LimitNOFILE of its systemd unit',
    });
  }

  #free(): number {
    const nowMs = this.#options.clock();
    if (nowMs - this.#seenMs >= LOOK_EVERY_MS) {
      this.#seenMs = nowMs;
      this.#seen = this.#options.read();
      this.#more = 0;
    }
    return this.#seen === undefined ? Number.POSITIVE_INFINITY : this.#seen.limit - this.#seen.open - this.#more;
  }
}

/** Of a worker: its connection, and pipes where it is started here. */
const PER_WORKER = 2;

export interface Needs {
  /** That all pools may have together. */
  readonly workers: number;
  readonly maxConnections: number;
  readonly reserve: number;
}

export type Fit =
  | { readonly kind: 'fits' }
  | { readonly kind: 'fewer' | 'none'; readonly connections: number; readonly detail: string };

/** Whether what is configured can ever be open at once, beside what is open now. */
export const fitOf = ({ open, limit }: OpenFiles, { workers, maxConnections, reserve }: Needs): Fit => {
  const connections = limit - open - workers * PER_WORKER - reserve;
  if (connections >= maxConnections) return { kind: 'fits' };
  const facts = `This process may open ${limit} files (ulimit -n, or LimitNOFILE of its systemd unit): ${open} are open, ${workers} workers may take ${workers * PER_WORKER}, and overload.descriptorsFree keeps back ${reserve}`;
  if (connections < 1)
    return { kind: 'none', connections, detail: `${facts}: none is left for connections. Raise the limit.` };
  const detail = `${facts}: ${connections} connections fit, and http.maxConnections is ${maxConnections}. More get 503; raise the limit, or lower the setting.`;
  return { kind: 'fewer', connections, detail };
};
