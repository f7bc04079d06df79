/** A ladder of limits for people: on a terminal with bars and colours, piped as plain columns. Pure. */
import type { styleText } from 'node:util';
import { type Ladder, type Limit, STAGES, type Stage } from '../invoke/limits-of.ts';
import { sourceText } from '../setting-sources.ts';

type Style = Parameters<typeof styleText>[0];

export interface LadderLook {
  /** Bars are for terminals. */
  readonly bars: boolean;
  /** Of the terminal. */
  readonly columns: number;
  readonly paint: (style: Style, text: string) => string;
}

const TIMELINE_CHARS = 48;
const BAR_CHARS = 10;
/** On a narrower terminal lines with bars would be broken in two. */
const BARS_MIN_COLUMNS = 120;

/** Without figures that say no more: `90 s`, `1.5 s`, `24 h`. */
export const duration = (ms: number): string => {
  const units = [['h', 3_600_000] as const, ['min', 60_000] as const, ['s', 1000] as const];
  const [name, size] =
    units.find(([, unit]) => ms >= unit && ms % unit === 0) ?? (ms >= 1000 ? ['s', 1000] : ['ms', 1]);
  return `${Number((ms / size).toFixed(2))} ${name}`;
};

const size = (bytes: number): string => {
  const units = [['GiB', 2 ** 30] as const, ['MiB', 2 ** 20] as const, ['KiB', 1024] as const];
  const [name, unit] = units.find(([, each]) => bytes >= each) ?? ['bytes', 1];
  return `${Number((bytes / unit).toFixed(1))} ${name}`;
};

export const valueText = ({ value, unit }: Pick<Limit, 'value' | 'unit'>): string => {
  if (typeof value === 'string') return value;
  if (unit === 'ms') return duration(value);
  return unit === 'bytes' ? size(value) : String(value);
};

/** Eighths of a character, so that short limits are seen beside long ones. */
const bar = (share: number, chars: number): string => {
  const eighths = Math.max(1, Math.round(Math.min(1, share) * chars * 8));
  const rest = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (rest === 0 ? '' : (' ▏▎▍▌▋▊▉'[rest] ?? ''));
};

/** The three parts of a call's time, one behind the other. */
const timeline = ({ parts, budgetMs }: Ladder, { paint }: LadderLook): string[] => {
  const nameWidth = Math.max(...parts.map(({ name }) => name.length));
  const valueWidth = Math.max(...parts.map(({ ms }) => duration(ms).length));
  let before = 0;
  return parts.map(({ name, ms }) => {
    const from = Math.min(TIMELINE_CHARS - 1, Math.floor((before / budgetMs) * TIMELINE_CHARS));
    before += ms;
    const drawn = ms === 0 ? '' : bar(ms / budgetMs, TIMELINE_CHARS - from);
    return `    ${name.padEnd(nameWidth)}  ${duration(ms).padStart(valueWidth)}  ${paint('dim', '·'.repeat(from))}${paint('cyan', drawn)}`;
  });
};

const meaningOf = ({ meaning, code }: Limit): string => (code === undefined ? meaning : `${meaning} → ${code}`);

interface Widths {
  readonly name: number;
  readonly value: number;
  readonly meaning: number;
}

const line = (limit: Limit, widths: Widths, budgetMs: number, { bars, columns, paint }: LadderLook): string => {
  const { name, unit, value, source } = limit;
  const share = unit === 'ms' && typeof value === 'number' ? value / budgetMs : 0;
  const drawn = share === 0 ? '' : share > 1 ? `${'█'.repeat(BAR_CHARS - 1)}▶` : bar(share, BAR_CHARS);
  const said = source.kind === 'environment' || source.kind === 'config' || source.kind === 'contract';
  return [
    '   ',
    said ? paint('bold', name.padEnd(widths.name)) : name.padEnd(widths.name),
    valueText(limit).padStart(widths.value),
    ...(bars && columns >= BARS_MIN_COLUMNS ? [paint('cyan', drawn.padEnd(BAR_CHARS))] : []),
    meaningOf(limit).padEnd(widths.meaning),
    paint('dim', sourceText(source)),
  ].join('  ');
};

export const drawLadder = (ladder: Ladder, contract: string | undefined, look: LadderLook): string => {
  const { limits, budgetMs, pool, engine } = ladder;
  const { paint, bars } = look;
  const widest = (text: (limit: Limit) => string): number => Math.max(...limits.map((limit) => text(limit).length));
  const widths = { name: widest(({ name }) => name), value: widest(valueText), meaning: widest(meaningOf) };
  const where = [contract, `pool ${pool}`, engine].filter((text) => text !== undefined).join(' · ');
  const sum = ladder.parts.map(({ ms }) => duration(ms)).join(' + ');
  const stages = (Object.keys(STAGES) as Stage[]).flatMap((stage) => {
    const rows = limits.filter((limit) => limit.stage === stage);
    const lines = rows.map((limit) => line(limit, widths, budgetMs, look));
    return rows.length === 0 ? [] : ['', `  ${paint('bold', STAGES[stage])}`, ...lines];
  });
  return [
    `  ${paint('bold', ladder.function)}  ${paint('dim', where)}`,
    '',
    `  ${paint('bold', duration(budgetMs))} at most for a call, retries included: ${sum}`,
    ...(bars ? ['', ...timeline(ladder, look)] : []),
    ...stages,
  ]
    .map((text) => text.trimEnd())
    .join('\n');
};
