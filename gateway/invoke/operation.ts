/**
 * A call with an Idempotency-Key: it runs once, and whoever repeats it gets its answer. The key is on disk before PHP
 * begins, and the answer before it goes out.
 */
import { GatewayError, toGatewayError } from '../errors.ts';
import type { KeyedOperation, KeyStore } from '../idempotency/store.ts';
import type { Output } from './answer.ts';
import type { Call } from './call.ts';
import { fingerprint } from './fingerprint.ts';
import type { GatewayFunction } from './function.ts';
import type { Invoker } from './invoke.ts';
import { REPLAYED_HEADER, replayed, storedError, storedOutput } from './stored-answer.ts';

/** Most calls end long before they must: a caller need not wait for the last moment, ms. */
const IN_FLIGHT_RETRY_MAX_MS = 5000;
/** For what is around waiting and running, ms. */
const MARGIN_MS = 5000;

export class Operation {
  readonly #store: KeyStore;
  readonly #call: Call;
  readonly #fn: GatewayFunction;
  readonly #key: string;
  /** Once it is ours to end. */
  #begun: KeyedOperation | undefined;

  constructor(store: KeyStore, fn: GatewayFunction, call: Call, key: string) {
    this.#store = store;
    this.#fn = fn;
    this.#call = call;
    this.#key = key;
  }

  /** To be called when all is known to be valid: nothing else is kept. Resolves with the answer there is, if any. */
  async begin(): Promise<Output | undefined> {
    const { name, idempotent } = this.#fn;
    const { trace, input, script, outer } = this.#call;
    const asked = { function: name, script: script && { path: script.path, method: script.view.method } };
    const operation: KeyedOperation = {
      // A caller's address is none of it: callers move. A function that calls has keys of its own.
      scope: JSON.stringify([name, outer?.path.at(-1) ?? null]),
      key: this.#key,
      fingerprint: await fingerprint({ ...asked, input: input.value }),
    };
    const begun = await this.#store.begin(operation, { mayRunAgain: idempotent, timeoutMs: this.#timeoutMs() });
    trace.set({ 'fpm_gateway.idempotency': WORDS[begun.kind] });
    switch (begun.kind) {
      case 'begun':
        this.#begun = operation;
        return undefined;
      case 'done':
        return replayed(begun.answer);
      case 'inFlight':
        throw new GatewayError('idempotency-in-flight', `A call of ${name} with this Idempotency-Key is under way.`, {
          retryAfterMs: Math.min(IN_FLIGHT_RETRY_MAX_MS, begun.remainingMs),
        });
      case 'mismatch':
        throw new GatewayError(
          'idempotency-mismatch',
          `This Idempotency-Key was used for a call of ${name} with another input.`,
        );
      case 'unknown':
        throw unknownEnd(name);
    }
  }

  async succeeded(output: Output): Promise<void> {
    if (this.#begun === undefined) return;
    if (output.kind === 'stream') throw new GatewayError('internal-error', `${this.#fn.name} streams with a key.`);
    await this.#finish(this.#begun, storedOutput(this.#fn.name, output));
  }

  async failed(error: GatewayError): Promise<void> {
    if (this.#begun === undefined) return;
    if (error.executed !== 'no') await this.#finish(this.#begun, storedError(error));
    else await this.#store.abandon(this.#begun).catch(IGNORED);
    this.#begun = undefined;
  }

  async #finish(operation: KeyedOperation, answer: Buffer): Promise<void> {
    await this.#store.finish(operation, answer).catch(IGNORED);
    this.#begun = undefined;
  }

  #timeoutMs(): number {
    const { timeoutMs, queueTimeoutMs } = this.#fn;
    const limitMs = (this.#call.queueTimeoutMs ?? queueTimeoutMs) + timeoutMs + MARGIN_MS;
    return Math.ceil(Math.min(limitMs, (this.#call.timeoutMs ?? Number.POSITIVE_INFINITY) + MARGIN_MS));
  }
}

const WORDS = {
  begun: 'begun',
  done: 'replayed',
  inFlight: 'in-flight',
  mismatch: 'mismatch',
  unknown: 'unknown',
} as const;

/** The store has logged it, and owes it: the caller gets its answer all the same. */
const IGNORED = (): void => {};

const unknownEnd = (name: string): GatewayError =>
  new GatewayError(
    'worker-crashed',
    `The gateway ended while the first call of ${name} with this Idempotency-Key was under way: it may have run. Look whether it did; to run it (again), send it with a new key.`,
    { executed: 'unknown', reason: 'gateway-ended', headers: { [REPLAYED_HEADER]: 'true' } },
  );

/** As `invoker.invoke()`, once for that key. */
export const invokeOnce = async (
  { invoker, keys, fn }: { invoker: Pick<Invoker, 'invoke'>; keys: KeyStore; fn: GatewayFunction },
  call: Call,
  key: string,
): Promise<Output> => {
  const operation = new Operation(keys, fn, call, key);
  try {
    const output = await invoker.invoke({ ...call, operation });
    await operation.succeeded(output);
    return output;
  } catch (thrown) {
    const error = toGatewayError(thrown);
    await operation.failed(error);
    throw error;
  }
};
