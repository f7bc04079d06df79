/**
 * Calls of one tick as one batch: those made in one go, and those made by what was waiting for the same thing. Each
 * keeps its own limit, signal and trace; what one of them meets, the others do not notice.
 */
import { runBatch } from './batch-exchange.ts';
import type { BatchLine, ItemEnd } from './batch-wire.ts';
import { type CallError, isCallError } from './call-error.ts';
import { Deadline } from './deadline.ts';
import type { BatchingOptions } from './options.ts';
import type { Wire } from './request.ts';
import { type Answer, type Attempt, callAlone } from './whole.ts';

/** One call on its way: settled once, by its result or by its own end, whichever is first. */
class WaitingCall {
  readonly attempt: Attempt;
  readonly #inputText: string;
  readonly answer: Promise<Answer>;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onAbort = (): void => this.#leave();
  /** Told when its caller is gone. */
  onLeave: (() => void) | undefined;
  #isOpen = true;
  #isSent = false;

  constructor(attempt: Attempt, inputText: string) {
    this.attempt = attempt;
    this.#inputText = inputText;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    if (attempt.deadline.signal.aborted) this.#leave();
    else attempt.deadline.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** From here on it may run. */
  line(): BatchLine {
    const { name, traceparent, idempotencyKey, deadline } = this.attempt;
    this.#isSent = true;
    const remainingMs = deadline.remainingMs();
    const timeoutMs = remainingMs === undefined ? undefined : Math.max(1, remainingMs);
    return { name, inputText: this.#inputText, timeoutMs, traceparent, idempotencyKey };
  }

  /** In a request of its own, because nothing else came in its tick. */
  async sendAlone(wire: Wire): Promise<void> {
    this.#isSent = true;
    try {
      this.#succeed(await callAlone(wire, this.attempt));
    } catch (error) {
      this.fail(error);
    }
  }

  end(end: ItemEnd): void {
    if (end.ok) this.#succeed({ output: end.output, traceId: end.traceId, requestId: undefined });
    else this.fail(end.error);
  }

  fail(error: unknown): void {
    if (this.#close()) this.#reject(error);
  }

  #succeed(answer: Answer): void {
    if (this.#close()) this.#resolve(answer);
  }

  #close(): boolean {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.attempt.deadline.signal.removeEventListener('abort', this.#onAbort);
    return wasOpen;
  }

  #leave(): void {
    const error: CallError | undefined = this.attempt.deadline.failure(this.attempt.name, this.#isSent);
    if (error !== undefined) this.fail(error);
    this.onLeave?.();
  }
}

export class Batcher {
  readonly #wire: Wire;
  readonly #limits: Required<BatchingOptions>;
  #waiting: WaitingCall[] = [];
  #characters = 0;

  constructor(wire: Wire, limits: Required<BatchingOptions>) {
    this.#wire = wire;
    this.#limits = limits;
  }

  /** Files go alone, and what is too long for a batch. */
  async call(attempt: Attempt): Promise<Answer> {
    const { body } = attempt;
    const { maxItems, maxCharacters } = this.#limits;
    if (body.kind !== 'json' || body.text.length > maxCharacters) return await callAlone(this.#wire, attempt);
    if (this.#characters + body.text.length > maxCharacters) this.#flush();
    const call = new WaitingCall(attempt, body.text);
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push(call);
    this.#characters += body.text.length;
    if (this.#waiting.length >= maxItems) this.#flush();
    return await call.answer;
  }

  #flush(): void {
    const calls = this.#waiting.filter(({ isOpen }) => isOpen);
    this.#waiting = [];
    this.#characters = 0;
    const [first] = calls;
    if (first === undefined) return;
    void (calls.length > 1 ? this.#send(calls) : first.sendAlone(this.#wire));
  }

  async #send(calls: readonly WaitingCall[]): Promise<void> {
    // The limits are those of its calls; it ends early when nobody waits for any of them.
    const deadline = new Deadline({});
    const lines = calls.map((call) => call.line());
    const onEnd = (index: number, end: ItemEnd): void => calls[index]?.end(end);
    for (const call of calls) {
      call.onLeave = () => {
        if (!calls.some(({ isOpen }) => isOpen)) deadline.cancel();
      };
    }
    try {
      await runBatch(this.#wire, { lines, query: '', traceparent: undefined, deadline, onEnd });
    } catch (error) {
      for (const call of calls) call.fail(isCallError(error) ? error.with({}, call.attempt.name) : error);
    }
  }
}
