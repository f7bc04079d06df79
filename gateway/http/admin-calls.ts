/** What operators do with calls under way: see them, and end exactly one. */
import type { Hono } from 'hono';
import { GatewayError } from '../errors.ts';
import type { CallPhase, CallStatus } from '../invoke/running.ts';
import { round } from '../trace/clock.ts';
import type { HttpEnv } from './context.ts';
import { assertMethod } from './request-rules.ts';

/** One release that serves: the current one, or one that was replaced and has calls still. */
export interface CallsOfRelease {
  calls(max: number): readonly CallStatus[];
  cancel(callId: string): CallPhase | undefined;
}

const LIST_MAX = 1000;

const shown = ({ sinceMs, pid, remainingMs, ...call }: CallStatus) => ({
  ...call,
  sinceMs: round(sinceMs),
  pid: pid ?? null,
  remainingMs: remainingMs === undefined ? null : round(remainingMs),
});

/** `GET /admin/calls`, the oldest first, and `POST /admin/calls/{id}/cancel`. */
export const callsActions = (app: Hono<HttpEnv>, releases: () => readonly CallsOfRelease[]): void => {
  app.get('/admin/calls', (c) => {
    // One more tells whether there are more.
    const all = releases().flatMap((release) => release.calls(LIST_MAX + 1));
    const calls = all.sort((a, b) => b.sinceMs - a.sinceMs).slice(0, LIST_MAX);
    return c.json({ calls: calls.map(shown), truncated: all.length > LIST_MAX });
  });
  app.all('/admin/calls/:id/cancel', (c) => {
    assertMethod(c.req.method, ['POST']);
    const id = c.req.param('id');
    for (const release of releases()) {
      const phase = release.cancel(id);
      if (phase !== undefined) return c.json({ cancelled: true, phase }, 202);
    }
    const detail = `There is no call ${JSON.stringify(id.slice(0, 100))} under way: it is over, or was never here. GET /admin/calls lists those that are; callers get the id of theirs as the header request-id, unless they sent one.`;
    throw new GatewayError('not-found', detail);
  });
};
