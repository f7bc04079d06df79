/** The collector's process (collector.ts), seen from the benchmark. */
import { join } from 'node:path';
import { until } from '../support/until.ts';
import type { Life } from './life.ts';

/** The SDK sends what is left after 5 s. */
const QUIET_MAX_MS = 7000;

export interface Collector {
  readonly url: string;
  /** How often something has come. */
  posts(): Promise<number>;
  /** All that has come; to be asked after the load only. */
  spans(): Promise<number>;
}

export const startCollector = async (life: Life): Promise<Collector> => {
  const running = life.start({ command: process.execPath, args: [join(import.meta.dirname, 'collector.ts')] });
  await until('the collector listens', () => {
    if (running.hasEnded()) throw new Error(`the collector ended: ${running.said()}`);
    return running.out().includes('\n');
  });
  const { port } = JSON.parse(running.out()) as { port: number };
  const url = `http://127.0.0.1:${port}`;
  const ask = async (path: string): Promise<Record<string, number>> =>
    (await (await fetch(`${url}${path}`)).json()) as Record<string, number>;
  return {
    url,
    posts: async () => (await ask('/posts')).posts ?? 0,
    spans: async () => (await ask('/count')).spans ?? 0,
  };
};

/** Until nothing has come for a while. */
export const untilQuiet = async (collector: Collector | undefined, forMs: number): Promise<void> => {
  if (collector === undefined) return;
  const endMs = performance.now() + QUIET_MAX_MS;
  let quietSinceMs = performance.now();
  let seen = await collector.posts();
  while (performance.now() < endMs && performance.now() - quietSinceMs < forMs) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const posts = await collector.posts();
    if (posts !== seen) quietSinceMs = performance.now();
    seen = posts;
  }
};
