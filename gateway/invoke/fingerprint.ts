/** What a call asks for, as 32 bytes: equal where a caller repeats itself, in whatever order it writes its members. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Upload } from '../upload.ts';

/** Of its bytes: they may lie on disk, up to limits.uploadMaxBytes. */
const hashOf = async ({ content }: Upload): Promise<string> => {
  const hash = createHash('sha256');
  if (content.kind === 'memory') hash.update(content.bytes);
  else await pipeline(createReadStream(content.path), hash, { end: false });
  return hash.digest('hex');
};

const write = async (hash: Hash, value: unknown): Promise<void> => {
  if (value instanceof Upload) {
    hash.update(`file${JSON.stringify([value.name, value.mediaType, value.size, await hashOf(value)])}`);
  } else if (holdsUploads(value)) {
    for (const [name, member] of Object.entries(value).sort(byName)) {
      hash.update(`${JSON.stringify(name)}:`);
      await write(hash, member);
    }
  } else hash.update(`${JSON.stringify(value, sorted)};`);
};

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** Members of the input, or in a list there (`fileFields`). */
const holdsUploads = (value: unknown, depth = 0): value is object =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).some((each) => each instanceof Upload || (depth === 0 && holdsUploads(each, 1)));

const sorted = (_name: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(byName))
    : value;

export interface Asked {
  readonly function: string;
  /** What a script sees besides its input: its path and the verb. */
  readonly script: { readonly path: string; readonly method: string } | undefined;
  /**
   * As sent, before the contract's defaults and transforms: those may say something else each time, such as the time of
   * day, or with the next release.
   */
  readonly input: unknown;
}

export const fingerprint = async ({ function: name, script, input }: Asked): Promise<Buffer> => {
  const hash = createHash('sha256').update(JSON.stringify([name, script?.path ?? null, script?.method ?? null]));
  await write(hash, input);
  return hash.digest();
};
