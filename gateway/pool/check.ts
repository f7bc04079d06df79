/** Loads every handler file in its pool before the first call: a syntax error is found at start, with its line. */
import { randomUUID } from 'node:crypto';
import { collect, type ResponseLimits } from '../fastcgi/index.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { decodeEnvelope } from './envelope.ts';
import type { Pool } from './pool.ts';
import { checkParams, codeFiles, type FunctionCode } from './runtime.ts';
import { Workload } from './workload.ts';

const CHECK_TIMEOUT_MS = 10_000;
const CHECK_LIMITS: ResponseLimits = { headMaxBytes: 16_384, bodyMaxBytes: 262_144, stderrMaxBytes: 16_384 };
const NOTHING = Buffer.alloc(0);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface CheckedFile {
  readonly kind: 'handler' | 'script';
  readonly file: string;
}

/** Undefined when a handler loads and returns a callable, which also compiles it into opcache; a script is only parsed. */
const checkFile = async (pool: Pool, { kind, file: name }: CheckedFile): Promise<StartupProblem | undefined> => {
  const file = `functions/${name}`;
  const slot = pool.take({ workload: new Workload(), mayShare: false, awaited: false }, () => {});
  if (slot === undefined) return { file, detail: `It was not checked: the pool ${pool.name} has no free worker.` };
  const attemptId = randomUUID();
  try {
    const params = checkParams(pool.paths, kind, name, attemptId);
    const request = {
      encodedParams: NOTHING,
      params,
      body: NOTHING,
      timeLimitMs: CHECK_TIMEOUT_MS,
      remainingMs: CHECK_TIMEOUT_MS,
      onFreed: undefined,
    };
    const response = await slot.run(request, (connection, ask, over) => collect(connection, ask, CHECK_LIMITS, over));
    const envelope = decodeEnvelope(response.body, attemptId);
    if (envelope.kind === 'none') {
      const said = (response.stderr || envelope.stray).trim().slice(0, 300);
      return { file, detail: `It does not load: ${said || 'PHP ended without a word'}` };
    }
    const { meta, stray } = envelope;
    if (stray !== '')
      return {
        file,
        detail: `It prints ${JSON.stringify(stray.slice(0, 80))} when loaded: is there text before <?php?`,
      };
    if (meta.outcome === 'checked') return undefined;
    if (!('exception' in meta)) return { file, detail: 'It does not load: it calls exit() or die().' };
    const { message, line, file: thrownIn } = meta.exception;
    const inProject = thrownIn.startsWith(`${pool.paths.root}/`);
    // The runtime's own complaint (no callable returned) has no line of the user's.
    return inProject
      ? { file: thrownIn.slice(pool.paths.root.length + 1), line, detail: message }
      : { file, detail: message };
  } catch (error) {
    return { file, detail: messageOf(error) };
  } finally {
    slot.release(false);
  }
};

interface Checked {
  readonly code: FunctionCode;
  readonly pool: string;
}

/** Rejects with StartupError. Each file is checked once for each pool that runs it. */
export const checkHandlers = async (functions: Iterable<Checked>, pools: ReadonlyMap<string, Pool>): Promise<void> => {
  const byPool = new Map<string, Map<string, CheckedFile>>();
  for (const { code, pool } of functions) {
    const files = byPool.get(pool) ?? new Map<string, CheckedFile>();
    for (const file of codeFiles(code)) files.set(`${code.kind} ${file}`, { kind: code.kind, file });
    byPool.set(pool, files);
  }
  const problems = await Promise.all(
    [...byPool].map(async ([name, files]) => {
      const pool = pools.get(name);
      const found: StartupProblem[] = [];
      // One after another: each may take a worker, and there may be only one.
      for (const file of pool === undefined ? [] : files.values()) {
        const problem = pool && (await checkFile(pool, file));
        if (problem) found.push(problem);
      }
      return found;
    }),
  );
  const all = problems.flat();
  if (all.length > 0) throw new StartupError(all);
};
