/** What a pool's PHP must take of uploads, and the folder where it keeps them while a call runs. */
import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Settings } from '../config.ts';
import { diskProblem } from '../disk.ts';
import type { PhpLimits } from './envelope.ts';
import type { UserIds } from './instance-dir.ts';

interface UploadingFunction {
  readonly files: ReadonlyMap<string, { readonly maxBytes: number; readonly maxCount: number }>;
}

/** Of one pool: PHP's ini settings are made from it, or compared with it where PHP is not ours. */
export interface UploadNeeds extends PhpLimits {
  readonly nestingMax: number;
}

/** JSON written anew may grow, and each part of a multipart body has a head. */
const WRITTEN_ANEW = 2;
const PART_HEAD_BYTES = 512;

/** The tightest limits under which nothing is refused that the gateway lets through. Pure. */
export const uploadNeeds = (functions: readonly UploadingFunction[], limits: Settings['limits']): UploadNeeds => {
  const fields = functions.flatMap(({ files }) => [...files.values()]);
  const filesBytes = functions.map(({ files }) =>
    [...files.values()].reduce((sum, { maxBytes, maxCount }) => sum + maxBytes * maxCount, 0),
  );
  const uploadsMax = Math.max(
    0,
    ...functions.map(({ files }) => [...files.values()].reduce((sum, { maxCount }) => sum + maxCount, 0)),
  );
  return {
    postMaxBytes:
      Math.min(limits.uploadMaxBytes, Math.max(0, ...filesBytes)) +
      limits.bodyMaxBytes * WRITTEN_ANEW +
      (uploadsMax + limits.fieldsMax) * PART_HEAD_BYTES,
    uploadMaxBytes: Math.max(0, ...fields.map(({ maxBytes }) => maxBytes)),
    uploadsMax,
    // For handlers, too, whose own parse_str() it limits.
    inputVarsMax: limits.fieldsMax,
    nestingMax: limits.jsonDepth,
  };
};

/** What an attached pool's PHP would refuse, each with its cure. Pure. */
export const uploadProblems = (needs: UploadNeeds, has: PhpLimits): string[] => {
  const lack = (setting: string, hasValue: number, needed: number, why: string): string[] =>
    hasValue >= needed ? [] : [`its php.ini has ${setting} = ${hasValue}, but ${why} up to ${needed}: raise it there`];
  const unlimited = (value: number): number => (value === 0 ? Number.POSITIVE_INFINITY : value);
  return [
    ...lack('post_max_size', unlimited(has.postMaxBytes), needs.postMaxBytes, 'its functions take requests of'),
    ...lack('upload_max_filesize', unlimited(has.uploadMaxBytes), needs.uploadMaxBytes, 'its functions take files of'),
    ...lack('max_file_uploads', has.uploadsMax, needs.uploadsMax, 'its functions take a number of files'),
    ...lack('max_input_vars', has.inputVarsMax, needs.inputVarsMax, 'limits.fieldsMax lets through fields'),
  ];
};

/**
 * PHP removes uploaded files when a call ends, but not when its worker dies. Then what is older than every call under
 * way belongs to none, and is cleared away whenever one ends until all that may be left is that old.
 */
export class UploadDir {
  readonly path: string;
  readonly #user: UserIds | undefined;
  readonly #underWay = new Map<object, number>();
  /** When the last worker died whose files may still be here. */
  #goneAtMs: number | undefined;

  constructor(base: string, pool: string, user: UserIds | undefined) {
    this.path = join(base, `php-${pool}`);
    this.#user = user;
    try {
      this.#make();
    } catch (error) {
      throw diskProblem('spoolDir', `${this.path} cannot be made`, error);
    }
  }

  /** The result is called when the worker is free again, or gone. */
  begin(): (isGone: boolean) => void {
    const call = {};
    // What cleans temporary folders takes those that were not used for days; PHP would put files elsewhere.
    if (!existsSync(this.path)) this.#restore();
    this.#underWay.set(call, Date.now());
    return (isGone) => {
      this.#underWay.delete(call);
      if (isGone) this.#goneAtMs = Date.now();
      // Nothing on the way of calls that end well: PHP has cleared up after them.
      if (this.#goneAtMs !== undefined) this.#tryToClear(this.#goneAtMs);
    };
  }

  #make(): void {
    // Those above it are passed through by PHP's user.
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o711 });
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    if (this.#user !== undefined) chownSync(this.path, this.#user.uid, this.#user.gid);
  }

  #restore(): void {
    try {
      this.#make();
    } catch {
      // PHP tells the call that it cannot keep its files.
    }
  }

  /** On a disk that is read-only by now the files stay, and the next call with files tries again. */
  #tryToClear(goneAtMs: number): void {
    try {
      this.#clear(goneAtMs);
    } catch {
      this.#goneAtMs = goneAtMs;
    }
  }

  #clear(goneAtMs: number): void {
    // A gateway that ends at once takes the folder with it.
    if (!existsSync(this.path)) return;
    // The file system's clock ticks coarsely (4 ms): a file of the oldest call may look older than its call.
    const before = Math.min(Date.now(), ...this.#underWay.values()) - CLOCK_TICK_MS;
    const all = this.#underWay.size === 0;
    for (const name of readdirSync(this.path)) {
      const file = join(this.path, name);
      const bornMs = statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0;
      if (all || bornMs < before) rmSync(file, { force: true });
    }
    if (all || goneAtMs < before) this.#goneAtMs = undefined;
  }
}

const CLOCK_TICK_MS = 20;
