/** Functions that wait: the same handlers by php-fpm, by serial resident workers, and by one with a Fiber for each call. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { configOf, contractOf, generateProject } from '../generated.ts';
import { type GatewayPeer, MANY_CALLS, startGateway } from '../peers/gateway.ts';
import type { Workload } from '../workloads.ts';

const HANDLERS = join(import.meta.dirname, 'functions');
const QUEUE_MAX = 20_000;
/** Of the functions that others call: as many as all that is in flight can ask for. */
const FAR_CONCURRENCY = 5000;

export type Way = 'fpm' | 'resident' | 'fibers';

/** Rows of all sections about waiting. */
export const WAY_NAMES: Readonly<Record<Way, string>> = {
  fpm: 'php-fpm',
  resident: 'resident',
  fibers: 'resident with Fibers',
};

export const WAIT_MS = 100;

const naps = (ms: number): { readonly body: string; readonly answer: Workload['answer'] } => ({
  body: JSON.stringify({ ms }),
  answer: { json: { sleptMs: ms } },
});

export const nap = (ms: number): Workload => ({ name: 'nap', title: `a handler that waits for ${ms} ms`, ...naps(ms) });

export const askNap = (ms: number): Workload => ({
  name: 'ask-nap',
  title: `a handler that calls a function of ${ms} ms`,
  ...naps(ms),
});

export const askNaps = (calls: number, ms: number): Workload => ({
  name: 'ask-naps',
  title: `a handler that calls ${calls} functions of ${ms} ms at once and waits for all`,
  body: JSON.stringify({ calls, ms }),
  answer: { json: { sleptMs: calls * ms } },
});

const MS = 'ms: z.int().min(0).max(60_000)';
const SLEPT = 'output: z.strictObject({ sleptMs: z.int() })';

const fibers = (concurrency: number): string => `engine: 'resident', concurrency: ${concurrency}`;

/** What is called from inside waits with Fibers in a pool of its own, whoever calls. */
const contractsOf = (engine: string): Record<string, string> => ({
  nap: `input: z.strictObject({ ${MS} }), ${SLEPT}, ${engine}`,
  'ask-nap': `input: z.strictObject({ ${MS} }), ${SLEPT}, ${engine}`,
  'ask-naps': `input: z.strictObject({ calls: z.int().min(1).max(1000), ${MS} }), ${SLEPT}, ${engine}`,
  'far-nap': `handler: 'nap.php', pool: 'far', input: z.strictObject({ ${MS} }), ${SLEPT}, ${fibers(FAR_CONCURRENCY)}`,
});

export interface WaitingOptions {
  readonly way: Way;
  /** php-fpm's, or resident ones, or those that hold many calls each. */
  readonly workers: number;
  readonly concurrency: number;
  /** Without functions that call others, and without the pool of those. */
  readonly napsOnly?: boolean;
  /** More than is usual: for measuring, not for people. */
  readonly memoryLimitMb?: number;
}

const settingsOf = ({ workers, memoryLimitMb, napsOnly }: WaitingOptions): object => {
  const memory = memoryLimitMb === undefined ? {} : { memoryMaxBytes: memoryLimitMb * 524_288 };
  const ini = memoryLimitMb === undefined ? {} : { ini: { memory_limit: `${memoryLimitMb}M` } };
  return {
    pools: {
      default: { queueMax: QUEUE_MAX, ...ini, resident: { workers, concurrentWorkers: workers, ...memory } },
      ...(napsOnly === true
        ? {}
        : { far: { queueMax: QUEUE_MAX, ...ini, resident: { concurrentWorkers: 1, ...memory } } }),
    },
  };
};

export const startWaiting = async (bench: Bench, name: string, options: WaitingOptions): Promise<GatewayPeer> => {
  const { way, workers, concurrency } = options;
  const engine = { fpm: `engine: 'fpm'`, resident: `engine: 'resident'`, fibers: fibers(concurrency) }[way];
  const functions = Object.entries(contractsOf(engine)).filter(([file]) => file === 'nap' || options.napsOnly !== true);
  const files = functions.flatMap(([file, members]) => [
    [`schemas/${file}.ts`, contractOf(`${members}, idempotent: true`)],
    ...(members.includes('handler:')
      ? []
      : [[`functions/${file}.php`, readFileSync(join(HANDLERS, `${file}.php`), 'utf8')]]),
  ]);
  const project = generateProject({
    parent: bench.folder,
    name: `waiting-${way}`,
    files: {
      ...Object.fromEntries(files),
      'deploy/gateway.config.ts': configOf(settingsOf(options)),
    },
  });
  return await startGateway(bench.life, bench.folder, { name, project, workers, env: MANY_CALLS });
};
