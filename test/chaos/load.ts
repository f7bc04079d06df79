/** A few callers that call one after the other, and what they were told. */
import { until } from '../support/until.ts';
import type { World } from './world.ts';

export interface LoadOptions {
  readonly atOnce: number;
  readonly function?: string;
}

export interface SteadyLoad {
  /** Answers so far. */
  readonly count: number;
  reached(count: number): Promise<void>;
  stop(): Promise<{ readonly codes: Readonly<Record<string, number>> }>;
}

export const steadyLoad = (world: World, { atOnce, function: name = 'echo' }: LoadOptions): SteadyLoad => {
  const codes: Record<string, number> = {};
  let count = 0;
  let isOver = false;
  const caller = async (): Promise<void> => {
    while (!isOver) {
      const n = count;
      const { status, body, code } = await world.call(name, { n });
      // Somebody else's answer would be worse than none.
      const told = status === 200 && body?.n !== n ? 'mixed' : code;
      codes[told] = (codes[told] ?? 0) + 1;
      count += 1;
    }
  };
  const callers = Array.from({ length: atOnce }, caller);
  return {
    get count() {
      return count;
    },
    reached: (wanted) => until(`${wanted} calls are answered`, () => count >= wanted),
    stop: async () => {
      isOver = true;
      await Promise.all(callers);
      return { codes };
    },
  };
};
