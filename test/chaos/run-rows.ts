/** Runs rows, those of the same spec on one gateway, and tells of each as it ends. */
import type { Lifetime } from '../support/lifetime.ts';
import { Ends } from './ends.ts';
import type { Row } from './rows/row.ts';
import { World, type WorldSpec } from './world.ts';

export interface RowResult {
  readonly number: number;
  readonly fault: string;
  readonly expected: string;
  readonly ok: boolean;
  /** `502 worker-crashed unknown`, or why not. */
  readonly outcome: string;
  readonly seconds: number;
}

const firstLine = (thrown: unknown): string => {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 1000);
};

const outcomeOf = ({ last, notes }: World): string =>
  [last === undefined ? '' : `${last.status} ${last.code} ${last.executed ?? ''}`.trim(), ...notes]
    .filter((part) => part !== '')
    .join(', ') || 'as expected';

const runRow = async (row: Row, world: World): Promise<RowResult> => {
  const startedMs = performance.now();
  const { number, fault, expected } = row;
  const result = (ok: boolean, outcome: string): RowResult => ({
    number,
    fault,
    expected,
    ok,
    outcome,
    seconds: Math.round(performance.now() - startedMs) / 1000,
  });
  try {
    await world.measure();
    await row.run(world);
    if (!world.isOver) await world.assertNothingLeft();
    return result(true, outcomeOf(world));
  } catch (error) {
    return result(false, firstLine(error));
  }
};

/** In the order of their specs; a gateway whose row failed is not trusted with the next one. */
export const runRows = async (
  rows: readonly Row[],
  told: (result: RowResult) => void,
  lifetime: Lifetime,
): Promise<readonly RowResult[]> => {
  const results: RowResult[] = [];
  const specs = new Map<WorldSpec, Row[]>();
  for (const row of rows) specs.set(row.world, [...(specs.get(row.world) ?? []), row]);
  for (const [spec, group] of specs) {
    let ends = new Ends();
    lifetime(() => ends.all());
    let world: World | undefined;
    for (const row of group) {
      let result: RowResult;
      try {
        world ??= await World.start(spec, ends.lifetime);
        result = await runRow(row, world);
      } catch (error) {
        const { number, fault, expected } = row;
        result = { number, fault, expected, ok: false, outcome: `no gateway: ${firstLine(error)}`, seconds: 0 };
      }
      results.push(result);
      told(result);
      if (result.ok && !world?.isOver) continue;
      await ends.all();
      ends = new Ends();
      world = undefined;
    }
    await ends.all();
  }
  return results.sort((a, b) => a.number - b.number);
};
