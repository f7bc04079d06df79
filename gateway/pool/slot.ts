/**
 * The right to occupy one worker for one attempt, or a place behind others on it. It outlives the caller's patience:
 * the slot is free when the worker is (invariant 2), which after a timeout takes a kill, and after
 * `fastcgi_finish_request()` a ping.
 */
import { GatewayError } from '../errors.ts';
import type { Connection, FastCgiRequest, LargeBody, Over, Params, Reception } from '../fastcgi/index.ts';
import type { Log } from '../log.ts';
import { LATE, within } from '../within.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import type { LineCall, Place, WorkerLine } from './line.ts';
import { stoppedError } from './stopped.ts';
import { stopSender, stopWorker, type Worker } from './worker.ts';
import type { Workload } from './workload.ts';

export interface SlotRequest {
  readonly attemptId: string;
  readonly encodedParams: Buffer;
  readonly params: Params;
  readonly body: Buffer | LargeBody;
  /** Runs when the worker is free of it. `isGone`: the worker has ended, or its connection, and nothing is known of it. */
  readonly onFreed: ((isGone: boolean) => void) | undefined;
  /** How long PHP may run. */
  readonly timeLimitMs: number;
  /** What is left of the call's deadline, which passes behind others, too. */
  readonly remainingMs: number;
}

/** How an answer is taken: whole (`collect`) or as it comes (`stream`). */
export type Receive<T> = (connection: Connection, request: FastCgiRequest, over: Over) => Reception<T>;

/** What a call asks of a pool. */
export interface Placed {
  readonly workload: Workload;
  /** It is short, small and leaves its worker free with its answer: it may stand behind others, and others behind it. */
  readonly mayShare: boolean;
  /** A call that has a worker waits for it: no place is kept from it for others. */
  readonly awaited: boolean;
}

export interface Slot {
  /** It stands behind others still. */
  readonly isBehind: boolean;
  /** It took its place, or was written, behind others: if they take their worker with them, it moves to another. */
  readonly stoodBehind: boolean;
  /**
   * The worker, once one is connected; rejects with `pool-unavailable`, or with `deadline-exceeded` after `withinMs`;
   * executed: no.
   */
  connect(withinMs: number): Worker | Promise<Worker>;
  /** Runs one request on the connected worker; rejects with a GatewayError whose `executed` is proved. */
  run<T>(request: SlotRequest, receive: Receive<T>): Promise<T>;
  /**
   * Nobody wants the answer any more, or the rest of it: it fails with this error at once, and PHP is stopped. Nothing if
   * it is complete. `breaks`: PHP that cannot be stopped from here may meet the end of the connection.
   */
  cancel(error: GatewayError, breaks: boolean): void;
  /** Nobody waits for it any more: where it stands behind others on a resident worker, it is left out. */
  takeBack(error: GatewayError): void;
  /** Gives the slot back; it is free when the worker is. `doubtful`: the worker may still be busy behind its answer. */
  release(doubtful: boolean): void;
  /** What its call has told of the worker. */
  told(meta: Meta): void;
  /** Its PHP only waits for another call: its share of the CPU is for others until `resume`. */
  rest(): void;
  resume(): void;
}

/** Whose workers they are. */
export interface SlotOwner {
  readonly options: { readonly log: Log; readonly connectTimeoutMs: number };
  /** Connects a worker, or gives one that has become idle meanwhile. */
  obtain(): Promise<WorkerLine>;
  /** The slot is free: its place on the line, or the worker that never came. */
  freed(slot: WorkerSlot, line: WorkerLine | undefined): void;
  rest(line: WorkerLine): void;
  resume(line: WorkerLine): void;
  told(line: WorkerLine, meta: Meta): void;
}

/** `held` by the attempt → `released` by it; free once no answer is under way either. */
export class WorkerSlot implements Slot, Place {
  stoodBehind: boolean;
  /** As it was when it took its place. */
  readonly expectedMs: number;
  readonly cpuShare: number;
  readonly isSlow: boolean;
  readonly workerShare: number;
  readonly awaited: boolean;
  readonly #owner: SlotOwner;
  /** Others may stand behind it. */
  readonly #mayShare: boolean;
  readonly #onFreed: () => void;
  #line: WorkerLine | undefined;
  #connecting: Promise<WorkerLine> | undefined;
  #running: RunningCall | undefined;
  #timeLimitMs = 0;
  #onRequestFreed: SlotRequest['onFreed'];
  #released = false;
  #doubtful = false;
  #destroyed = false;
  #breaks = false;
  late = false;
  unwanted = false;

