/** The gateway as people start it, which also writes down when it saw each call come, and each caller leave. */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { LeavingCaller } from '../../../gateway/caller.ts';

const { OVERLOAD_SEEN_FILE: file = '' } = process.env;
const { leave } = LeavingCaller.prototype;

/** Written in one go now and then: a file for each would cost more than the call. */
let lines = '';
setInterval(() => {
  if (lines !== '') appendFileSync(file, lines);
  lines = '';
}, 200).unref();

interface Incoming {
  readonly headers?: Readonly<Record<string, unknown>>;
}

const note = (what: 'came' | 'left', incoming: Incoming): void => {
  lines += `${performance.timeOrigin + performance.now()} ${what}:${String(incoming.headers?.['x-request-id'])}\n`;
};

subscribe('http.server.request.start', (message) => note('came', (message as { request: Incoming }).request));

LeavingCaller.prototype.leave = function observed(this: LeavingCaller): void {
  if (!this.hasLeft && 'incoming' in this) note('left', this.incoming as Incoming);
  leave.call(this);
};

await import('../../../gateway/cli/main.ts');
