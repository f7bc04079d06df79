/** How far an attempt came, and what that proves about execution. Pure. */
import type { Executed } from '../errors.ts';

export interface Progress {
  /** `partial`: handed to the kernel, which has not taken all of it yet. */
  sent: 'nothing' | 'partial' | 'complete';
  /** `unused`: no ping was written in front. */
  ping: 'unused' | 'unanswered' | 'answered';
  /** STDOUT and STDERR bytes of this request. */
  bytesReceived: number;
  /** END_REQUEST seen: the only proof of a complete answer. */
  ended: boolean;
  /** The peer closed or reset and everything it had sent was read. Our own `destroy()` never sets this. */
  readToEnd: boolean;
}

export const newProgress = (ping: boolean): Progress => ({
  sent: 'nothing',
  ping: ping ? 'unanswered' : 'unused',
  bytesReceived: 0,
  ended: false,
  readToEnd: false,
});

/**
 * Whether the script ran, for an attempt that is over.
 *
 * php-fpm reads a connection strictly in order and answers a ping when a worker reaches it. So a connection read to
 * its end without that answer proves that the request behind the ping was never begun. Our own close proves nothing:
 * an answer may be lying unread in the socket, and php-fpm runs requests whose sender has gone.
 */
export const executedBy = (progress: Progress): Executed => {
  if (progress.sent === 'nothing') return 'no';
  if (progress.ended || progress.bytesReceived > 0 || progress.ping === 'answered') return 'yes';
  if (progress.ping === 'unanswered' && progress.readToEnd) return 'no';
  return 'unknown';
};
