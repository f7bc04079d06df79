/**
 * A pool's processes, which need not be there: they start with the first call and end when nobody has called for long.
 * Asleep it has no process, no socket and no timer. Calls wait in the gateway's queue meanwhile; whatever they meet
 * here (a start under way, one that fails, an end under way), they wait for the next state, and none is lost.
 */
import type { PoolSize } from '../config.ts';
import { GatewayError, operatorDetail } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Pace } from './scaling.ts';
import { ScalingSteps } from './scaling-steps.ts';
import { type Scalable, ScalingWatch } from './scaling-watch.ts';
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
  /** It did not wake lately: the next try is not before its time, however many ask for it. */
  | { readonly kind: 'backing off'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'waking'; readonly part: P | undefined }
  | { readonly kind: 'awake'; readonly part: P; readonly watch: ScalingWatch | undefined }
  | { readonly kind: 'falling asleep'; wantedBy: string | undefined }
  | { readonly kind: 'closed' };

export type SleepState = State<unknown>['kind'];

export interface SleeperOptions<P> {
  /** For people. */
  readonly pool: string;
  readonly pace: Pace;
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
  #mayWakeAtMs = 0;
  #coldStartMs: number | undefined;
  #ending: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SleeperOptions<P>) {
    this.#options = options;
    this.#steps = new ScalingSteps(options.pool, options.log);
  }

  get state(): SleepState {
    return this.#state.kind;
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

  get #size(): PoolSize {
    return this.#options.pace.size;
  }

  /** At the gateway's start, when it is checked. Rejects with StartupError. */
  async start(): Promise<Worker> {
    const { worker, part } = await this.#startPart();
    if (this.#size.minWorkers > 0) this.#steps.addQuietly(0, part.workers, 'started with the gateway');
    return worker;
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

  /** So many calls wait for a worker. True: this one of them wakes it. */
  lack(calls: number, calledBy: string): boolean {
    const state = this.#state;
    if (state.kind === 'awake') state.watch?.lack(calls);
    if (calls === 0) return false;
    if (state.kind === 'asleep') {
      this.#wakeWhenAllowed(calledBy);
      return true;
    }
    if (state.kind !== 'falling asleep' || state.wantedBy !== undefined) return false;
    state.wantedBy = calledBy;
    return true;
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
    await this.#ending;
  }

  async #close(graceMs: number): Promise<void> {
    const { part } = this;
    this.#end();
    await part?.close(graceMs);
    // What is starting is of no use to anybody.
    await Promise.all([...this.#alive].map((other) => (other === part ? undefined : other.destroy())));
    await this.#ending;
  }

  #end(): void {
    const state = this.#state;
    if (state.kind === 'backing off') clearTimeout(state.timer);
    if (state.kind === 'awake') state.watch?.stop();
    this.#state = { kind: 'closed' };
  }

  #wakeWhenAllowed(calledBy: string): void {
    const inMs = this.#mayWakeAtMs - performance.now();
    if (inMs <= 0) {
      void this.#wake(calledBy);
      return;
    }
    this.#state = { kind: 'backing off', timer: setTimeout(() => void this.#wake(calledBy), inMs) };
  }

  async #wake(calledBy: string): Promise<void> {
    const startedMs = performance.now();
    try {
      const { part } = await this.#startPart();
      this.#failures = 0;
      this.#coldStartMs = Math.round(performance.now() - startedMs);
      this.#steps.add(0, part.workers, `woken by a call of ${calledBy}`);
      this.#options.onAwake();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #startPart(): Promise<{ part: P; worker: Worker }> {
    if (this.#state.kind === 'closed') throw stoppedError();
    this.#state = { kind: 'waking', part: undefined };
    const part = this.#options.make();
    this.#state = { kind: 'waking', part };
    this.#alive.add(part);
    try {
      const starting = part.start();
      this.#ending = starting.catch(() => {});
      const worker = await starting;
      if (this.state !== 'waking') throw stoppedError();
      this.#setAwake(part);
      return { part, worker };
    } catch (error) {
      await part.destroy();
      this.#alive.delete(part);
      throw error;
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
    this.#state = { kind: 'asleep' };
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#mayWakeAtMs = performance.now() + backoffMs;
    const { pool, log, onFailed } = this.#options;
    log.error({ pool, err: error, backoffMs }, 'a sleeping pool did not wake: the next call tries again');
    onFailed(() => didNotWake(pool, error, backoffMs));
  }

  #fallAsleep(reason: string): void {
    if (this.#state.kind !== 'awake') return;
    const { part, watch } = this.#state;
    watch?.stop();
    this.#steps.add(part.workers, 0, reason);
    this.#letSleep(part);
  }

  #letSleep(part: P): void {
    this.#state = { kind: 'falling asleep', wantedBy: undefined };
    this.#ending = part
      .close(STOP_GRACE_MS)
      .catch((err: unknown) => {
        this.#options.log.error({ pool: this.#options.pool, err }, 'a pool did not end in order');
        return part.destroy();
      })
      .then(() => this.#fellAsleep(part));
  }

  #fellAsleep(part: P): void {
    this.#alive.delete(part);
    if (this.#state.kind !== 'falling asleep') return;
    const { wantedBy } = this.#state;
    this.#state = { kind: 'asleep' };
    // A call came while it ended.
    if (wantedBy === undefined) this.#options.onAsleep();
    else this.#wakeWhenAllowed(wantedBy);
  }
}

const stoppedError = (): GatewayError => new GatewayError('shutting-down', 'The gateway has stopped.');

const didNotWake = (pool: string, error: unknown, retryAfterMs: number): GatewayError =>
  new GatewayError('pool-unavailable', `The pool ${pool} slept, and did not wake.`, {
    executed: 'no',
    reason: 'did-not-wake',
    retryAfterMs,
    privateDetail: operatorDetail(error),
  });
