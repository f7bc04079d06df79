/** `npm run chaos -- fuzz`: fuzzed FastCGI answers through the gateway's own code, most without a socket, some through one. */
import type { Lifetime } from '../../support/lifetime.ts';
import { fuzzCore, type Verdict } from './core.ts';
import { FuzzPeer } from './wire.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Answers without a socket; a conversation has one to four. */
  readonly core: number;
  /** Answers through real connections. */
  readonly wire: number;
  readonly lifetime: Lifetime;
  readonly onProgress: (done: number, of: number) => void;
}

export interface FuzzFailure {
  /** Of the case alone: `makeCase(seed)`. */
  readonly seed: number;
  readonly path: 'core' | 'wire';
  readonly wrong: string;
}

export interface FuzzResult {
  readonly conversations: number;
  readonly answers: number;
  readonly accepted: number;
  readonly refused: number;
  readonly uncaught: number;
  readonly failures: readonly FuzzFailure[];
}

const TOGETHER = 64;
/** More of them say nothing new. */
const FAILURES_MAX = 50;

/** Case seeds of one run are far from those of the next. */
const seedOf = (seed: number, at: number): number => (Math.imul(seed, 0x9e3779b1) + at) >>> 0;

export const runFuzz = async (options: FuzzOptions): Promise<FuzzResult> => {
  const { seed, core, wire, lifetime, onProgress } = options;
  const failures: FuzzFailure[] = [];
  const totals = { conversations: 0, accepted: 0, refused: 0, uncaught: 0 };
  const onUncaught = (error: unknown): void => {
    totals.uncaught += 1;
    failures.push({ seed: 0, path: 'wire', wrong: `uncaught: ${String(error)}` });
  };
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught);
  const { stackTraceLimit } = Error;
  // A million errors are made, and nobody reads where.
  Error.stackTraceLimit = 0;
  const run = async (
    path: FuzzFailure['path'],
    fuzz: (seed: number) => Promise<Verdict>,
    end: number,
  ): Promise<void> => {
    while (totals.accepted + totals.refused < end) {
      const seeds = Array.from({ length: TOGETHER }, (_, at) => seedOf(seed, totals.conversations + at));
      const verdicts = await Promise.all(seeds.map(fuzz));
      totals.conversations += TOGETHER;
      for (const [at, { wrong, accepted, refused }] of verdicts.entries()) {
        totals.accepted += accepted;
        // One that went wrong counts, or a run in which all do would have no end.
        totals.refused += wrong === undefined ? refused : 1;
        if (wrong !== undefined && failures.length < FAILURES_MAX) failures.push({ seed: seeds[at] ?? 0, path, wrong });
      }
      onProgress(totals.accepted + totals.refused, core + wire);
      // What nobody waits for is reported between turns of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  try {
    await run('core', fuzzCore, core);
    const peer = await FuzzPeer.open(lifetime);
    await run('wire', (each) => peer.fuzz(each), core + wire);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught);
  }
  return { ...totals, answers: totals.accepted + totals.refused, failures };
};
