/** One item of a batch on its way: its trace, its turn, its result. */
import type { Caller, LeaveListener } from '../caller.ts';
import { Deadline } from '../deadline.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import { giveBack } from '../fastcgi/index.ts';
import type { KeyStore } from '../idempotency/store.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import type { Ancestry } from './ancestry.ts';
import type { Output } from './answer.ts';
import type { BatchItem } from './batch.ts';
import type { Call } from './call.ts';
import { inProcessRequest, resultOf } from './in-process.ts';
import type { Invoker } from './invoke.ts';
import { keyFor } from './key.ts';
import { invokeOnce } from './operation.ts';
import { outputJson } from './output-json.ts';
import type { Turns } from './turns.ts';

/** Where items are called, and how their traces begin. */
export interface ItemCalls {
  readonly invoker: Pick<Invoker, 'invoke' | 'function'>;
  readonly keys: KeyStore;
  readonly begin: (item: BatchItem) => CallTrace;
  /** The call whose PHP made the batch; undefined: none did. */
  readonly outer: Ancestry | undefined;
  /** Of all batches. */
  readonly turns: Turns;
}

export type EndedItem = { readonly item: BatchItem; readonly trace: CallTrace | undefined } & (
  | { readonly status: 'succeeded'; readonly json: string; readonly isBinary: boolean; readonly replayed: boolean }
  /** `cancelled`: it never ran, because the batch had ended. */
  | { readonly status: 'failed' | 'cancelled'; readonly error: GatewayError }
);

interface Turn {
  /** Of the whole batch. */
  readonly deadline: Pick<Deadline, 'remainingMs'>;
  /** Why nothing begins any more, if so. */
  readonly stopped: () => GatewayError | undefined;
  /** It begins to wait for a worker, or has one or nothing to wait for any more. */
  readonly onWaiting: (waits: boolean) => void;
}

const PAUSE_MIN_MS = 10;
const PAUSE_MAX_MS = 500;

/** Others have taken what there is of a function or a queue. */
const isRefusal = ({ code, executed }: GatewayError): boolean =>
  executed === 'no' && (code === 'concurrency-limit' || code === 'overloaded');

export class ItemCall implements Caller {
  readonly #item: BatchItem;
  readonly #calls: ItemCalls;
  readonly #turn: Turn;
  /** Its own, which does not begin anew where it has to wait for its turn. */
  readonly #deadline: Deadline;
  #hasLeft = false;
  #listener: LeaveListener | undefined;
  #waits = false;
  /** Nobody reads its result. */
  #isAbandoned = false;

  constructor(item: BatchItem, calls: ItemCalls, turn: Turn) {
    this.#item = item;
    this.#calls = calls;
    this.#turn = turn;
    const { timeoutMs = Number.POSITIVE_INFINITY } = item;
    this.#deadline = new Deadline(Math.min(timeoutMs, turn.deadline.remainingMs()));
  }

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  whenLeft(listener: LeaveListener | undefined): void {
    this.#listener = listener;
    const waits = listener !== undefined && listener.waits !== false;
    if (waits !== this.#waits) this.#turn.onWaiting(waits);
    this.#waits = waits;
  }

  /** It never begins, if it has not yet. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    if (this.#listener?.notToBegin === undefined) this.#listener?.callerLeft();
    else this.#listener.notToBegin();
  }

  /** Nor does it run on, where its contract says so. */
  abandon(): void {
    if (this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#hasLeft = true;
    this.#listener?.callerLeft();
  }

  /** Never rejects. */
  async run(): Promise<EndedItem> {
    const item = this.#item;
    const trace = this.#calls.begin(item);
    try {
      const output = await this.#output(trace);
      return { item, trace, status: 'succeeded', ...encoded(item.function, output) };
    } catch (thrown) {
      const error = toGatewayError(thrown);
      const why = error.executed === 'no' ? this.#turn.stopped() : undefined;
      return why === undefined
        ? { item, trace, status: 'failed', error }
        : { item, trace, status: 'cancelled', error: why };
    }
  }

  async #output(trace: CallTrace): Promise<Output> {
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, 2 * pauseMs)) {
      try {
        return await this.#invoke(trace);
      } catch (thrown) {
        const error = toGatewayError(thrown);
        if (!this.#mayWaitOn(error, pauseMs)) throw error;
        await this.#pause(pauseMs * (0.5 + Math.random() / 2));
      }
    }
  }

  /** Not where a call with a worker waits for this one: nobody would see that it waits, and free that worker. */
  #mayWaitOn(error: GatewayError, pauseMs: number): boolean {
    if (!isRefusal(error) || this.#calls.outer !== undefined) return false;
    return this.#turn.stopped() === undefined && this.#deadline.remainingMs() > pauseMs;
  }

  async #invoke(trace: CallTrace): Promise<Output> {
    const { function: name, script, input, idempotencyKey } = this.#item;
    const { invoker, keys, outer } = this.#calls;
    const fn = invoker.function(name);
    if (script !== '' && fn.code.kind === 'handler') throw new GatewayError('not-found', `${name} has no scripts.`);
    if (fn.output.kind === 'stream') {
      const detail = `${name} answers with a stream, which a batch cannot carry: call it by itself.`;
      throw new GatewayError('not-acceptable', detail, { executed: 'no' });
    }
    const remainingMs = this.#deadline.remainingMs();
    const key = keyFor(fn, idempotencyKey);
    const call: Call = {
      ...inProcessRequest(fn, input, script),
      name,
      trace,
      timeoutMs: remainingMs,
      timeoutBy: 'its batch',
      // Waiting is what most items of a batch do: it ends with the batch.
      queueTimeoutMs: remainingMs,
      caller: this,
      // However many items it has in flight, a batch is one caller among others.
      callerKey: this.#calls,
      outer,
    };
    return await (key === undefined ? invoker.invoke(call) : invokeOnce({ invoker, keys, fn }, call, key));
  }

  /** Until that time has passed, somebody's item of this function has ended, or the batch has. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const goOn = (): void => {
        clearTimeout(timer);
        giveUp();
        resolve();
      };
      const timer = setTimeout(goOn, ms);
      const giveUp = this.#calls.turns.wait(this.#item.function, goOn);
      this.whenLeft({ callerLeft: goOn });
    });
    this.whenLeft(undefined);
  }
}

const encoded = (name: string, output: Output): { json: string; isBinary: boolean; replayed: boolean } => {
  if (output.kind === 'stream') throw new GatewayError('internal-error', `${name} streams into a batch.`);
  const result = resultOf(name, output);
  const replayed = output.replayed ?? false;
  if (output.kind === 'json') return { json: outputJson(name, result), isBinary: false, replayed };
  const { mediaType, bytes } = output;
  const json = `{"mediaType":${JSON.stringify(mediaType)},"base64":"${bytes.toString('base64')}"}`;
  giveBack(bytes);
  return { json, isBinary: true, replayed };
};
