/** An answer on its way to standard output or a file: JSON, text, bytes, items of a stream, what a script says. */
import { STATUS_CODES } from 'node:http';
import { isItems, printItems } from './items.ts';
import { complainOf, type Problem } from './problem.ts';
import { fileSink, piecesOf, type Sink, standardOutput } from './sink.ts';
import { complain, escapeControls, isTerminal, paint, printableLines, say, UsageError, why } from './terminal.ts';

export interface AnswerOptions {
  readonly json: boolean;
  readonly output: string | undefined;
  readonly signal: AbortSignal;
}

const essence = (response: Response): string =>
  (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

const printJson = async (response: Response, { json }: AnswerOptions): Promise<void> => {
  const text = await response.text();
  say(isTerminal(process.stdout) && !json ? escapeControls(JSON.stringify(JSON.parse(text), null, 2)) : text);
};

/** Bytes as they come. On a terminal text only, and nothing in it that steers the terminal. */
const pour = async (response: Response, sink: Sink, signal: AbortSignal): Promise<number> => {
  const forPeople = sink === standardOutput && isTerminal(process.stdout);
  const utf8 = new TextDecoder();
  let size = 0;
  try {
    for await (const piece of piecesOf(response, signal)) {
      size += piece.length;
      const shown = forPeople ? printableLines(utf8.decode(piece, { stream: true })) : piece;
      if (!(await sink.write(shown))) break;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (signal.aborted) return size;
    const trace = response.headers.get('trace-id') ?? 'none';
    const detail = `The answer broke off after ${size} bytes (${why(error)}): what came is not whole.`;
    throw new UsageError(`${detail} See why in the trace ${trace}, or call again.`);
  }
  return size;
};

/** Redirects, refusals and the like, which only scripts answer themselves. */
const tellStatus = ({ status, headers }: Response): void => {
  if (status === 200) return;
  const failed = status >= 400;
  if (failed) process.exitCode = 1;
  const location = headers.get('location');
  const target = location === null ? '' : ` → ${printableLines(location)}`;
  const said = `${failed ? '✗ ' : ''}${status} ${STATUS_CODES[status] ?? ''}${target}`;
  complain(`${paint(process.stderr, failed ? 'red' : 'dim', said)}${failed ? '  says the script itself' : ''}`);
};

const printProblem = async (response: Response, json: boolean): Promise<void> => {
  process.exitCode = 1;
  const body = await response.text();
  if (json) say(body);
  else complainOf({ status: response.status, ...(JSON.parse(body) as Problem) }, response.headers, '');
};

const intoFile = async (response: Response, path: string, options: AnswerOptions): Promise<void> => {
  const { signal, json } = options;
  const sink = fileSink(path);
  try {
    if (isItems(response)) {
      await printItems(response, { sink, forPeople: false, json, signal });
      return;
    }
    const size = await pour(response, sink, signal);
    const type = response.headers.get('content-type') ?? 'no media type';
    complain(`${paint(process.stderr, 'green', '✓')} ${size} bytes of ${type} in ${path}`);
  } finally {
    sink.close();
  }
};

export const printAnswer = async (response: Response, options: AnswerOptions): Promise<void> => {
  const { json, output, signal } = options;
  const type = essence(response);
  if (type === 'application/problem+json') {
    await printProblem(response, json);
    return;
  }
  tellStatus(response);
  if (output !== undefined) await intoFile(response, output, options);
  else if (isItems(response)) {
    const forPeople = isTerminal(process.stdout) && !json;
    await printItems(response, { sink: standardOutput, forPeople, json, signal });
  } else if (type === 'application/json') await printJson(response, options);
  else if (type.startsWith('text/') || !isTerminal(process.stdout)) await pour(response, standardOutput, signal);
  else if (response.body !== null) {
    await response.body.cancel();
    complain(`The result is ${type}, not text: name a file with --output, or pipe it on.`);
    process.exitCode = 1;
  }
};
