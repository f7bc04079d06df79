/** The end of a call as its caller set it: a time, a signal, or none. One abort signal for everything below. */
import { type CallError, clientError } from './call-error.ts';

/**
 * The gateway hears the time left and says itself when it is over, which tells more: what was done, and whether the
 * function ran. The client's own limit is for a gateway that says nothing.
 */
const BEHIND_MS = 500;

export interface DeadlineOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Deadline {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number | undefined;
  readonly #startedMs = performance.now();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onAbort = (): void => this.#end('aborted');
  #ended: 'aborted' | 'client-timeout' | undefined;

  constructor({ timeoutMs, signal }: DeadlineOptions) {
    this.#timeoutMs = timeoutMs;
    this.#outer = signal;
    if (signal?.aborted) this.#end('aborted');
    else {
      signal?.addEventListener('abort', this.#onAbort, { once: true });
      if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#end('client-timeout'), timeoutMs + BEHIND_MS);
    }
  }

  /** Aborts when the time is up or the caller is gone. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** For the gateway and for retries: at least 0; undefined: no limit. */
  remainingMs(): number | undefined {
    if (this.#timeoutMs === undefined) return undefined;
    return Math.max(0, Math.floor(this.#startedMs + this.#timeoutMs - performance.now()));
  }

  /** The caller leaves: a loop was left, or nobody waits for the answer any more. */
  cancel(): void {
    this.#end('aborted');
  }

  /** What the end means for a call, if it has come; `sent`: something may have run. */
  failure(functionName: string, sent: boolean): CallError | undefined {
    if (this.#ended === undefined) return undefined;
    const executed = sent ? 'unknown' : 'no';
    if (this.#ended === 'client-timeout') {
      const message = `No answer within ${this.#timeoutMs} ms, and ${BEHIND_MS} ms more for the gateway to say so.`;
      return clientError('client-timeout', functionName, message, { executed });
    }
    const cause: unknown = this.#outer?.reason;
    return clientError('aborted', functionName, 'The call was aborted by its caller.', { executed, cause });
  }

  /** To be called when the call is over: a timer holds the process, a listener the signal. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onAbort);
  }

  #end(why: 'aborted' | 'client-timeout'): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.dispose();
    this.#controller.abort();
  }
}
