/** Takes turns: what is compared is measured within seconds of each other, again and again. */
import type { Row } from './result.ts';
import { rotated } from './statistics.ts';

export interface Contestant {
  readonly name: string;
  /** Why it does not take part. */
  readonly failure?: string | undefined;
  /** One turn's values by column; throws when they would not count. */
  readonly turn: (round: number) => Promise<Readonly<Record<string, number>>>;
}

export const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

/** Its turn failed once: the row does not count, and no more time is spent on it. */
export const takeTurns = async (
  contestants: readonly Contestant[],
  rounds: number,
  before: (contestant: Contestant, round: number) => void,
): Promise<Row[]> => {
  const failures = new Map(contestants.map(({ name, failure }) => [name, failure]));
  const values = new Map<string, Record<string, number[]>>(contestants.map(({ name }) => [name, {}]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of rotated(contestants, round)) {
      if (failures.get(contestant.name) !== undefined) continue;
      before(contestant, round);
      try {
        const columns = values.get(contestant.name) ?? {};
        for (const [key, value] of Object.entries(await contestant.turn(round))) {
          columns[key] ??= [];
          columns[key][round] = value;
        }
      } catch (error) {
        failures.set(contestant.name, reason(error));
      }
    }
  }
  return contestants.map(({ name }) => ({ name, values: values.get(name) ?? {}, failure: failures.get(name) }));
};
