/**
 * Requests without pause over bare sockets, and what became of each: for promises of the kind "not one is lost". A client
 * that retries would hide what is counted here. As cheap as it can be: what it measures shares the machine.
 */
import { connect, type Socket } from 'node:net';

export interface SteadyLoadOptions {
  /** Of a server, `http://…` or `unix:…`. */
  readonly url: string;
  /** The bytes of one request; the answer has to come with its length. */
  readonly request: Uint8Array;
  /** Open at once, at most. */
  readonly connections: number;
  /** Then it is closed, and another opened; Infinity: kept until the server says `Connection: close`. */
  readonly requestsPerConnection: number;
  /** Open loop: so many begin each second, whether those before have been answered or not; undefined: closed loop. */
  readonly perSecond?: number;
  /** What to count answers by besides the status: the release that gave it. */
  readonly versionOf?: (body: string) => string;
}

export interface LoadCounts {
  readonly statuses: Readonly<Record<string, number>>;
  /** By code of the socket's error; `cut`: the connection ended before the answer did. */
  readonly errors: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  /** Open loop: there was no connection for them. */
  readonly skipped: number;
  readonly connected: number;
}

export interface SteadyLoad {
  readonly counts: () => LoadCounts;
  /** Those answered so far, with whatever status. */
  readonly answered: () => number;
  /** Begins no more, and resolves when the last has ended. */
  stop(): Promise<LoadCounts>;
}

class Tally {
  readonly #counts = new Map<string, number>();
  total = 0;

  add(key: string): void {
    this.total += 1;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  get all(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

interface Result {
  readonly status: string;
  readonly body: string;
  readonly closes: boolean;
}

/** Undefined: more has to come. */
const parse = (bytes: Buffer): Result | undefined => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = bytes.toString('latin1', 0, end).toLowerCase();
  const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  const body = bytes.toString('utf8', end + 4, end + 4 + length);
  return { status: head.slice(9, 12), body, closes: head.includes('\r\nconnection: close') };
};

const open = (url: string): Socket =>
  url.startsWith('unix:')
    ? connect(url.slice('unix:'.length))
    : connect(Number(new URL(url).port), new URL(url).hostname.replace(/^\[|\]$/g, ''));

/** One place for a connection: opened when there is something to ask, and again when it has ended. */
class Caller {
  readonly #options: SteadyLoadOptions;
  #socket: Socket | undefined;
  #left = 0;
  #received: Buffer[] = [];
  #done: ((result: Result | string) => void) | undefined;
  connected = 0;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#done !== undefined;
  }

  /** Resolves with the answer, or the code of what went wrong. */
  ask(): Promise<Result | string> {
    const socket = this.#socket ?? this.#connect();
    this.#left -= 1;
    return new Promise((resolve) => {
      this.#done = resolve;
      socket.write(this.#options.request);
    });
  }

  end(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const socket = open(this.#options.url);
    socket.setNoDelay(true);
    this.connected += 1;
    this.#left = this.#options.requestsPerConnection;
    this.#socket = socket;
    socket.on('data', (chunk) => this.#on(chunk));
    const over = (code: string): void => {
      if (this.#socket !== socket) return;
      this.end();
      this.#settle(code);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => over(error.code ?? error.message));
    socket.on('end', () => over('cut'));
    socket.on('close', () => over('cut'));
    return socket;
  }

  #on(chunk: Buffer): void {
    this.#received.push(chunk);
    const result = parse(this.#received.length === 1 ? chunk : Buffer.concat(this.#received));
    if (result === undefined) return;
    if (result.closes || this.#left <= 0) this.end();
    this.#settle(result);
  }

  #settle(result: Result | string): void {
    const done = this.#done;
    this.#done = undefined;
    this.#received = [];
    done?.(result);
  }
}

export const startSteadyLoad = (options: SteadyLoadOptions): SteadyLoad => {
  const { connections, perSecond, versionOf } = options;
  const [statuses, errors, versions] = [new Tally(), new Tally(), new Tally()];
  const callers = Array.from({ length: connections }, () => new Caller(options));
  const running = new Set<Promise<void>>();
  let stopped = false;
  let skipped = 0;
  const askOnce = async (caller: Caller): Promise<void> => {
    const result = await caller.ask();
    if (typeof result === 'string') {
      errors.add(result);
      // A server that refuses is not to be asked a hundred thousand times a second.
      await new Promise((resolve) => setTimeout(resolve, 1));
      return;
    }
    statuses.add(result.status);
    if (versionOf !== undefined) versions.add(versionOf(result.body));
  };
  const run = (work: Promise<void>): void => {
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  const askOn = async (caller: Caller): Promise<void> => {
    while (!stopped) await askOnce(caller);
  };
  const startedMs = performance.now();
  let begun = 0;
  const pace = (): void => {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * (perSecond ?? 0));
    for (; begun < due; begun += 1) {
      const free = callers.find((caller) => !caller.isBusy);
      if (free === undefined) skipped += 1;
      else run(askOnce(free));
    }
  };
  const timer = perSecond === undefined ? undefined : setInterval(pace, 2);
  if (perSecond === undefined) for (const caller of callers) run(askOn(caller));
  const counts = (): LoadCounts => ({
    statuses: statuses.all,
    errors: errors.all,
    versions: versions.all,
    skipped,
    connected: callers.reduce((sum, { connected }) => sum + connected, 0),
  });
  return {
    counts,
    answered: () => statuses.total,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await Promise.all(running);
      for (const caller of callers) caller.end();
      return counts();
    },
  };
};
