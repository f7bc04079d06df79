/** How the commands speak: with colour on a terminal, plainly when piped. */
import { styleText } from 'node:util';
import { codes, isCode } from '../errors.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { printable } from '../trace/tree.ts';

type Style = Parameters<typeof styleText>[0];

export const isTerminal = (stream: NodeJS.WriteStream): boolean => stream.isTTY === true;

/** Honours NO_COLOR, FORCE_COLOR and what the stream can show. */
export const paint = (stream: NodeJS.WriteStream, style: Style, text: string): string =>
  styleText(style, text, { stream });

/** Whoever reads our output may stop (`| head`), or the disk it goes to be full; a server must not end with it. */
export const surviveClosedOutput = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!['EPIPE', 'ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes(error.code ?? '')) throw error;
    });
  }
};

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

/** Text from elsewhere, whose lines may stay lines but which must not steer the terminal. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** What JSON leaves as it is and a terminal may take for a command: DEL and the C1 controls. */
export const escapeControls = (json: string): string =>
  json.replaceAll(/[\x7f-\x9f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);

export const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const problemLines = ({ file, line, property, detail }: StartupProblem): string => {
  const at = paint(process.stderr, 'bold', line === undefined ? file : `${file}:${line}`);
  const what = property === undefined ? '' : `  ${paint(process.stderr, 'cyan', property)}`;
  return `  ${at}${what}\n      ${printableLines(detail).replaceAll('\n', '\n      ')}`;
};

/** `head`: what cannot be done because of them. */
export const describeProblems = (problems: readonly StartupProblem[], head: string): string => {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return [`${paint(process.stderr, 'red', '✗')} ${head}: ${count}`, '', ...problems.map(problemLines)].join('\n');
};

/** A mistake in how a command was called: said in one sentence, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const CANNOT_START = 'fpm-gateway cannot start';

/** Ends the command: what went wrong and the next step on stderr, or as JSON on stdout. */
export const failCommand = (error: unknown, json: boolean, head: string = CANNOT_START): void => {
  process.exitCode = 1;
  if (error instanceof StartupError) {
    if (json) say(JSON.stringify({ problems: error.problems }));
    else complain(describeProblems(error.problems, head));
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const text = error instanceof UsageError ? error.message : stack;
  if (json) say(JSON.stringify({ problems: [{ file: 'fpm-gateway', detail: text }] }));
  else complain(`${paint(process.stderr, 'red', '✗')} ${printableLines(text)}`);
};

/** The table's next step for a code of ours. */
export const mendFor = (code: string): string | undefined => (isCode(code) ? codes[code].mend : undefined);
