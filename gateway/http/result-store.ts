/**
 * Results that wait for their reader: in memory while they are few, then on disk. A caller that sends all of its batch
 * before it reads anything would else never get an answer, nor come to its end.
 */
import type { FileHandle } from 'node:fs/promises';
import { unlink } from 'node:fs/promises';
import type { Spool } from '../spool.ts';

export interface Kept {
  /** Undefined: on disk. */
  bytes: Buffer | undefined;
  readonly size: number;
  /** In the file; -1: never to be there. */
  readonly offset: number;
}

const MEMORY_MAX_BYTES = 1_048_576;
/** Read at once: those that follow are asked for next. */
const READ_BYTES = 262_144;
/** Written at once. */
const WRITE_MAX_BYTES = 1_048_576;

export class ResultStore {
  readonly #spool: Spool;
  #memoryBytes = 0;
  /** In the file, or on the way there, and not taken yet. */
  #diskBytes = 0;
  /** Where the next result goes. */
  #end = 0;
  /** Up to there the file says what it should: behind it may lie what was there before. */
  #writtenEnd = 0;
  #reservedBytes = 0;
  #queue: Kept[] = [];
  #writing: Promise<void> | undefined;
  #file: { readonly path: string; readonly handle: FileHandle } | undefined;
  #ahead: { readonly offset: number; readonly bytes: Buffer } | undefined;
  /** It takes nothing (any more). */
  #noDisk = false;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** Of all that wait. */
  get bytes(): number {
    return this.#memoryBytes + this.#diskBytes;
  }

  /** No more should be made until some are taken. */
  isFull(maxBytes: number): boolean {
    return this.bytes >= maxBytes || this.#memoryBytes > MEMORY_MAX_BYTES;
  }

  put(bytes: Buffer): Kept {
    const size = bytes.length;
    if (this.#memoryBytes + size <= MEMORY_MAX_BYTES || this.#noDisk || !this.#reserve(size)) {
      this.#memoryBytes += size;
      return { bytes, size, offset: -1 };
    }
    const kept: Kept = { bytes, size, offset: this.#end };
    this.#end += size;
    this.#diskBytes += size;
    this.#queue.push(kept);
    this.#writing ??= this.#write();
    return kept;
  }

  /** Once for each; rejects when the disk fails. One at a time. */
  take(kept: Kept): Buffer | Promise<Buffer> {
    const { bytes, size, offset } = kept;
    if (offset === -1) this.#memoryBytes -= size;
    if (bytes === undefined) return this.#read(kept);
    if (offset !== -1) this.#left(size);
    return bytes;
  }

  async close(): Promise<void> {
    this.#noDisk = true;
    this.#queue = [];
    await this.#writing;
    await this.#file?.handle.close().catch(() => {});
    if (this.#file !== undefined) await unlink(this.#file.path).catch(() => {});
    this.#spool.release(0, this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  /** Where the disk has no room results stay in memory, which those in flight bound: none begins then. */
  #reserve(bytes: number): boolean {
    try {
      this.#spool.reserve(bytes);
      this.#reservedBytes += bytes;
      return true;
    } catch {
      return false;
    }
  }

  #left(size: number): void {
    this.#diskBytes -= size;
    this.#startAnew();
  }

  /** Where nothing of the file is needed any more, its space is used again. */
  #startAnew(): void {
    if (this.#diskBytes > 0 || this.#writing !== undefined) return;
    this.#end = 0;
    this.#writtenEnd = 0;
    this.#ahead = undefined;
    this.#spool.release(0, this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  async #write(): Promise<void> {
    try {
      this.#file ??= await this.#spool.open();
      while (this.#queue.length > 0) {
        let count = 0;
        for (let bytes = 0; bytes < WRITE_MAX_BYTES && count < this.#queue.length; count += 1)
          bytes += this.#queue[count]?.size ?? 0;
        const batch = this.#queue.splice(0, count);
        const bytes = Buffer.concat(batch.flatMap((kept) => kept.bytes ?? []));
        await writeAll(this.#file.handle, bytes, this.#writtenEnd);
        this.#writtenEnd += bytes.length;
        for (const kept of batch) kept.bytes = undefined;
      }
    } catch {
      // What could not be written stays in memory, and so does what follows: no result is lost.
      this.#noDisk = true;
      this.#queue = [];
    } finally {
      this.#writing = undefined;
      this.#startAnew();
    }
  }

  #read({ offset, size }: Kept): Buffer | Promise<Buffer> {
    const ahead = this.#ahead;
    if (ahead === undefined || offset < ahead.offset || offset + size > ahead.offset + ahead.bytes.length)
      return this.#readAhead(offset, size);
    this.#left(size);
    return ahead.bytes.subarray(offset - ahead.offset, offset - ahead.offset + size);
  }

  async #readAhead(offset: number, size: number): Promise<Buffer> {
    const handle = this.#file?.handle;
    if (handle === undefined) throw new Error('a result is said to be on disk, and there is no file');
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(size, READ_BYTES), this.#writtenEnd - offset));
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead === 0) throw new Error(`${bytes.length} bytes of results could not be read again: ${done} came`);
      done += bytesRead;
    }
    this.#ahead = { offset, bytes };
    this.#left(size);
    return bytes.subarray(0, size);
  }
}

const writeAll = async (handle: FileHandle, bytes: Buffer, offset: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
};
