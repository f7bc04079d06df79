/**
 * The right to occupy one worker for one attempt. It outlives the caller's patience: the slot is free when the
 * worker is (invariant 2), which after a timeout takes a kill, and after `fastcgi_finish_request()` a ping.
 */
import { GatewayError } from '../errors.ts';
import type { Connection, Exchange, FastCgiRequest, LargeBody, Params, Reception } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { LATE, within } from '../within.ts';
import { stopSender, stopWorker, type Worker } from './worker.ts';

export interface SlotRequest {
  readonly encodedParams: Buffer;
  readonly params: Params;
  readonly body: Buffer | LargeBody;
  /** Runs when the worker is free of it. `isGone`: the worker has ended, or its connection, and nothing is known of it. */
  readonly onFreed: ((isGone: boolean) => void) | undefined;
  /** How long PHP may run. */
  readonly timeLimitMs: number;
}

/** How an answer is taken: whole (`collect`) or as it comes (`stream`). */
export type Receive<T> = (connection: Connection, request: FastCgiRequest) => Reception<T>;

export interface Slot {
  /**
   * Resolves with the worker once one is connected; rejects with `pool-unavailable`, or with `deadline-exceeded` after
   * `withinMs`; executed: no.
   */
  connect(withinMs: number): Promise<Worker>;
  /** Runs one request on the connected worker; rejects with a GatewayError whose `executed` is proved. */
  run<T>(request: SlotRequest, receive: Receive<T>): Promise<T>;
  /** Nobody reads the rest of the answer: it fails with this error, and PHP is stopped. Nothing if it is complete. */
  cancel(error: GatewayError): void;
  /** Gives the slot back; it is free when the worker is. `doubtful`: the worker may still be busy behind its answer. */
  release(doubtful: boolean): void;
}

/** Whose workers they are. */
export interface SlotOwner {
  readonly options: { readonly log: Log; readonly connectTimeoutMs: number };
  /** An idle worker at once, or one that is still to be connected. */
  obtain(): Worker | Promise<Worker>;
  park(worker: Worker): void;
  freed(slot: WorkerSlot): void;
}

/** On a busy machine a healthy worker may take this long to come to its turn. */
const BEGIN_MIN_MS = 1000;

/** `held` by the attempt → `released` by it; free once no answer is under way either. */
export class WorkerSlot implements Slot {
  readonly #owner: SlotOwner;
  readonly #onFreed: () => void;
  #worker: Worker | undefined;
  #connecting: Promise<Worker> | undefined;
  #reception: Reception<unknown> | undefined;
  #timeLimitMs = 0;
  #onRequestFreed: SlotRequest['onFreed'];
  #released = false;
  #doubtful = false;
  #destroyed = false;
  late = false;

  constructor(owner: SlotOwner, onFreed: () => void) {
    this.#owner = owner;
    this.#onFreed = onFreed;
  }

