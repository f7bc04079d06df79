/** Keys in a file of this machine, written by a thread that is started for the first of them. */
import { createHash, randomUUID } from 'node:crypto';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GatewayError } from '../errors.ts';
import type { Log } from '../log.ts';
import { LATE, within } from '../within.ts';
import type { KeyFailure } from './failure.ts';
import type { KeyReply, KeyRequest, KeyResult, KeyTask, ThreadOptions } from './messages.ts';
import { ownerName } from './owner.ts';
import type { BeginOptions, Begun, KeyedOperation, KeyStore } from './store.ts';

export interface SqliteStoreOptions extends Omit<ThreadOptions, 'owner'> {
  readonly log: Log;
}

/** A disk that answers no more must not keep calls: their answers go out, and new ones are told, ms. */
const ANSWER_MS = 5000;
/** While its thread starts: 100 ms, or seconds on a machine that is busy. */
const START_MS = 30_000;
/** The same trouble is told this often at most, ms. */
const TOLD_EVERY_MS = 60_000;

const RETRY_AFTER_MS: Readonly<Record<KeyFailure['kind'], number>> = { busy: 1000, full: 10_000, broken: 10_000 };

/** What the file knows a key by: neither names nor keys of callers are in it. */
const idOf = ({ scope, key }: KeyedOperation): Buffer => createHash('sha256').update(`${scope}\0${key}`).digest();

export class SqliteStore implements KeyStore {
  readonly #options: SqliteStoreOptions;
  readonly #owner = ownerName(randomUUID());
  #worker: Worker | undefined;
  /** It has answered. */
  #isUp = false;
  readonly #waiting = new Map<number, Asked>();
  #number = 0;
  #closing: Promise<void> | undefined;
  #told = { cause: '', ms: 0 };

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    await this.#ask({ task: 'open' });
  }

  async begin(operation: KeyedOperation, { mayRunAgain, timeoutMs }: BeginOptions): Promise<Begun> {
    const { fingerprint } = operation;
    const id = idOf(operation);
    const asked = this.#send({ task: 'begin', id, fingerprint, mayRunAgain, timeoutMs });
    const result = await within(asked, this.#answerMs);
    if (result !== LATE) return this.#answerOf(result) ?? { kind: 'unknown' };
    // Nobody will run it.
    void asked.then((late) => {
      if (late.kind === 'ok' && late.answer?.kind === 'begun') void this.#send({ task: 'abandon', id });
    });
    throw this.#failed(slow(this.#options.path));
  }

  async finish(operation: KeyedOperation, answer: Uint8Array): Promise<void> {
    await this.#ask({ task: 'finish', id: idOf(operation), answer });
  }

  async abandon(operation: KeyedOperation): Promise<void> {
    await this.#ask({ task: 'abandon', id: idOf(operation) });
  }

  async sweep(): Promise<boolean> {
    const result = await this.#send({ task: 'sweep' });
    this.#answerOf(result);
    return result.kind === 'ok' && result.isSwept;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    await within(this.#send({ task: 'close' }), ANSWER_MS);
    this.#worker = undefined;
    await worker.terminate();
  }

  get #answerMs(): number {
    return this.#isUp ? ANSWER_MS : START_MS;
  }

  async #ask(task: KeyTask): Promise<void> {
    const result = await within(this.#send(task), this.#answerMs);
    if (result === LATE) throw this.#failed(slow(this.#options.path));
    this.#answerOf(result);
  }

  /** Throws what callers are told. */
  #answerOf(result: KeyResult): Begun | undefined {
    if (result.kind === 'ok') return result.answer;
    throw this.#failed(result.failure);
  }

  #failed({ kind, detail, cause }: KeyFailure): GatewayError {
    const ms = performance.now();
    if (cause !== this.#told.cause || ms - this.#told.ms > TOLD_EVERY_MS) {
      this.#told = { cause, ms };
      this.#options.log.error({ path: this.#options.path, cause }, 'idempotency keys cannot be kept');
    }
    const retryAfterMs = RETRY_AFTER_MS[kind];
    return new GatewayError(kind === 'full' ? 'storage-full' : 'store-unavailable', detail, {
      retryAfterMs,
      privateDetail: cause,
    });
  }

  /** Never rejects. */
  #send(task: KeyTask): Promise<KeyResult> {
    return new Promise((resolve) => {
      if (this.#closing !== undefined && task.task !== 'close') {
        resolve({ kind: 'failed', failure: ended(this.#options.path, 'the gateway is stopping') });
        return;
      }
      const worker = this.#running();
      const request: KeyRequest = { number: this.#number, task };
      this.#waiting.set(this.#number, { task, resolve, isRepeated: false });
      this.#number += 1;
      // A thread that has nothing to do keeps no process.
      worker.ref();
      worker.postMessage(request);
    });
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { path, ttlMs, keysMax, maxBytes } = this.#options;
    const workerData: ThreadOptions = { path, ttlMs, keysMax, maxBytes, owner: this.#owner };
    // The same file, built or not. Node 22 warns of its SQLite.
    const file = new URL(`./sqlite-thread${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(file, { workerData, execArgv: ['--disable-warning=ExperimentalWarning'] });
    worker.unref();
    worker.on('message', (replies: readonly KeyReply[]) => this.#take(replies));
    let why = 'it ended';
    worker.on('error', (error) => (why = error instanceof Error ? error.message : String(error)));
    worker.on('exit', () => this.#lost(worker, why));
    this.#worker = worker;
    return worker;
  }

  #take(replies: readonly KeyReply[]): void {
    this.#isUp = true;
    for (const { number, result } of replies) {
      this.#waiting.get(number)?.resolve(result);
      this.#waiting.delete(number);
    }
    if (this.#waiting.size === 0) this.#worker?.unref();
  }

  /** The next task starts another one. */
  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#isUp = false;
    for (const [number, asked] of [...this.#waiting]) {
      // How a call ended is known nowhere else. Written twice it is the same.
      if (isEnd(asked.task) && !asked.isRepeated && this.#closing === undefined) {
        this.#waiting.set(number, { ...asked, isRepeated: true });
        this.#running().postMessage({ number, task: asked.task } satisfies KeyRequest);
      } else {
        this.#waiting.delete(number);
        asked.resolve({ kind: 'failed', failure: ended(this.#options.path, why) });
      }
    }
  }
}

interface Asked {
  readonly task: KeyTask;
  readonly resolve: (result: KeyResult) => void;
  /** It was lost with a thread once. */
  readonly isRepeated: boolean;
}

const isEnd = ({ task }: KeyTask): boolean => task === 'finish' || task === 'abandon';

const DETAIL = 'The store of Idempotency-Keys does not answer.';

const slow = (path: string): KeyFailure => ({
  kind: 'busy',
  detail: DETAIL,
  cause: `${path} was not written within ${ANSWER_MS} ms: see to its disk.`,
});

const ended = (path: string, why: string): KeyFailure => ({
  kind: 'busy',
  detail: DETAIL,
  cause: `The thread that writes ${path} has ended: ${why}.`,
});
