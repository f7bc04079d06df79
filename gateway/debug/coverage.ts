/** What PHP processes have recorded of lines (php/Debug/Coverage.php), summed into one report whenever there is more. */
import { createHash } from 'node:crypto';
import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Lines, renderClover } from './clover.ts';
import { ownPath } from './copies.ts';

export interface CoverageOptions {
  /** The project's folder. */
  readonly project: string;
  /** Of the report, Clover XML. */
  readonly file: string;
  readonly onFailed: (error: unknown) => void;
}

const recorded = z.record(z.string(), z.object({ hash: z.string(), lines: z.record(z.string(), z.int().min(0)) }));

/** A call on each of several pools ends at about the same time. */
const SETTLE_MS = 100;
const NOT_OURS = /\/(?:vendor|node_modules)\//;

export class CoverageReport {
  readonly #options: CoverageOptions;
  readonly #folders = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CoverageOptions) {
    this.#options = options;
  }

  /** Where the processes of one pool write. Idempotent. */
  watch(folder: string): void {
    if (this.#folders.has(folder)) return;
    const watcher = watch(folder, () => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.write();
      }, SETTLE_MS);
    });
    this.#folders.set(folder, watcher);
  }

  /** The last report is written. */
  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#folders.values()) watcher.close();
    this.write();
  }

  write(): void {
    const { file, onFailed } = this.#options;
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, renderClover(this.#sum(), Math.round(Date.now() / 1000)));
    } catch (error) {
      onFailed(error);
    }
  }

  #sum(): ReadonlyMap<string, Lines> {
    const { project } = this.#options;
    const sum = new Map<string, Map<number, number>>();
    const hashes = new Map<string, string>();
    for (const recordedFiles of this.#recorded()) {
      for (const [path, { hash, lines }] of Object.entries(recordedFiles)) {
        const own = ownPath(path, project);
        if (!own.startsWith(`${project}/`) || NOT_OURS.test(own)) continue;
        // Lines of a file as it was before its last change would be shown at the wrong places.
        if (!hashes.has(own)) hashes.set(own, hashOf(own));
        if (hashes.get(own) !== hash) continue;
        const total = sum.get(own) ?? new Map<number, number>();
        sum.set(own, total);
        for (const [line, calls] of Object.entries(lines))
          total.set(Number(line), (total.get(Number(line)) ?? 0) + calls);
      }
    }
    return sum;
  }

  *#recorded(): Iterable<z.output<typeof recorded>> {
    for (const folder of this.#folders.keys()) {
      for (const name of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
        const parsed = recorded.safeParse(JSON.parse(readFileSync(join(folder, name), 'utf8')));
        if (parsed.success) yield parsed.data;
      }
    }
  }
}

const hashOf = (file: string): string => {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return '';
  }
};
