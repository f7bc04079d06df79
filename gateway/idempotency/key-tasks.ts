/**
 * Tasks on the file of keys, as many at once as have come: one transaction, and one sync to disk, for all of them. What
 * ran is never lost sight of: an end that cannot be written is owed until it can.
 */
import { failureOf, KeyFileError } from './failure.ts';
import type { KeyAnswer, KeyFile } from './key-file.ts';
import type { KeyResult, KeyTask } from './messages.ts';

type End = Extract<KeyTask, { task: 'finish' | 'abandon' }> | { readonly task: 'forget'; readonly id: Uint8Array };

/** For a file that others open, too. */
const OPEN_MS = 500;
const PAUSE_MS = 10;

/** Of answers that are owed; then the file is told later that nobody knows how those ended. */
const OWED_MAX_BYTES = 16 * 1_048_576;

const done = (answer?: KeyAnswer, isSwept = true): KeyResult => ({ kind: 'ok', answer, isSwept });

const nameOf = (id: Uint8Array): string => Buffer.from(id.buffer, id.byteOffset, id.length).toString('base64');

const isEnd = (task: KeyTask): task is Extract<KeyTask, { task: 'finish' | 'abandon' }> =>
  task.task === 'finish' || task.task === 'abandon';

export class KeyTasks {
  readonly #open: () => KeyFile;
  readonly #path: string;
  #file: KeyFile | undefined;
  readonly #owed = new Map<string, End>();
  #owedBytes = 0;

  /** `open` throws what `failureOf` understands; it is tried again with each group. */
  constructor(path: string, open: () => KeyFile) {
    this.#path = path;
    this.#open = open;
  }

  /** Ends that could not be written yet. */
  get owes(): boolean {
    return this.#owed.size > 0;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** A result for each, in order. Never throws. */
  run(tasks: readonly KeyTask[]): KeyResult[] {
    let results: KeyResult[];
    try {
      const file = this.#opened();
      file.assertInPlace();
      results = this.#together(file, tasks);
    } catch (error) {
      const failure = failureOf(error, this.#path);
      results = tasks.map(() => ({ kind: 'failed', failure }));
    }
    for (const [at, task] of tasks.entries()) {
      const failed = results[at]?.kind === 'failed';
      if (failed && isEnd(task)) this.#owe(task);
      // What was owed is written with it. Once more later it would end what has begun by then.
      else if (!failed && task.task === 'begin') this.#paid(task.id);
    }
    return results;
  }

  /** Writes what is owed, where that is possible now. */
  settle(): void {
    const file = this.#file;
    if (file === undefined) return;
    for (const end of [...this.#owed.values()]) {
      try {
        this.#alone(file, end);
        this.#paid(end.id);
      } catch {
        return;
      }
    }
    file.renewReserve();
  }

  close(): void {
    this.settle();
    try {
      this.#file?.close();
    } catch {
      // Its keys are in flight until this process has ended, and unknown then.
    }
    this.#file = undefined;
  }

  #opened(): KeyFile {
    this.#file ??= this.#openAmongOthers();
    return this.#file;
  }

  /** Where two gateways make one file at once, SQLite tells one of them so without waiting. */
  #openAmongOthers(): KeyFile {
    const endMs = performance.now() + OPEN_MS;
    for (;;) {
      try {
        return this.#open();
      } catch (error) {
        if (failureOf(error, this.#path).kind !== 'busy' || performance.now() > endMs) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      }
    }
  }

  #together(file: KeyFile, tasks: readonly KeyTask[]): KeyResult[] {
    try {
      return file.transaction(() => tasks.map((task) => this.#do(file, task)));
    } catch (error) {
      const failure = failureOf(error, this.#path);
      // One that needs too much room must not fail the others; and those that end may use the reserve.
      if (failure.kind !== 'full') throw error;
      return tasks.map((task) => {
        try {
          return this.#alone(file, task);
        } catch (alone) {
          return { kind: 'failed', failure: failureOf(alone, this.#path) };
        }
      });
    }
  }

  #alone(file: KeyFile, task: KeyTask | End): KeyResult {
    const run = (): KeyResult => file.transaction(() => this.#do(file, task));
    try {
      return run();
    } catch (error) {
      if (failureOf(error, this.#path).kind !== 'full' || task.task === 'begin' || !file.useReserve()) throw error;
      return run();
    }
  }

  #do(file: KeyFile, task: KeyTask | End): KeyResult {
    switch (task.task) {
      case 'begin':
        return this.#begin(file, task);
      case 'finish':
        file.finish(task.id, task.answer);
        return done();
      case 'abandon':
        file.abandon(task.id);
        return done();
      case 'forget':
        file.forget(task.id);
        return done();
      case 'sweep':
        return done(undefined, file.sweep());
      case 'open':
      case 'close':
        return done();
    }
  }

  #begin(file: KeyFile, task: Extract<KeyTask, { task: 'begin' }>): KeyResult {
    const owed = this.#owed.get(nameOf(task.id));
    if (owed !== undefined) this.#do(file, owed);
    try {
      return done(file.begin(task));
    } catch (error) {
      // A limit of ours is no reason to undo what others do.
      if (error instanceof KeyFileError) return { kind: 'failed', failure: error.failure };
      throw error;
    }
  }

  #owe(end: Extract<KeyTask, { task: 'finish' | 'abandon' }>): void {
    const bytes = end.task === 'finish' ? end.answer.length : 0;
    const fits = this.#owedBytes + bytes <= OWED_MAX_BYTES;
    if (fits) this.#owedBytes += bytes;
    this.#owed.set(nameOf(end.id), fits ? end : { task: 'forget', id: end.id });
  }

  #paid(id: Uint8Array): void {
    const end = this.#owed.get(nameOf(id));
    this.#owed.delete(nameOf(id));
    if (end?.task === 'finish') this.#owedBytes -= end.answer.length;
  }
}
