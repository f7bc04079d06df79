/** Loads every handler file in its pool before the first call: a syntax error is found at start, with its line. */
import { randomUUID } from 'node:crypto';
import { collect, type ResponseLimits } from '../fastcgi/index.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { decodeEnvelope, type Envelope } from './envelope.ts';
import type { Pool } from './pool.ts';
import { checkParams, codeFiles, type FunctionCode, type PhpPaths } from './runtime.ts';
import { Workload } from './workload.ts';

const CHECK_TIMEOUT_MS = 10_000;
const CHECK_LIMITS: ResponseLimits = { headMaxBytes: 16_384, bodyMaxBytes: 262_144, stderrMaxBytes: 16_384 };
const NOTHING = Buffer.alloc(0);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface CheckedFile {
  readonly kind: 'handler' | 'script';
  readonly file: string;
}

/** The class a handler takes as its input, where it takes no array; or what is wrong with the file. */
type Verdict =
  | { readonly inputClass: string | undefined }
  | { readonly problem: Omit<StartupProblem, 'file'> & { file?: string } };

const verdictOf = (envelope: Envelope, stderr: string, { root, runtime }: PhpPaths): Verdict => {
  if (envelope.kind === 'none') {
    const said = (stderr || envelope.stray).trim().slice(0, 300);
    return { problem: { detail: `It does not load: ${said || 'PHP ended without a word'}` } };
  }
  const { meta, stray } = envelope;
  if (stray !== '') {
    const detail = `It prints ${JSON.stringify(stray.slice(0, 80))} when loaded: is there text before <?php?`;
    return { problem: { detail } };
  }
  if (meta.outcome === 'checked') return { inputClass: meta.inputClass };
  if (!('exception' in meta)) return { problem: { detail: 'It does not load: it calls exit() or die().' } };
  const { message: detail, line, file } = meta.exception;
  // The runtime's own complaint (no callable returned) has no line of the user's.
  const inProject = file.startsWith(`${root}/`) && !file.startsWith(`${runtime}/`);
  return { problem: inProject ? { file: file.slice(root.length + 1), line, detail } : { detail } };
};

/** Sound when a handler loads and returns a callable, which also compiles it into opcache; a script is only parsed. */
const checkFile = async (pool: Pool, { kind, file }: CheckedFile): Promise<Verdict> => {
  const slot = pool.take({ workload: new Workload(), mayShare: false, awaited: false }, () => {});
  if (slot === undefined)
    return { problem: { detail: `It was not checked: the pool ${pool.name} has no free worker.` } };
  const attemptId = randomUUID();
  try {
    const request = {
      attemptId,
      encodedParams: NOTHING,
      params: checkParams(pool.paths, kind, file, attemptId),
      body: NOTHING,
      timeLimitMs: CHECK_TIMEOUT_MS,
      remainingMs: CHECK_TIMEOUT_MS,
      onFreed: undefined,
    };
    const response = await slot.run(request, (connection, ask, over) => collect(connection, ask, CHECK_LIMITS, over));
    return verdictOf(decodeEnvelope(response.body, attemptId), response.stderr, pool.paths);
  } catch (error) {
    return { problem: { detail: messageOf(error) } };
  } finally {
    slot.release(false);
  }
};

interface Checked {
  readonly code: FunctionCode;
  readonly pool: string;
}

/** The class each handler takes as its input, by pool and file, for those that take no array. */
export class InputClasses {
  readonly #classes = new Map<string, string>();

  set(pool: string, file: string, inputClass: string): void {
    this.#classes.set(`${pool} ${file}`, inputClass);
  }

  get(pool: string, code: FunctionCode): string | undefined {
    return code.kind === 'handler' ? this.#classes.get(`${pool} ${code.file}`) : undefined;
  }
}

/** Rejects with StartupError. Each file is checked once for each pool that runs it. */
export const checkHandlers = async (
  functions: Iterable<Checked>,
  pools: ReadonlyMap<string, Pool>,
): Promise<InputClasses> => {
  const byPool = new Map<string, Map<string, CheckedFile>>();
  for (const { code, pool } of functions) {
    const files = byPool.get(pool) ?? new Map<string, CheckedFile>();
    for (const file of codeFiles(code)) files.set(`${code.kind} ${file}`, { kind: code.kind, file });
    byPool.set(pool, files);
  }
  const inputClasses = new InputClasses();
  const problems = await Promise.all(
    [...byPool].map(async ([name, files]) => {
      const pool = pools.get(name);
      const found: StartupProblem[] = [];
      // One after another: each may take a worker, and there may be only one.
      for (const checked of pool === undefined ? [] : files.values()) {
        const verdict = pool && (await checkFile(pool, checked));
        if (verdict === undefined) continue;
        if ('problem' in verdict) found.push({ file: `functions/${checked.file}`, ...verdict.problem });
        else if (verdict.inputClass !== undefined) inputClasses.set(name, checked.file, verdict.inputClass);
      }
      return found;
    }),
  );
  const all = problems.flat();
  if (all.length > 0) throw new StartupError(all);
  return inputClasses;
};
