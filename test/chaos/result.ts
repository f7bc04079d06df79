/** What a command found, as it is kept in docs/reliability.json and shown in docs/reliability.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const JSON_FILE = join(ROOT, 'docs', 'reliability.json');
export const PAGE = join(ROOT, 'docs', 'reliability.md');

/** Every command of the harness gives one. */
export interface CommandResult {
  /** `rows`, `fuzz`, `soak` … */
  readonly command: string;
  /** What was held, of so many promises. */
  readonly passed: number;
  readonly of: number;
  readonly seed: number | undefined;
  readonly seconds: number;
  /** What was measured, in words for people: `heap slope` → `0.1 MB/h`. */
  readonly figures: Readonly<Record<string, string | number>>;
  /** Rows of the catalogue, where the command is about those. */
  readonly rows?: readonly KeptRow[];
}

export interface KeptRow {
  readonly number: number;
  readonly fault: string;
  readonly expected: string;
  /** Undefined: it comes later, and `expected` says with what. */
  readonly ok?: boolean;
  readonly outcome?: string;
}

export interface KeptResult extends CommandResult {
  readonly date: string;
  readonly commit: string;
}

/** By command. */
export type Kept = Readonly<Record<string, KeptResult>>;

export const readKept = (): Kept => {
  try {
    return JSON.parse(readFileSync(JSON_FILE, 'utf8')) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
};

/** With a mark where files differ from it. */
const commit = (): string => {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', 'gateway') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
};

export const stamped = (result: CommandResult): KeptResult => ({
  ...result,
  date: new Date().toISOString().slice(0, 10),
  commit: commit(),
});

const BEGIN = '<!-- made by npm run chaos -- --record: begin -->';
const END = '<!-- made by npm run chaos -- --record: end -->';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');

const summaryRow = ({ command, date, commit: of, seed, passed, of: all, seconds, figures }: KeptResult): string => {
  const told = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  const cells = [
    `\`${command}\``,
    date,
    `\`${of}\``,
    String(seed ?? ''),
    `**${passed} of ${all}**`,
    `${Math.round(seconds)} s`,
  ];
  return `| ${[...cells, cell(told.join('; '))].join(' | ')} |`;
};

const catalogueRow = ({ number, fault, expected, ok, outcome = '' }: KeptRow): string => {
  const mark = ok === undefined ? '' : ok ? '✓' : '✗';
  return `| ${number} | ${cell(fault)} | ${ok === undefined ? `comes with ${cell(expected)}` : cell(expected)} | ${mark} | ${cell(outcome)} |`;
};

/** The tables, from what is kept alone. Pure. */
export const renderTables = (kept: Kept): string => {
  const results = Object.values(kept).sort((a, b) => (a.command < b.command ? -1 : 1));
  const summary = [
    '| command | date | commit | seed | held | took | figures |',
    '|---|---|---|---|---|---|---|',
    ...results.map(summaryRow),
  ];
  const rows = results.flatMap((result) => result.rows ?? []);
  const catalogue = [
    '| row | fault | what callers get | | what the last run met |',
    '|---|---|---|---|---|',
    ...rows.map(catalogueRow),
  ];
  return [...summary, ...(rows.length > 0 ? ['', ...catalogue] : [])].join('\n');
};

/** The page with these tables in place of those it has. */
export const withTables = (page: string, kept: Kept): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('docs/reliability.md has lost the marks around its tables.');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${renderTables(kept)}\n\n${page.slice(end)}`;
};

/** Puts it in the place of what was kept of the same command. */
export const keep = (result: CommandResult): void => {
  const kept = { ...readKept(), [result.command]: stamped(result) };
  writeFileSync(JSON_FILE, `${JSON.stringify(kept, undefined, 2)}\n`);
  writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), kept));
};
