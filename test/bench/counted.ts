/** What a client of the benchmark says in the end, when it has made a fixed number of calls. */
import type { Bench } from './bench.ts';
import { cpuBetween, cpuTimes } from './cpu.ts';
import type { Command } from './life.ts';

export interface Counted {
  readonly calls: number;
  readonly failed: number;
  readonly elapsedMs: number;
  /** Of the first that failed. */
  readonly failure?: string;
}

/** Throws when any answer was wrong or missing. */
export const parseCounted = <T extends { readonly failed: number }>(output: string): T => {
  const counted = JSON.parse(output) as T & { readonly failure?: string };
  const { failed, failure } = counted;
  if (failed > 0) throw new Error(`${failed} answers were wrong or missing${failure ? `: ${failure}` : ''}`);
  return counted;
};

export type Measured = Readonly<Record<'perSecond' | 'serverUs' | 'phpUs', number>>;

/** Runs the client; what it calls used its CPU meanwhile. */
export const measureCounted = async (bench: Bench, pids: readonly number[], command: Command): Promise<Measured> => {
  const before = cpuTimes(pids);
  const { calls, elapsedMs } = parseCounted<Counted>(await bench.life.run(command));
  const { serverMs, phpMs } = cpuBetween(before, cpuTimes(pids));
  const us = (ms: number): number => (ms * 1000) / calls;
  return { perSecond: (calls * 1000) / elapsedMs, serverUs: us(serverMs), phpUs: us(phpMs) };
};
