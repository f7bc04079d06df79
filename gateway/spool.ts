/**
 * Where files of requests wait until PHP has read them: in memory while small, on disk past a limit, and never more on
 * disk than the limit for all. A fast sender waits for the disk: about QUEUE_MAX_BYTES of a file lie in between.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFull } from './disk.ts';
import { GatewayError } from './errors.ts';
import { Pieces } from './pieces.ts';
import type { UploadContent } from './upload.ts';

/** Enough for the disk to be busy while the next pieces arrive. */
const QUEUE_MAX_BYTES = 1_048_576;
/** Small files stay in memory while they have this together; more go to disk, however small. */
const MEMORY_MAX_BYTES = 64 * 1_048_576;
/** Files are gone when their calls are over: seconds, not minutes. */
const RETRY_AFTER_MS = 5000;

export interface SpoolLimits {
  /** A file larger than this goes to disk. */
  readonly afterBytes: number;
  /** Of all files on disk. */
  readonly maxBytes: number;
}

const noRoom = (maxBytes: number): GatewayError =>
  new GatewayError('overloaded', `There is no room for another file: those that wait may have ${maxBytes} bytes.`, {
    retryAfterMs: RETRY_AFTER_MS,
    privateDetail: 'limits.spoolMaxBytes is reached',
  });

const diskFailed = (cause: unknown): GatewayError => {
  if (cause instanceof GatewayError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  const options = { retryAfterMs: RETRY_AFTER_MS, privateDetail: `spoolDir: ${said}`, cause };
  const detail = 'The file could not be kept until its call';
  return isDiskFull(cause)
    ? new GatewayError('storage-full', `${detail}: the disk is full.`, options)
    : new GatewayError('store-unavailable', `${detail}.`, options);
};

export class Spool {
  /** Made when the first file needs it. */
  readonly dir: string;
  readonly limits: SpoolLimits;
  #memoryBytes = 0;
  #usedBytes = 0;
  #closed = false;

  constructor(dir: string, limits: SpoolLimits) {
    this.dir = dir;
    this.limits = limits;
  }

  /** On disk, or about to be. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A new file, empty. */
  file(): SpoolFile {
    return new SpoolFile(this);
  }

  /** Takes room in memory, if a file of this size may have it. */
  keep(bytes: number, size: number): boolean {
    const fits = size <= this.limits.afterBytes && this.#memoryBytes + bytes <= MEMORY_MAX_BYTES;
    if (fits) this.#memoryBytes += bytes;
    return fits;
  }

  /** Takes room on disk; throws `overloaded` where there is none. */
  reserve(bytes: number): void {
    if (this.#usedBytes + bytes > this.limits.maxBytes) throw noRoom(this.limits.maxBytes);
    this.#usedBytes += bytes;
  }

  release(memoryBytes: number, diskBytes: number): void {
    this.#memoryBytes -= memoryBytes;
    this.#usedBytes -= diskBytes;
  }

  async open(): Promise<{ path: string; handle: FileHandle }> {
    if (this.#closed) throw new GatewayError('shutting-down', 'The gateway is stopping.');
    // Each time: what cleans temporary folders takes those that were not used for days.
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    const path = join(this.dir, randomBytes(16).toString('hex'));
    return { path, handle: await open(path, 'wx+', 0o600) };
  }

  /** Refuses new files on disk and removes those that are left. */
  async close(): Promise<void> {
    this.#closed = true;
    // A disk that is read-only by now keeps it: whoever removes what is around it tells.
    await rm(this.dir, { recursive: true, force: true }).catch(() => {});
  }
}

/** One file on its way in. It keeps its place until it is discarded. */
export class SpoolFile {
  readonly #spool: Spool;
  /** Not on disk, or not yet. */
  readonly #queue = new Pieces();
  #size = 0;
  #keptBytes = 0;
  #reservedBytes = 0;
  #disk: { readonly path: string; readonly handle: FileHandle } | undefined;
  /** Until the queue is empty; stays when that fails. */
  #writing: Promise<void> | undefined;
  /** Until what was taken from the queue last is written. */
  #batch: Promise<void> | undefined;
  #discarded = false;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** A promise where the writer should wait; throws or rejects with `overloaded`, `storage-full` or `store-unavailable`. */
  write(chunk: Buffer): Promise<void> | undefined {
    // A caller that is slow to stop must not take its place again.
    if (this.#discarded) return undefined;
    this.#size += chunk.length;
    this.#queue.add(chunk);
    if (this.#reservedBytes === 0 && this.#spool.keep(chunk.length, this.#size)) {
      this.#keptBytes = this.#size;
      return undefined;
    }
    this.#spool.reserve(this.#size - this.#reservedBytes);
    this.#reservedBytes = this.#size;
    this.#spool.release(this.#keptBytes, 0);
    this.#keptBytes = 0;
    if (this.#writing === undefined) {
      this.#writing = this.#writeQueue();
      // Whoever writes or ends next is told; until then nobody listens.
      this.#writing.catch(() => {});
    }
    return this.#queue.size > QUEUE_MAX_BYTES ? (this.#batch ?? this.#writing) : undefined;
  }

  /** All of it, there until `discard`. */
  async end(): Promise<UploadContent> {
    await this.#writing;
    if (this.#disk === undefined) return { kind: 'memory', bytes: this.#queue.join() };
    await this.#disk.handle.close();
    return { kind: 'disk', path: this.#disk.path };
  }

  /** Gives its place back, at any time and any number of times. */
  async discard(): Promise<void> {
    if (this.#discarded) return;
    this.#discarded = true;
    this.#queue.take();
    // A descriptor closed under a write may be another file's by the time the kernel sees the write.
    await this.#writing?.catch(() => {});
    await this.#disk?.handle.close().catch(() => {});
    if (this.#disk !== undefined) await unlink(this.#disk.path).catch(() => {});
    this.#spool.release(this.#keptBytes, this.#reservedBytes);
  }

  async #writeQueue(): Promise<void> {
    try {
      this.#disk ??= await this.#spool.open();
      while (this.#queue.size > 0) {
        this.#batch = writeAll(this.#disk.handle, this.#queue.take());
        await this.#batch;
      }
      this.#writing = undefined;
    } catch (error) {
      throw diskFailed(error);
    }
  }
}

/** One system call for many pieces: one for each made an upload three times as slow. */
const writeAll = async (handle: FileHandle, pieces: readonly Buffer[]): Promise<void> => {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  try {
    const { bytesWritten } = await handle.writev(pieces);
    // A disk that is nearly full takes a part, and says why on the next try.
    if (bytesWritten < bytes) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
  } catch (error) {
    // Here, not where all writing ends: writers wait for this piece alone.
    throw diskFailed(error);
  }
};