  /** `line`: an idle one, one with calls on it already, or undefined for one that is still to be connected. */
  constructor(owner: SlotOwner, line: WorkerLine | undefined, placed: Placed, onFreed: () => void) {
    this.#owner = owner;
    this.#line = line;
    this.#mayShare = placed.mayShare && placed.workload.isShort;
    this.#onFreed = onFreed;
    this.stoodBehind = line !== undefined && (line.isConcurrent || line.places > 0);
    this.expectedMs = placed.workload.wallMs;
    this.cpuShare = placed.workload.cpuShare;
    this.isSlow = placed.workload.isSlow;
    this.workerShare = 1 / placed.workload.concurrency;
    this.awaited = placed.awaited;
    line?.join(this, this.#mayShare);
  }

  get isBehind(): boolean {
    return this.stoodBehind && this.#line?.isRunning(this.#running) === false;
  }

  told(meta: Meta): void {
    if (this.#line !== undefined) this.#owner.told(this.#line, meta);
  }

  rest(): void {
    if (this.#line !== undefined) this.#owner.rest(this.#line);
  }

  resume(): void {
    if (this.#line !== undefined) this.#owner.resume(this.#line);
  }

  connect(withinMs: number): Worker | Promise<Worker> {
    return this.#line?.worker ?? this.#connect(withinMs).then(({ worker }) => worker);
  }

  run<T>(request: SlotRequest, receive: Receive<T>): Promise<T> {
    return this.#line === undefined
      ? this.#connect(this.#owner.options.connectTimeoutMs).then((line) => this.#run(line, request, receive))
      : this.#run(this.#line, request, receive);
  }

  #run<T>(line: WorkerLine, request: SlotRequest, receive: Receive<T>): Promise<T> {
    const { worker } = line;
    const { encodedParams, params, body, timeLimitMs, remainingMs, onFreed } = request;
    this.#onRequestFreed = onFreed;
    this.#timeLimitMs = timeLimitMs;
    // A resident worker begins them in order, and its end proves the same of those behind the first.
    const ping = worker.pings && worker.life === undefined;
    const fastCgi = { encodedParams, params, body, ping, keepConnection: true };
    const reception = receive(worker.connection, fastCgi, (error, body) => this.#over(line, error, body));
    // Its place may have come by promise, and others have been written before it.
    this.stoodBehind ||= line.isServing;
    this.#running = new RunningCall(this, reception, request, performance.now() + remainingMs);
    line.begin(this.#running);
    return reception.response;
  }

  cancel(error: GatewayError, breaks: boolean): void {
    const line = this.#line;
    if (line === undefined || this.#running === undefined) return;
    this.#running.reception.abandon(error);
    // It is being stopped already.
    if (this.late) return;
    this.late = true;
    this.unwanted = true;
    this.#breaks = breaks;
    // A concurrent worker ends it at its next wait, or at its next piece, and a serial one leaves out what stands behind;
    // the others go on. php-fpm does not hear of it.
    if (line.isConcurrent || (this.isBehind && line.worker.life !== undefined)) this.abort(this.#running);
    line.unwanted();
  }

  /** Its worker cannot be stopped from here. */
  cannotBeEnded(): void {
    // PHP meets the end of the connection at its next write. Without one it would run on unseen, with its slot free.
    if (this.#breaks) this.#line?.worker.connection.destroy();
  }

  takeBack(error: GatewayError): void {
    if (this.#running === undefined || !this.isBehind || this.#line?.worker.life === undefined) return;
    // Should it have begun meanwhile, it runs to its end, as any other call whose caller has left.
    this.late = true;
    this.abort(this.#running);
    this.#running.reception.abandon(error);
  }

  /** A php-fpm worker does not hear of it. */
  abort({ exchange }: RunningCall): void {
    this.#line?.worker.connection.abort(exchange);
  }

  release(doubtful: boolean): void {
    if (this.#released) return;
    this.#released = true;
    // A concurrent worker answers when a call has ended, and not before.
    this.#doubtful = doubtful && this.#line?.isConcurrent !== true;
    if (this.#running === undefined) this.#free();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#line?.destroy();
  }

  async #connect(withinMs: number): Promise<WorkerLine> {
    this.#connecting ??= this.#owner.obtain().then((line) => this.#hold(line));
    const line = await within(this.#connecting, withinMs);
    if (line !== LATE) return line;
    const detail = `The deadline passed while a worker was being connected, after ${Math.round(withinMs)} ms.`;
    throw new GatewayError('deadline-exceeded', detail);
  }

  #hold(line: WorkerLine): WorkerLine {
    this.#line = line;
    line.join(this, this.#mayShare);
    if (this.#destroyed) {
      line.destroy();
      throw stoppedError();
    }
    return line;
  }

  #over(line: WorkerLine, error: GatewayError | undefined, body: Parameters<Over>[1]): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const { ended } = running.exchange.progress;
    // We closed in the middle of an answer, and the script may go on for long.
    if (isOurVerdict(error) && !ended) stopSender(line.worker);
    line.end(running, ended && error?.code === 'pool-unavailable');
    // Nobody reads it any more. A resident worker may say with it that it ends: those behind it have not begun then.
    if (this.late && error === undefined && body !== undefined && line.worker.life !== undefined) {
      const envelope = decodeEnvelope(body.bytes, running.attemptId);
      if (envelope.kind === 'envelope') this.told(envelope.meta);
    }
    if (this.#released) this.#free();
  }

  #free(): void {
    const line = this.#line;
    if (this.#doubtful) line?.keepOthersAway();
    // A caller whose deadline passed meanwhile does not wait; the connection is of use to the next.
    if (line === undefined && this.#connecting !== undefined)
      this.#connecting.then(
        () => this.#free(),
        () => this.#freed(),
      );
    // Those behind it find out by their own pings.
    else if (line !== undefined && this.#doubtful && line.places === 1)
      void this.#settle(line.worker).then(() => this.#freed());
    else this.#freed();
  }

  #freed(): void {
    const line = this.#line;
    this.#onRequestFreed?.(line === undefined || !line.usable);
    this.#onFreed();
    this.#owner.freed(this, line);
  }

  /** After `fastcgi_finish_request()` a worker is busy behind its answer: it is free once it answers a ping. */
  async #settle(worker: Worker): Promise<void> {
    if (!worker.pings) {
      worker.connection.destroy();
      return;
    }
    const timer = setTimeout(() => {
      this.late = true;
      const stopped = stopWorker(worker);
      const why = 'it worked on behind its answer past the time limit';
      this.#owner.options.log.warn({ pid: worker.facts.pid, stopped }, `worker to be stopped: ${why}`);
    }, this.#timeLimitMs);
    await worker.connection.ping();
    clearTimeout(timer);
  }
}

class RunningCall implements LineCall {
  readonly reception: Reception<unknown>;
  readonly attemptId: string;
  readonly timeLimitMs: number;
  readonly givesUpAtMs: number;
  readonly #slot: WorkerSlot;

  constructor(slot: WorkerSlot, reception: Reception<unknown>, request: SlotRequest, givesUpAtMs: number) {
    this.#slot = slot;
    this.reception = reception;
    this.attemptId = request.attemptId;
    this.timeLimitMs = request.timeLimitMs;
    this.givesUpAtMs = givesUpAtMs;
  }

  get exchange(): Reception<unknown>['exchange'] {
    return this.reception.exchange;
  }

  get late(): boolean {
    return this.#slot.late;
  }

  get unwanted(): boolean {
    return this.#slot.unwanted;
  }

  cannotBeEnded(): void {
    this.#slot.cannotBeEnded();
  }

  giveUp(hasBegun: boolean): void {
    this.#slot.late = true;
    const { bytesReceived } = this.exchange.progress;
    if (!hasBegun) this.#slot.abort(this);
    this.reception.abandon(hasBegun ? timeoutError(this.timeLimitMs, bytesReceived) : neverBegun());
  }
}

/** Errors with which the gateway itself ends a connection while the peer still sends. */
const isOurVerdict = (error: GatewayError | undefined): boolean =>
  error !== undefined && (error.code === 'response-too-large' || error.code === 'bad-function-response');

const timeoutError = (timeLimitMs: number, bytesReceived: number): GatewayError => {
  const executed = bytesReceived > 0 ? 'yes' : 'unknown';
  const what = executed === 'yes' ? 'PHP did not complete its answer' : 'PHP did not answer';
  return new GatewayError('function-timeout', `${what} within ${Math.round(timeLimitMs)} ms.`, { executed });
};

/** What is written to a worker is not taken back: it may still run. */
const neverBegun = (): GatewayError => {
  const detail = 'The deadline passed while the call stood behind another one on its worker.';
  return new GatewayError('deadline-exceeded', detail, { executed: 'unknown' });
};
