/** The picture of the section `load-steps`: workers over time, under them the load, with the reason of each step. Pure. */
import type { RunResult } from './result.ts';
import { COLOURS, escapeXml, FONT, FOOT_HEIGHT, MARGIN, WIDTH } from './svg.ts';
import type { Moment, Timeline } from './timeline.ts';

const HEAD_HEIGHT = 46;
const PLOT_HEIGHT = 84;
const GROUP_GAP = 30;
const LEFT = MARGIN + 28;
const PLOT_WIDTH = WIDTH - LEFT - MARGIN;

/** "3 calls waited" and "17 calls waited" are one kind. */
const kindOf = (reason: string): string => reason.replaceAll(/\d+/g, 'n');

/** Each kind of reason once, with the letter that stands at its steps. */
const lettersOf = (moments: readonly Moment[]): Map<string, string> => {
  const reasons = new Set(moments.flatMap(({ reason }) => (reason === undefined ? [] : [kindOf(reason)])));
  return new Map([...reasons].map((reason, at) => [reason, String.fromCharCode(97 + (at % 26))]));
};

const HEIGHT = HEAD_HEIGHT + PLOT_HEIGHT + 22 + GROUP_GAP;

const drawTimeline = ({ name, moments, loads, endMs }: Timeline, top: number): string => {
  const most = Math.max(1, ...moments.map(({ workers }) => workers));
  const floor = top + HEAD_HEIGHT + PLOT_HEIGHT;
  const x = (ms: number): string => (LEFT + (ms / endMs) * PLOT_WIDTH).toFixed(1);
  const y = (workers: number): number => floor - (workers / most) * (PLOT_HEIGHT - 16);
  const letters = lettersOf(moments);
  const line = moments.map(
    ({ atMs, workers }, at) => `${at === 0 ? 'M' : 'H'}${x(atMs)}${at === 0 ? ' ' : 'V'}${y(workers)}`,
  );
  const marks = moments.flatMap(({ atMs, workers, reason }) =>
    reason === undefined
      ? []
      : [
          `<text x="${x(atMs)}" y="${y(workers) - 4}" font-size="11" fill="${COLOURS.text}">${letters.get(kindOf(reason))}</text>`,
        ],
  );
  const scale = [0, most].map(
    (workers) =>
      `<text x="${LEFT - 8}" y="${y(workers) + 4}" text-anchor="end" font-size="11" fill="${COLOURS.quiet}">${workers}</text>`,
  );
  const legend = [...letters].map(([reason, letter]) => `${letter}: ${escapeXml(reason)}`).join(' · ');
  return [
    `<text x="${MARGIN}" y="${top + 16}" font-size="15" font-weight="600" fill="${COLOURS.text}">${escapeXml(name)}</text>`,
    `<text x="${MARGIN}" y="${top + 34}" font-size="12" fill="${COLOURS.quiet}">workers over ${(endMs / 1000).toFixed(0)} s; the ground is darker while there is load</text>`,
    ...loads.map(
      ([from, to]) =>
        `<rect x="${x(from)}" y="${top + HEAD_HEIGHT}" width="${(((to - from) / endMs) * PLOT_WIDTH).toFixed(1)}" height="${PLOT_HEIGHT}" fill="${COLOURS.others}" fill-opacity="0.4"/>`,
    ),
    `<path d="M${LEFT} ${floor}H${LEFT + PLOT_WIDTH}" stroke="${COLOURS.frame}"/>`,
    `<path d="${line.join('')}H${x(endMs)}" fill="none" stroke="${COLOURS.ours}" stroke-width="2"/>`,
    ...scale,
    ...marks,
    `<text x="${LEFT}" y="${floor + 20}" font-size="11.5" fill="${COLOURS.quiet}">${legend}</text>`,
  ].join('\n');
};

const footOf = ({ date, machine }: RunResult): string =>
  `One round of several · ${machine.CPU}, ${machine.cores} cores · ${date.slice(0, 10)} · npm run bench -- --only load-steps`;

/** Throws when the run has none. */
export const drawTimelines = (run: RunResult): string => {
  const timelines = run.sections.flatMap(({ timelines: ofSection }) => ofSection ?? []);
  if (timelines.length === 0) throw new Error('nothing to draw: the picture shows the section load-steps');
  let top = MARGIN;
  const drawn = timelines.map((timeline) => {
    const at = top;
    top += HEIGHT;
    return drawTimeline(timeline, at);
  });
  const height = top + FOOT_HEIGHT - GROUP_GAP;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title" font-family="${FONT}" font-size="13">
<title id="title">Workers of pools that follow the load, with the reason of each step</title>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="${COLOURS.ground}" stroke="${COLOURS.frame}"/>
${drawn.join('\n')}
<text x="${MARGIN}" y="${height - 16}" font-size="11" fill="${COLOURS.quiet}">${escapeXml(footOf(run))}</text>
</svg>
`;
};
