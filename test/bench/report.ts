/** Results → aligned text. Pure: the caller says how to make a text bold or dim. */
import type { Goal, Row, RunResult, SectionResult, Table } from './result.ts';
import { median } from './statistics.ts';

export type Paint = (style: 'bold' | 'dim' | 'green' | 'yellow', text: string) => string;

export const plain: Paint = (_, text) => text;

export const formatNumber = (value: number, digits: number): string =>
  Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The first column to the left, numbers to the right. */
export const align = (lines: readonly (readonly string[])[], leftColumns = 1): string[] => {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, at) => (at < leftColumns ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
};

const cellsOf = (row: Row, table: Table): string[] => [
  row.name,
  ...table.columns.map(({ key, digits }) => formatNumber(median(row.values[key] ?? []), digits)),
];

const renderTable = (table: Table, paint: Paint): string[] => {
  const measured = table.rows.filter(({ failure }) => failure === undefined);
  const header = [table.rowHeader, ...table.columns.map((column) => column.header)];
  const [head = '', ...lines] = align([header, ...measured.map((row) => cellsOf(row, table))]);
  const failures = table.rows.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [paint('yellow', `${name}: not measured: ${failure}`)],
  );
  const note = table.note === undefined ? [] : [paint('dim', table.note)];
  return [paint('bold', `${table.name} – ${table.title}`), paint('dim', head), ...lines, ...failures, ...note, ''];
};

export const isReached = ({ values, relation, limit }: Goal): boolean =>
  relation === '≥' ? median(values) >= limit : median(values) <= limit;

const digitsOf = ({ unit }: Goal): number => (unit === undefined ? 2 : 0);

const goalCells = (goal: Goal): string[] => {
  const { figure, relation, limit, unit, values } = goal;
  const digits = digitsOf(goal);
  const wanted = `${relation} ${formatNumber(limit, Math.max(digits, 0))}${unit ? ` ${unit}` : ''}`;
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length === 0) return [figure, wanted, '–', '', 'not measured'];
  const range = `[${formatNumber(Math.min(...known), digits)}–${formatNumber(Math.max(...known), digits)}]`;
  return [figure, wanted, formatNumber(median(known), digits), range, isReached(goal) ? 'reached' : 'not reached'];
};

const renderGoals = (goals: readonly Goal[], paint: Paint): string[] => {
  if (goals.length === 0) return [];
  const header = ['figure', 'goal', 'median', '[min–max]', ''];
  const [head = '', ...lines] = align([header, ...goals.map(goalCells)]);
  const coloured = lines.map((line) =>
    line.endsWith('not reached') ? paint('yellow', line) : line.endsWith('reached') ? paint('green', line) : line,
  );
  return [paint('bold', 'GOALS – median over the rounds'), paint('dim', head), ...coloured, ''];
};

const pairs = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(' · ');

const renderSection = (section: SectionResult, paint: Paint): string[] => [
  ...section.tables.flatMap((table) => renderTable(table, paint)),
  ...(Object.keys(section.facts).length === 0 ? [] : [paint('dim', `${section.name}: ${pairs(section.facts)}`), '']),
];

export const renderRun = (run: RunResult, paint: Paint): string =>
  [
    '',
    paint('dim', pairs(run.machine)),
    paint('dim', pairs(run.versions)),
    paint('dim', `${run.date} · ${Math.round(run.seconds)} s · ${pairs(run.settings)}`),
    '',
    ...run.sections.flatMap((section) => renderSection(section, paint)),
    ...renderGoals(
      run.sections.flatMap(({ goals }) => goals),
      paint,
    ),
  ].join('\n');
