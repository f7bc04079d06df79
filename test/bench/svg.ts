/** The picture for the README. Pure. Its own light ground, so that it reads the same on a dark page. */
import type { RunResult, Table } from './result.ts';
import { valuesOf } from './result.ts';
import { median } from './statistics.ts';

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly label: string;
  readonly isOurs: boolean;
}

interface Group {
  readonly title: string;
  readonly subtitle: string;
  readonly bars: readonly Bar[];
}

export const WIDTH = 760;
export const MARGIN = 28;
const NAMES_WIDTH = 176;
const LABELS_WIDTH = 150;
const BAR_HEIGHT = 22;
const BAR_STEP = 32;
const HEAD_HEIGHT = 52;
const GROUP_GAP = 22;
export const FOOT_HEIGHT = 34;
const OURS = 'fpm-gateway';

export const COLOURS = {
  ground: '#ffffff',
  frame: '#d8dee4',
  text: '#1f2328',
  quiet: '#59636e',
  ours: '#4f5b93',
  others: '#b6bed8',
};
export const FONT = 'system-ui, -apple-system, &quot;Segoe UI&quot;, Helvetica, Arial, sans-serif';

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character] ?? '');

const findTable = (run: RunResult, name: string): Table | undefined =>
  run.sections.flatMap(({ tables }) => tables).find((table) => table.name === name);

const barsOf = (table: Table, key: string, label: (at: (column: string) => number) => string): Bar[] =>
  table.rows
    .filter(({ failure }) => failure === undefined)
    .map((row) => {
      const at = (column: string): number => median(valuesOf(row, column));
      return { name: row.name, value: at(key), label: label(at), isOurs: row.name === OURS };
    })
    .filter(({ value }) => Number.isFinite(value));

const groupsOf = (run: RunResult): Group[] => {
  const echo = findTable(run, 'echo');
  const latency = findTable(run, 'latency');
  const throughput = echo && {
    title: 'Calls per second, an empty function',
    subtitle: 'relative to the better nginx of the same round · more is better',
    bars: barsOf(echo, 'toBestNginx', (at) => `${at('toBestNginx').toFixed(2)} ×`),
  };
  const tail = latency && {
    title: 'p99 latency at the same load',
    subtitle: '70 % of the better nginx’s peak, counted from when a call is due · less is better',
    bars: barsOf(latency, 'p99Ms', (at) => `${at('p99Ms').toFixed(2)} ms`),
  };
  return [throughput, tail].filter((group) => group !== undefined && group.bars.length > 0) as Group[];
};

const drawBar = ({ name, value, label, isOurs }: Bar, most: number, y: number): string => {
  const room = WIDTH - 2 * MARGIN - NAMES_WIDTH - LABELS_WIDTH;
  // The longest may be a hundred times the shortest, which is still to be seen.
  const width = Math.max(2, (value / most) * room);
  const x = MARGIN + NAMES_WIDTH;
  const middle = y + BAR_HEIGHT / 2 + 4.5;
  const weight = isOurs ? ' font-weight="600"' : '';
  return [
    `<text x="${x - 10}" y="${middle}" text-anchor="end" fill="${COLOURS.text}"${weight}>${escapeXml(name)}</text>`,
    `<rect x="${x}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${isOurs ? COLOURS.ours : COLOURS.others}"/>`,
    `<text x="${(x + width + 8).toFixed(1)}" y="${middle}" fill="${COLOURS.text}"${weight}>${escapeXml(label)}</text>`,
  ].join('\n');
};

const heightOf = ({ bars }: Group): number => HEAD_HEIGHT + bars.length * BAR_STEP + GROUP_GAP;

const drawGroup = ({ title, subtitle, bars }: Group, top: number): string => {
  const most = Math.max(...bars.map(({ value }) => value));
  return [
    `<text x="${MARGIN}" y="${top + 16}" font-size="15" font-weight="600" fill="${COLOURS.text}">${escapeXml(title)}</text>`,
    `<text x="${MARGIN}" y="${top + 35}" font-size="12" fill="${COLOURS.quiet}">${escapeXml(subtitle)}</text>`,
    ...bars.map((bar, at) => drawBar(bar, most, top + HEAD_HEIGHT + at * BAR_STEP)),
  ].join('\n');
};

const footOf = ({ date, machine, settings }: RunResult): string =>
  `Median of ${settings.rounds} rounds, ${settings.workers} PHP workers each · ${machine.CPU}, ${machine.cores} cores · ${date.slice(0, 10)} · npm run bench`;

/** Throws when the run has neither of what is drawn. */
export const drawRun = (run: RunResult): string => {
  const groups = groupsOf(run);
  if (groups.length === 0) throw new Error('nothing to draw: the picture shows the sections http and latency');
  let top = MARGIN;
  const drawn = groups.map((group) => {
    const at = top;
    top += heightOf(group);
    return drawGroup(group, at);
  });
  const height = top + FOOT_HEIGHT - GROUP_GAP;
  const description = groups
    .map(({ title, bars }) => `${title}: ${bars.map(({ name, label }) => `${name} ${label}`).join(', ')}.`)
    .join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc" font-family="${FONT}" font-size="13">
<title id="title">fpm-gateway compared with other servers in front of php-fpm</title>
<desc id="desc">${escapeXml(description)}</desc>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="${COLOURS.ground}" stroke="${COLOURS.frame}"/>
${drawn.join('\n')}
<text x="${MARGIN}" y="${height - 16}" font-size="11" fill="${COLOURS.quiet}">${escapeXml(footOf(run))}</text>
</svg>
`;
};
