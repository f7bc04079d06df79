/** One file of results: written in order, in large pieces, read in any order. */
import type { FileHandle } from 'node:fs/promises';
import { unlink } from 'node:fs/promises';
import type { Spool } from '../spool.ts';

export interface Written {
  readonly kind: 'file';
  readonly file: ResultFile;
  /** Undefined: only the file has them. */
  bytes: Buffer | undefined;
  readonly size: number;
  readonly offset: number;
}

/** Read at once: those that follow are asked for next. */
const READ_BYTES = 65_536;
const WRITE_MAX_BYTES = 1_048_576;

export class ResultFile {
  readonly #spool: Spool;
  readonly #onFailure: () => void;
  #size = 0;
  #writtenBytes = 0;
  /** Of results that were not taken. */
  #waiting = 0;
  #queue: Written[] = [];
  #writing: Promise<void> | undefined;
  #open: { readonly path: string; readonly handle: FileHandle } | undefined;
  #ahead: { readonly offset: number; readonly bytes: Buffer } | undefined;
  #removed = false;

  /** Its room is reserved, and released by `remove()`. `onFailure`: what follows should not be put here. */
  constructor(spool: Spool, onFailure: () => void) {
    this.#spool = spool;
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#size;
  }

  /** All that was put here has been taken. */
  get isSpent(): boolean {
    return this.#waiting === 0;
  }

  put(bytes: Buffer): Written {
    const written: Written = { kind: 'file', file: this, bytes, size: bytes.length, offset: this.#size };
    this.#size += bytes.length;
    this.#waiting += 1;
    this.#queue.push(written);
    this.#writing ??= this.#write();
    return written;
  }

  take({ bytes, offset, size }: Written): Buffer | Promise<Buffer> {
    this.#waiting -= 1;
    if (bytes !== undefined) return bytes;
    const ahead = this.#ahead;
    if (ahead === undefined || offset < ahead.offset || offset + size > ahead.offset + ahead.bytes.length)
      return this.#read(offset, size);
    return ahead.bytes.subarray(offset - ahead.offset, offset - ahead.offset + size);
  }

  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    this.#queue = [];
    // A descriptor closed under a write may be another file's by the time the kernel sees the write.
    await this.#writing;
    await this.#open?.handle.close().catch(() => {});
    if (this.#open !== undefined) await unlink(this.#open.path).catch(() => {});
    this.#spool.release(0, this.#size);
  }

  async #write(): Promise<void> {
    try {
      this.#open ??= await this.#spool.open();
      while (this.#queue.length > 0) {
        let count = 0;
        for (let bytes = 0; bytes < WRITE_MAX_BYTES && count < this.#queue.length; count += 1)
          bytes += this.#queue[count]?.size ?? 0;
        const batch = this.#queue.splice(0, count);
        const bytes = Buffer.concat(batch.flatMap((written) => written.bytes ?? []));
        await writeAll(this.#open.handle, bytes, this.#writtenBytes);
        this.#writtenBytes += bytes.length;
        for (const written of batch) written.bytes = undefined;
      }
    } catch {
      // What could not be written stays in memory: no result is lost.
      this.#queue = [];
      this.#onFailure();
    } finally {
      this.#writing = undefined;
    }
  }

  async #read(offset: number, size: number): Promise<Buffer> {
    const handle = this.#open?.handle;
    if (handle === undefined) throw new Error('a result is said to be on disk, and there is no file');
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(size, READ_BYTES), this.#writtenBytes - offset));
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead === 0) throw new Error(`${bytes.length} bytes of results could not be read again: ${done} came`);
      done += bytesRead;
    }
    this.#ahead = { offset, bytes };
    return bytes.subarray(0, size);
  }
}

const writeAll = async (handle: FileHandle, bytes: Buffer, offset: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
};
