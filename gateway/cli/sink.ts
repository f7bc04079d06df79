/** Where a result goes, at the pace its reader takes it: standard output or a file. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { UsageError, why } from './terminal.ts';

export interface Sink {
  /** Resolves when there is room for more; with false when nobody reads on (`| head`). */
  write(bytes: string | Uint8Array): Promise<boolean>;
  close(): void;
}

export const standardOutput: Sink = {
  write: (bytes) => new Promise((resolve) => process.stdout.write(bytes, (error) => resolve(!error))),
  close: () => {},
};

export const fileSink = (path: string): Sink => {
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw new UsageError(`The result cannot be written: ${why(error)}`);
    }
  };
  const file = attempt(() => openSync(path, 'w'));
  const writeAll = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  };
  return {
    write: async (bytes) => {
      attempt(() => writeAll(Buffer.from(bytes as Uint8Array)));
      return true;
    },
    close: () => closeSync(file),
  };
};

/** The bytes of an answer as they come. Leaving the loop, or the signal, leaves the answer. */
export async function* piecesOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const leave = async (): Promise<void> => await reader.cancel().catch(() => {});
  const onAbort = (): void => void leave();
  signal.addEventListener('abort', onAbort);
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await leave();
  }
}