  async connect(withinMs: number): Promise<Worker> {
    if (this.#worker !== undefined) return this.#worker;
    const obtained = this.#owner.obtain();
    if (!(obtained instanceof Promise)) return this.#hold(obtained);
    this.#connecting = obtained.then((worker) => this.#hold(worker));
    const worker = await within(this.#connecting, withinMs);
    if (worker !== LATE) return worker;
    const detail = `The deadline passed while a worker was being connected, after ${Math.round(withinMs)} ms.`;
    throw new GatewayError('deadline-exceeded', detail);
  }

  async run<T>(request: SlotRequest, receive: Receive<T>): Promise<T> {
    const worker = this.#worker ?? (await this.connect(this.#owner.options.connectTimeoutMs));
    const { encodedParams, params, body, timeLimitMs, onFreed } = request;
    this.#onRequestFreed = onFreed;
    const fastCgi = { encodedParams, params, body, ping: worker.pings, keepConnection: true };
    const reception = receive(worker.connection, fastCgi);
    const { exchange } = reception;
    this.#reception = reception;
    this.#timeLimitMs = timeLimitMs;
    const begin = this.#expectBeginning(worker, exchange);
    const timer = setTimeout(() => {
      this.late = true;
      this.#stop(worker, 'its call ran past the time limit');
      reception.abandon(timeoutError(timeLimitMs, exchange));
    }, timeLimitMs);
    const over = (): void => {
      clearTimeout(timer);
      clearTimeout(begin);
      this.#reception = undefined;
      if (this.#released) void this.#free();
    };
    exchange.done.then(over, (error) => {
      // We closed in the middle of an answer, and the script may go on for long.
      if (isOurVerdict(error) && !exchange.progress.ended) stopSender(worker);
      over();
    });
    return await reception.response;
  }

  cancel(error: GatewayError): void {
    const worker = this.#worker;
    if (worker === undefined || this.#reception === undefined) return;
    this.#reception.abandon(error);
    // It is being stopped already.
    if (this.late) return;
    this.late = true;
    const stopped = stopWorker(worker);
    // Elsewhere PHP meets the end of the connection at its next write.
    if (!stopped) worker.connection.destroy();
    this.#owner.options.log.info({ pid: worker.facts.pid, stopped }, `worker stopped: ${error.message}`);
  }

  release(doubtful: boolean): void {
    if (this.#released) return;
    this.#released = true;
    this.#doubtful = doubtful;
    if (this.#reception === undefined) void this.#free();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#worker?.connection.destroy();
  }

  /**
   * A worker that does not answer the ping in front has not begun: it is stopped, or busy behind an answer that a
   * shutdown function finished early. Its end proves that the call has not run, so that it moves to another worker.
   */
  #expectBeginning(worker: Worker, { progress }: Exchange): NodeJS.Timeout {
    const check = (): void => {
      if (progress.ping === 'unanswered') this.#stop(worker, 'it did not begin its call');
    };
    // Behind a blocked event loop the answer may have come: it is read before immediates run.
    return setTimeout(() => setImmediate(check), Math.max(BEGIN_MIN_MS, this.#owner.options.connectTimeoutMs));
  }

  #stop(worker: Worker, why: string): void {
    const stopped = stopWorker(worker);
    const what = stopped ? 'worker stopped' : 'worker cannot be stopped from here and keeps its slot until it answers';
    this.#owner.options.log.warn({ pid: worker.facts.pid, stopped }, `${what}: ${why}`);
  }

  #hold(worker: Worker): Worker {
    this.#worker = worker;
    if (this.#destroyed) {
      worker.connection.destroy();
      throw new GatewayError('shutting-down', 'The gateway has stopped.');
    }
    return worker;
  }

  async #free(): Promise<void> {
    // A caller whose deadline passed meanwhile does not wait; the connection is of use to the next.
    await this.#connecting?.catch(() => {});
    const worker = this.#worker;
    if (worker !== undefined) {
      if (this.#doubtful) await this.#settle(worker);
      this.#owner.park(worker);
    }
    this.#onRequestFreed?.(!worker?.connection.usable);
    this.#onFreed();
    this.#owner.freed(this);
  }

  /** After `fastcgi_finish_request()` a worker is busy behind its answer: it is free once it answers a ping. */
  async #settle(worker: Worker): Promise<void> {
    if (!worker.pings) {
      worker.connection.destroy();
      return;
    }
    const timer = setTimeout(() => {
      this.late = true;
      this.#stop(worker, 'it worked on behind its answer past the time limit');
    }, this.#timeLimitMs);
    await worker.connection.ping();
    clearTimeout(timer);
  }
}

/** Errors with which the gateway itself ends a connection while the peer still sends. */
const isOurVerdict = (error: unknown): boolean =>
  error instanceof GatewayError && (error.code === 'response-too-large' || error.code === 'bad-function-response');

const timeoutError = (timeLimitMs: number, { progress }: Exchange): GatewayError => {
  const executed = progress.bytesReceived > 0 ? 'yes' : 'unknown';
  const what = executed === 'yes' ? 'PHP did not complete its answer' : 'PHP did not answer';
  return new GatewayError('function-timeout', `${what} within ${Math.round(timeLimitMs)} ms.`, { executed });
};
