/**
 * Results that wait for their reader: in memory while they are few, then on disk. A caller that sends all of its batch
 * before it reads anything would else never get an answer, nor come to its end.
 */
import type { Spool } from '../spool.ts';
import { ResultFile, type Written } from './result-file.ts';

export type Kept = { readonly kind: 'memory'; readonly bytes: Buffer } | Written;

const MEMORY_MAX_BYTES = 1_048_576;
/** Room on disk is given back by the file. */
const FILE_MAX_BYTES = 8 * 1_048_576;

export class ResultStore {
  readonly #spool: Spool;
  #memoryBytes = 0;
  /** With results that were not taken yet. */
  readonly #files = new Set<ResultFile>();
  /** The one that is written to. */
  #last: ResultFile | undefined;
  /** Of files that are under way. */
  readonly #removals = new Set<Promise<void>>();
  /** It takes nothing (any more). */
  #noDisk = false;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** What the results that wait take. */
  get bytes(): number {
    let bytes = this.#memoryBytes;
    for (const file of this.#files) bytes += file.size;
    return bytes;
  }

  /** No more should be made until some are taken. */
  isFull(maxBytes: number): boolean {
    return this.#memoryBytes > MEMORY_MAX_BYTES || (this.#files.size > 0 && this.bytes >= maxBytes);
  }

  put(bytes: Buffer): Kept {
    const fits = this.#memoryBytes + bytes.length <= MEMORY_MAX_BYTES;
    const written = fits || this.#noDisk ? undefined : this.#write(bytes);
    if (written !== undefined) return written;
    this.#memoryBytes += bytes.length;
    return { kind: 'memory', bytes };
  }

  /** Once for each; rejects when the disk fails. One at a time. */
  take(kept: Kept): Buffer | Promise<Buffer> {
    if (kept.kind === 'memory') {
      this.#memoryBytes -= kept.bytes.length;
      return kept.bytes;
    }
    const taken = kept.file.take(kept);
    // Also the one that is written to: its room would be taken for good, and nothing more begin.
    if (kept.file.isSpent) this.#remove(kept.file, taken);
    return taken;
  }

  async close(): Promise<void> {
    this.#noDisk = true;
    const files = [...this.#files];
    this.#files.clear();
    await Promise.all([...files.map((file) => file.remove()), ...this.#removals]);
  }

  /** Undefined: where the disk has no room results stay in memory, which those in flight bound: none begins then. */
  #write(bytes: Buffer): Written | undefined {
    try {
      this.#spool.reserve(bytes.length);
    } catch {
      return undefined;
    }
    if (this.#last === undefined || this.#last.size >= FILE_MAX_BYTES) {
      this.#last = new ResultFile(this.#spool, () => (this.#noDisk = true));
      this.#files.add(this.#last);
    }
    return this.#last.put(bytes);
  }

  /** When what was taken last has been read. */
  #remove(file: ResultFile, reading: Buffer | Promise<Buffer>): void {
    this.#files.delete(file);
    if (this.#last === file) this.#last = undefined;
    const remove = (): Promise<void> => file.remove();
    const removed = reading instanceof Promise ? reading.then(remove, remove) : remove();
    this.#removals.add(removed);
    void removed.finally(() => this.#removals.delete(removed));
  }
}
