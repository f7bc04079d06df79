/**
 * A pool's processes, which need not be there: they start with the first call and end when nobody has called for long.
 * Asleep it has no process, no socket and no timer. Calls wait in the gateway's queue meanwhile, and
 * none is lost: a start under way serves them, one that fails is tried once more, and behind that all are told.
 */
import type { PoolSize } from '../config-pools.ts';
import { GatewayError, operatorDetail } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Gate } from './gate.ts';
import type { Pace } from './scaling.ts';
import { ScalingSteps } from './scaling-steps.ts';
import { type Scalable, ScalingWatch } from './scaling-watch.ts';
import { stoppedError } from './stopped.ts';
import type { Worker } from './worker.ts';

/** The processes of one time awake: started once, ended once. */
export interface SleeperPart extends Scalable {
  /** Resolves with a worker that has answered; rejects with StartupError, and nothing is left of it. */
  start(): Promise<Worker>;
  /** Running calls get their answers, then all ends. Idempotent. */
  close(graceMs: number): Promise<void>;
  /** Ends it now, also what is starting or closing. Idempotent. */
  destroy(): Promise<void>;
}

type State<P> =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'waking' }
  /** It did not wake: the next try is not before its time, however many ask for it. `retries`: for those who wait. */
  | {
      readonly kind: 'backing off';
      readonly timer: NodeJS.Timeout;
      readonly untilMs: number;
      readonly retries: boolean;
    }
  | { readonly kind: 'awake'; readonly part: P; readonly watch: ScalingWatch | undefined }
  | { readonly kind: 'falling asleep' }
  | { readonly kind: 'closed' };

export type SleepState = State<unknown>['kind'];

export interface SleeperOptions<P> {
  /** As operators know it. */
  readonly pool: string;
  /** As callers do. */
  readonly name: string;
  readonly pace: Pace;
  /** Of all pools: each start computes, and all at once would only make each of them late. */
  readonly starts: Gate;
  /** New processes, not started. Throws StartupError. */
  readonly make: () => P;
  readonly log: Log;
  /** It is awake: calls can be served. */
  readonly onAwake: () => void;
  /** Its processes have ended, and no call waits. */
  readonly onAsleep: () => void;
  /** It did not wake: those who wait are told so. */
  readonly onFailed: (refusal: () => GatewayError) => void;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5000;
/** One that wakes for longer lets the next in: a few pools that hang must not keep all others asleep. */
const TURN_MAX_MS = 2000;
/** What PHP said may be long: the whole of it is in the log, and in the status. */
const REASON_MAX_CHARS = 300;
/** Nothing runs in it any more. */
const STOP_GRACE_MS = 5000;

export class Sleeper<P extends SleeperPart> {
  readonly #options: SleeperOptions<P>;
  readonly #steps: ScalingSteps;
  #state: State<P> = { kind: 'asleep' };
  /** All with processes: one, but for those that are ending. */
  readonly #alive = new Set<P>();
  #hasSettled = false;
  #failures = 0;
  #lastFailure: string | undefined;
  /** Calls that wait for it, and the function of the last of them. */
  #waiting = 0;
  #calledBy = '';
  #coldStartMs: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SleeperOptions<P>) {
    this.#options = options;
    this.#steps = new ScalingSteps(options.pool, options.log);
  }

  get state(): SleepState {
    return this.#state.kind;
  }

  /** Until the next try, ms; undefined: it does not back off. */
  get backOffMs(): number | undefined {
    return this.#state.kind === 'backing off' ? Math.max(0, this.#state.untilMs - performance.now()) : undefined;
  }

  /** While it is awake. */
  get part(): P | undefined {
    return this.#state.kind === 'awake' ? this.#state.part : undefined;
  }

  get steps(): ScalingSteps['last'] {
    return this.#steps.last;
  }

  /** How long the last call that woke it waited for a first worker. */
  get coldStartMs(): number | undefined {
    return this.#coldStartMs;
  }

