/** What a run gives: the same for the tables, the JSON file and the picture. */
import type { Timeline } from './timeline.ts';

export interface Column {
  readonly key: string;
  readonly header: string;
  readonly digits: number;
}

export interface Row {
  readonly name: string;
  /** By column: one value for each round. */
  readonly values: Readonly<Record<string, readonly number[]>>;
  /** Why its figures do not count, if they do not. */
  readonly failure?: string | undefined;
}

export interface Table {
  readonly name: string;
  readonly title: string;
  /** Header of the rows' names. */
  readonly rowHeader: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly note?: string;
}

export interface Goal {
  readonly figure: string;
  readonly relation: '≥' | '≤';
  readonly limit: number;
  readonly unit?: string;
  /** One for each round; empty: not measured. */
  readonly values: readonly number[];
}

export interface SectionResult {
  readonly name: string;
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
  /** Settings that were chosen by measuring, calibrations. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Of the first round of each row; for the picture. */
  readonly timelines?: readonly Timeline[];
}

export interface RunResult {
  readonly date: string;
  readonly seconds: number;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly sections: readonly SectionResult[];
}

/** JSON has no NaN: a round without a value is null there. */
export const parseRun = (text: string): RunResult =>
  JSON.parse(text, (_, value: unknown) => (value === null ? Number.NaN : value)) as RunResult;

export const rowOf = (table: Table | undefined, name: string): Row | undefined =>
  table?.rows.find((row) => row.name === name);

/** Its values of a column; none if the row does not count. */
export const valuesOf = (row: Row | undefined, key: string): readonly number[] =>
  row === undefined || row.failure !== undefined ? [] : (row.values[key] ?? []);

/** The row with one more column. */
export const withValues = (row: Row, key: string, values: readonly number[]): Row => ({
  ...row,
  values: { ...row.values, [key]: values },
});
