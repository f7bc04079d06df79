/** The fault catalogue: what is automated, and what comes with which feature. */
import { answerRows } from './answers.ts';
import { callerRows } from './callers.ts';
import { diskRows } from './disk.ts';
import { gatewayRows } from './gateway.ts';
import { loadRows } from './load.ts';
import { masterRows } from './masters.ts';
import { networkRows } from './network.ts';
import { phpRows } from './php.ts';
import { requestRows } from './requests.ts';
import type { LaterRow, Row } from './row.ts';
import { workerRows } from './workers.ts';

const groups = [
  masterRows,
  workerRows,
  phpRows,
  answerRows,
  requestRows,
  callerRows,
  loadRows,
  gatewayRows,
  networkRows,
  diskRows,
];

export const ROWS: readonly Row[] = groups.flat().sort((a, b) => a.number - b.number);

const later = (comesWith: string, rows: Readonly<Record<number, string>>): LaterRow[] =>
  Object.entries(rows).map(([number, fault]) => ({ number: Number(number), fault, comesWith }));

/** Not counted. One that comes moves to a file of rows: those of `stateDir` to disk.ts. */
export const LATER: readonly LaterRow[] = [
  ...later('jobs', {
    40: 'Gateway kill -9 with jobs queued and running',
    41: 'Power loss: 202 only after fsync',
    46: 'Double delivery',
    47: 'Poison message',
    48: 'A worker outlives its lease',
  }),
  ...later('the idempotency store', {
    43: 'SQLite locked by another process',
    44: 'Disk full',
    45: 'State corrupt, deleted or read-only',
  }),
  ...later('brokers', {
    49: 'RabbitMQ stops',
    50: 'RabbitMQ confirms nothing',
    51: 'Unroutable publish',
    52: 'Redis stops',
  }),
  ...(diskRows.length > 0 ? [] : later('root, who may mount a disk', { 68: 'The disk where files wait is full' })),
  ...later('cron', { 53: 'Clock jump, DST, overlap' }),
  ...later('an image with faketime: all timers here are monotonic', { 54: 'Clock jumps by an hour' }),
  ...later('callbacks', { 62: 'Callback down, slow, redirected, private' }),
  ...later('the console', { 64: 'Console under attack' }),
].sort((a, b) => a.number - b.number);
