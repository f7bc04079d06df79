/** A stream of items as it comes: printed one by one, and its end told from a cut. */
import { complainOf, type Problem } from './problem.ts';
import { piecesOf, type Sink } from './sink.ts';
import { complain, escapeControls, isTerminal, paint, say, UsageError } from './terminal.ts';

/** One Server-Sent Event (WHATWG HTML, 9.2), as the gateway writes them: `data` is one line. */
interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

const parseEvent = (block: string): ServerEvent | undefined => {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = field('data');
  // A comment, which only says that the stream is alive.
  return data === undefined ? undefined : { event: field('event') ?? 'message', data };
};

async function* eventsOf(response: Response, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const utf8 = new TextDecoder();
  let text = '';
  for await (const piece of piecesOf(response, signal)) {
    text += utf8.decode(piece, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event !== undefined) yield event;
    }
  }
}

/** One line where it fits. */
const pretty = (json: string): string => {
  const { columns = 80 } = process.stdout;
  return escapeControls(json.length <= columns ? json : JSON.stringify(JSON.parse(json), null, 2));
};

const counted = (count: number): string => (count === 1 ? '1 item' : `${count} items`);

export interface ItemsOptions {
  readonly sink: Sink;
  /** For people on a terminal; else one line of JSON for each item. */
  readonly forPeople: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Of `text/event-stream` as the gateway writes it: a script's own would name a charset. */
export const isItems = (response: Response): boolean => response.headers.get('content-type') === 'text/event-stream';

export const printItems = async (response: Response, options: ItemsOptions): Promise<void> => {
  const { sink, forPeople, json, signal } = options;
  let count = 0;
  const before = (): string => `after ${counted(count)} · `;
  try {
    for await (const { event, data } of eventsOf(response, signal)) {
      if (event === 'end') {
        if (isTerminal(process.stderr)) complain(paint(process.stderr, 'dim', `  ${counted(count)}, whole`));
        return;
      }
      if (event === 'error') {
        process.exitCode = 1;
        const problem = JSON.parse(data) as Problem;
        if (json) say(JSON.stringify({ error: problem }));
        else complainOf(problem, response.headers, before());
        return;
      }
      if (!(await sink.write(`${forPeople ? pretty(data) : data}\n`))) return;
      count += 1;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // Below it is told like an end without its event.
  }
  if (signal.aborted) return;
  const trace = response.headers.get('trace-id') ?? 'none';
  throw new UsageError(
    `The stream broke off after ${counted(count)}: the connection ended before the stream did. See why in the trace ${trace}, or call again.`,
  );
};
