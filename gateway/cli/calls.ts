/** `fpm-gateway calls` and `cancel <id>`: what runs in a gateway, and ending exactly one call of it. */
import { printable } from '../trace/tree.ts';
import { type AdminTarget, adminRequest } from './admin-client.ts';
import { failCommand, isTerminal, paint, say, table } from './terminal.ts';

export interface CallsOptions extends AdminTarget {
  readonly json: boolean;
}

/** As `GET /admin/calls` tells it. */
interface ListedCall {
  readonly id: string;
  readonly function: string;
  readonly pool: string;
  readonly phase: 'queued' | 'running';
  readonly sinceMs: number;
  readonly attempt: number;
  readonly pid: number | null;
  readonly traceId: string;
  readonly remainingMs: number | null;
}

interface Listed {
  readonly calls: readonly ListedCall[];
  readonly truncated: boolean;
}

/** `870 ms`, `12.3 s`, `4 min 10 s`. */
const duration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

const HEAD = ['ID', 'FUNCTION', 'POOL', 'PHASE', 'SINCE', 'LEFT', 'ATTEMPT', 'WORKER', 'TRACE'];

const rowOf = (call: ListedCall): string[] =>
  [
    call.id,
    call.function,
    call.pool,
    call.phase,
    duration(call.sinceMs),
    call.remainingMs === null ? '-' : duration(call.remainingMs),
    String(call.attempt),
    call.pid === null ? '-' : String(call.pid),
    call.traceId,
  ].map(printable);

const PHASES = { queued: 'yellow', running: 'green' } as const;

const print = ({ calls, truncated }: Listed): void => {
  const { stdout } = process;
  if (calls.length === 0) {
    say(isTerminal(stdout) ? paint(stdout, 'dim', 'No call is under way.') : 'No call is under way.');
    return;
  }
  const [title = '', ...lines] = table([HEAD, ...calls.map(rowOf)]);
  const coloured = lines.map((line, at) => {
    const phase = calls[at]?.phase ?? 'running';
    // The column's own word, which no name before it can be: names have no spaces.
    return line.replace(` ${phase} `, ` ${paint(stdout, PHASES[phase] ?? 'green', phase)} `);
  });
  say([paint(stdout, 'bold', title), ...coloured].join('\n'));
  if (truncated) say(paint(stdout, 'dim', `There are more: these are the ${calls.length} oldest.`));
  else if (isTerminal(stdout)) say(paint(stdout, 'dim', 'End one with fpm-gateway cancel <id>.'));
};

export const listCalls = async ({ json, ...target }: CallsOptions): Promise<void> => {
  try {
    const listed = (await adminRequest({ ...target, method: 'GET', path: '/admin/calls' })) as Listed;
    if (json) say(JSON.stringify(listed));
    else print(listed);
  } catch (error) {
    failCommand(error, json);
  }
};

const WAS = {
  queued: 'it waited for a worker, and does not get one',
  running: 'PHP had it, and is being ended',
};

export const cancelCall = async (id: string, { json, ...target }: CallsOptions): Promise<void> => {
  try {
    const path = `/admin/calls/${encodeURIComponent(id)}/cancel`;
    const answer = (await adminRequest({ ...target, method: 'POST', path })) as { phase: keyof typeof WAS };
    if (json) say(JSON.stringify(answer));
    else say(`${paint(process.stdout, 'green', '✓')} ${printable(id)} is cancelled: ${WAS[answer.phase]}.`);
  } catch (error) {
    failCommand(error, json);
  }
};
