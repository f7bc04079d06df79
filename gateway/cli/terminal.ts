/** How the commands speak: with colour on a terminal, plainly when piped. */
import { styleText } from 'node:util';
import { codes, isCode } from '../errors.ts';
import { StartupError, type StartupProblem } from '../startup.ts';

type Style = Parameters<typeof styleText>[0];

export const isTerminal = (stream: NodeJS.WriteStream): boolean => stream.isTTY === true;

/** Honours NO_COLOR, FORCE_COLOR and what the stream can show. */
export const paint = (stream: NodeJS.WriteStream, style: Style, text: string): string =>
  styleText(style, text, { stream });

export const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

export const complain = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Columns padded to their widest cell; the last one is left ragged. */
export const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows.reduce<number[]>((max, row) => row.map((cell, at) => Math.max(cell.length, max[at] ?? 0)), []);
  return rows.map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '),
  );
};

const problemLines = ({ file, line, property, detail }: StartupProblem): string => {
  const at = paint(process.stderr, 'bold', line === undefined ? file : `${file}:${line}`);
  const what = property === undefined ? '' : `  ${paint(process.stderr, 'cyan', property)}`;
  return `  ${at}${what}\n      ${detail.replaceAll('\n', '\n      ')}`;
};

export const describeStartupError = (error: StartupError): string => {
  const { problems } = error;
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return [
    `${paint(process.stderr, 'red', '✗')} fpm-gateway cannot start: ${count}`,
    '',
    ...problems.map(problemLines),
  ].join('\n');
};

/** Ends the command: what went wrong and the next step on stderr, or as JSON on stdout. */
export const failCommand = (error: unknown, json: boolean): void => {
  process.exitCode = 1;
  if (error instanceof StartupError) {
    if (json) say(JSON.stringify({ problems: error.problems }));
    else complain(describeStartupError(error));
    return;
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) say(JSON.stringify({ problems: [{ file: 'fpm-gateway', detail: message }] }));
  else complain(`${paint(process.stderr, 'red', '✗')} ${message}`);
};

/** The table's next step for a code of ours. */
export const mendFor = (code: string): string | undefined => (isCode(code) ? codes[code].mend : undefined);