  /** Why it did not wake when it was wanted last, for operators; undefined: it did. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  get #size(): PoolSize {
    return this.#options.pace.size;
  }

  /** At the gateway's start, when it is checked. Rejects with StartupError. */
  async start(): Promise<Worker> {
    try {
      const { worker, part } = await this.#startPart(undefined);
      if (this.#size.minWorkers > 0) this.#steps.addQuietly(0, part.workers, 'started with the gateway');
      return worker;
    } catch (error) {
      // Whoever checks the others must not take it for one that can be called.
      this.#end();
      throw error;
    }
  }

  /** It was checked, until when it keeps its workers. It need not stay awake for calls that may never come. */
  settle(): void {
    this.#hasSettled = true;
    if (this.#state.kind !== 'awake') return;
    const { part } = this.#state;
    if (this.#size.minWorkers > 0) {
      this.#setAwake(part);
      return;
    }
    this.#steps.addQuietly(part.workers, 0, 'asleep: checked at start, and not called yet');
    this.#letSleep(part);
  }

  /** So many calls wait for a worker, and would fill so many. True: this one of them wakes it. */
  lack(calls: number, calledBy: string, workers: number): boolean {
    this.#waiting = calls;
    const state = this.#state;
    if (state.kind === 'awake') state.watch?.lack(calls, workers);
    if (calls === 0) return false;
    this.#calledBy = calledBy;
    if (state.kind === 'backing off' && !state.retries) this.#refuse(state.untilMs);
    // What ends may take seconds (shutdown functions, a master that hangs): new processes do not wait for it.
    if (state.kind !== 'asleep' && state.kind !== 'falling asleep') return false;
    void this.#wake();
    return true;
  }

  /** A call that lacks a worker could not wait for it. */
  turnedAway(): void {
    if (this.#state.kind === 'awake') this.#state.watch?.turnedAway();
  }

  /** Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** Ends all processes now, in whatever state they are, also those a `close()` waits for. Idempotent. */
  async destroy(): Promise<void> {
    this.#end();
    await Promise.all([...this.#alive].map((part) => part.destroy()));
  }

  async #close(graceMs: number): Promise<void> {
    const { part } = this;
    this.#end();
    await part?.close(graceMs);
    // What is starting is of no use to anybody.
    await Promise.all([...this.#alive].map((other) => (other === part ? undefined : other.destroy())));
  }

  #end(): void {
    const state = this.#state;
    if (state.kind === 'backing off') clearTimeout(state.timer);
    if (state.kind === 'awake') state.watch?.stop();
    this.#state = { kind: 'closed' };
  }

  async #wake(): Promise<void> {
    const startedMs = performance.now();
    try {
      const { part } = await this.#startPart(TURN_MAX_MS);
      this.#failures = 0;
      this.#lastFailure = undefined;
      this.#coldStartMs = Math.round(performance.now() - startedMs);
      this.#steps.add(0, part.workers, `woken by a call of ${this.#calledBy}`);
      this.#options.onAwake();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #startPart(turnMaxMs: number | undefined): Promise<{ part: P; worker: Worker }> {
    if (this.#state.kind === 'closed') throw stoppedError();
    this.#state = { kind: 'waking' };
    const part = this.#options.make();
    this.#alive.add(part);
    try {
      const worker = await this.#startInTurn(part, turnMaxMs);
      if (this.state !== 'waking') throw stoppedError();
      this.#setAwake(part);
      return { part, worker };
    } catch (error) {
      await part.destroy();
      this.#alive.delete(part);
      throw error;
    }
  }

  async #startInTurn(part: P, turnMaxMs: number | undefined): Promise<Worker> {
    const leave = await this.#options.starts.enter();
    const timer = turnMaxMs === undefined ? undefined : setTimeout(leave, turnMaxMs);
    try {
      if (this.state !== 'waking') throw stoppedError();
      return await part.start();
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  #setAwake(part: P): void {
    this.#state = { kind: 'awake', part, watch: this.#watch(part) };
  }

  /** Undefined: it always has the same number of workers. */
  #watch(part: P): ScalingWatch | undefined {
    const { pace } = this.#options;
    if (pace.size.minWorkers === pace.size.maxWorkers || !this.#hasSettled) return undefined;
    const onUnused = (reason: string): void => this.#fallAsleep(reason);
    return new ScalingWatch({ part, pace, steps: this.#steps, onUnused });
  }

  #failed(error: unknown): void {
    if (this.#state.kind === 'closed') return;
    const { pool, log } = this.#options;
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    const detail = operatorDetail(error);
    this.#lastFailure = detail;
    this.#steps.addQuietly(0, 0, `did not wake: ${detail.replaceAll(/\s+/g, ' ').slice(0, REASON_MAX_CHARS)}`);
    log.error({ pool, err: error, backoffMs }, 'a sleeping pool did not wake');
    // What goes wrong once may be gone: those who wait lose a moment by another try, and their calls without.
    const retries = this.#failures === 1 && this.#waiting > 0;
    const untilMs = performance.now() + backoffMs;
    this.#state = { kind: 'backing off', timer: setTimeout(() => this.#backedOff(), backoffMs), untilMs, retries };
    if (!retries) this.#refuse(untilMs);
  }

  #backedOff(): void {
    this.#state = { kind: this.#alive.size > 0 ? 'falling asleep' : 'asleep' };
    if (this.#waiting > 0) void this.#wake();
    else if (this.#alive.size === 0) this.#options.onAsleep();
  }

  /** Those who wait could only be told the same later. */
  #refuse(untilMs: number): void {
    const { name, onFailed } = this.#options;
    const detail = this.#lastFailure ?? '';
    const retryAfterMs = Math.max(1, Math.ceil(untilMs - performance.now()));
    onFailed(() => didNotWake(name, detail, retryAfterMs));
  }

  #fallAsleep(reason: string): void {
    if (this.#state.kind !== 'awake') return;
    const { part, watch } = this.#state;
    watch?.stop();
    this.#steps.add(part.workers, 0, reason);
    this.#letSleep(part);
  }

  #letSleep(part: P): void {
    this.#state = { kind: 'falling asleep' };
    void part
      .close(STOP_GRACE_MS)
      .catch((err: unknown) => {
        this.#options.log.error({ pool: this.#options.pool, err }, 'a pool did not end in order');
        return part.destroy();
      })
      .then(() => this.#fellAsleep(part));
  }

  #fellAsleep(part: P): void {
    this.#alive.delete(part);
    // Called meanwhile; or others of it are ending, too.
    if (this.#state.kind !== 'falling asleep' || this.#alive.size > 0) return;
    this.#state = { kind: 'asleep' };
    this.#options.onAsleep();
  }
}

const didNotWake = (pool: string, privateDetail: string, retryAfterMs: number): GatewayError =>
  new GatewayError('pool-unavailable', `The pool ${pool} slept, and did not wake.`, {
    executed: 'no',
    reason: 'did-not-wake',
    retryAfterMs,
    privateDetail,
  });
